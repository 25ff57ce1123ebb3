"""What became of the requests, in columns: three million must fit in memory. Times are monotonic, in seconds."""

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from enum import IntEnum

from lbmesh_chaos.model.flow import Flow

OK = "ok"
REFUSED = "refused"
"""No connection was made: nothing was sent."""
UNREACHABLE = "unreachable"
"""Nor here: the connect was not answered, or there is no way."""
NO_ROOM = "no room"
"""Nor here: as many requests as the client may have under way were hanging."""
RESET = "reset"
CLOSED = "closed"
"""The connection ended before an answer began."""
SILENT = "silent"
"""No whole answer in time."""
CUT_SHORT = "cut short"
"""The answer ended before its end."""
MALFORMED = "malformed"
"""What came back is no HTTP."""
FOREIGN_BODY = "foreign body"
"""A good answer with the body of another request."""
DAMAGED_BODY = "damaged body"
FOREIGN_ANSWER = "foreign answer"
"""A good answer of a service that is not the lab's, with the id of another request."""
CLIENT_DIED = "client died"
"""The client's log ends before this request does."""

NOTHING_SENT = frozenset({REFUSED, UNREACHABLE, NO_ROOM})


class Verdict(IntEnum):
    """What one request counts as."""

    OK = 0
    LOST = 1
    """It failed, and its client knows, or may send it again by its method."""
    UNKNOWN = 2
    """Sent, not idempotent, and no answer that says whether it was carried out."""
    VOID = 3
    """The client itself was starved or frozen meanwhile: nobody can say. Counts for nothing."""


@dataclass(frozen=True, slots=True)
class FlowFates:
    """All requests of one flow; position n of each column is request number n, and they were due in this order.

    `latencies_s`: from when it was due to its end, good or bad; NaN where the client was starved meanwhile. `verdicts`:
    of `Verdict`. `executions`: how often replicas carried it out, at most 255; where they keep no log, how often its
    answer says so, 0 when that says nothing. `attempts`: how often the client sent it; 0 when the client does not tell.
    `reasons`: of all that are not OK.
    """

    flow: Flow
    due_s: "array[float]"
    latencies_s: "array[float]"
    verdicts: bytearray
    executions: bytearray
    attempts: bytearray
    reasons: dict[int, str]

    def between(self, from_s: float, until_s: float) -> range:
        """The numbers of the requests due in [from, until)."""
        return range(bisect_left(self.due_s, from_s), bisect_left(self.due_s, until_s))


@dataclass(frozen=True, slots=True)
class Executions:
    """When a replica carried out requests that came by one peer (a balancer's address), in order."""

    replica: str
    zone: str
    peer: str
    at_s: "array[float]"


@dataclass(frozen=True, slots=True)
class Starved:
    """A stretch in which a client did not get to run."""

    client: str
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A request that one could name, and what is wrong with it."""

    request: str
    what: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All of one sort: how many, and the first of them."""

    count: int = 0
    first: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """What clients and replicas wrote down, put together.

    `duplicated`: a POST without a key carried out more than once. `replayed`: other requests carried out more than
    once. `mixed_up`: bytes of one request in another, on the way there or back. `damaged`: bytes of nobody's.
    `unexecuted`: a good answer to what no replica carried out. `strays`: carried out, but never sent. `mesh_lost`:
    idempotent requests lost through `lbmesh.client`, with the client's own words.
    """

    fates: tuple[FlowFates, ...] = ()
    executions: tuple[Executions, ...] = ()
    starved: tuple[Starved, ...] = ()
    duplicated: Findings = Findings()
    replayed: Findings = Findings()
    mixed_up: Findings = Findings()
    damaged: Findings = Findings()
    unexecuted: Findings = Findings()
    strays: Findings = Findings()
    mesh_lost: Findings = Findings()
