"""What an agent and its forwarders say to each other: one JSON object a line over a local stream socket.

Agent to forwarder: Views (see `view_codec`). Forwarder to agent: `Hello`, then the View it serves from, if it
has one (a new agent inherits it), then `Viewed`, `ReplicaFailure` and `Telemetry` as they come up.
Counters are cumulative since the forwarder started, so that a lost line costs nothing.
"""

from msgspec import MsgspecError, Struct, json

from lbmesh.model.service import ReplicaId
from lbmesh.model.view import ViewVersion

TELEMETRY_ROWS_MAX = 256
"""Rows of one `Telemetry`: encoding or taking in so many takes below a millisecond."""


class Hello(Struct, frozen=True, tag_field="kind", tag="hello"):
    """The forwarder's first line."""

    worker: int
    pid: int


class Viewed(Struct, frozen=True, tag_field="kind", tag="viewed"):
    """The forwarder now serves from this View."""

    version: ViewVersion


class ReplicaFailure(Struct, frozen=True, tag_field="kind", tag="replica_failure"):
    """Passive evidence, sent at once (at most one each 100 ms for a replica): a request to it failed.

    `reason`: the access log's word for the failure, such as "connect_refused". `after_answer`: the replica has answered
    others since its last failure that was reported.
    """

    replica: ReplicaId
    reason: str
    after_answer: bool = False


class ReplicaTelemetry(Struct, frozen=True):
    """One replica's counters and gauges in one forwarder. `ewma_s`: peak-EWMA of the response time. `errors`: attempts
    that did not fail, yet speak against the replica when they are more than at its siblings: answers from 500 on but
    501 and 505, and clients that left before any answer.
    """

    replica: ReplicaId
    requests: int
    failures: int
    responses_5xx: int
    in_flight: int
    ewma_s: float
    errors: int = 0


class ServiceTelemetry(Struct, frozen=True):
    """What one forwarder makes of a service's limits. `active`: requests that hold a place of `active_max`; `pending`:
    that wait for one. Counters: `hedges` sent, those of them that answered first, and requests `moved` away from a
    replica that had gone down.
    """

    service: str
    active: int
    active_max: int
    pending: int
    hedges: int = 0
    hedges_won: int = 0
    moved: int = 0


class RequestTelemetry(Struct, frozen=True):
    """The duration histogram of requests with these labels. `buckets`: (bucket index, count), ascending,
    indices as `observe.histogram` defines them; `sum_s`: all durations added up.
    """

    service: str
    method: str
    status: int
    reason: str
    count: int
    sum_s: float
    buckets: tuple[tuple[int, int], ...]


class MirroredTelemetry(Struct, frozen=True):
    """Copies of requests that were for a service, and what came of them: one of the words of `forwarder/mirror.py`."""

    service: str
    outcome: str
    count: int


class TunnelTelemetry(Struct, frozen=True):
    """One forwarder's tunnels. `open`: now; the rest are counters."""

    open: int = 0
    opened: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


class Telemetry(Struct, frozen=True, tag_field="kind", tag="telemetry"):
    """One forwarder's figures, sent every second and before it ends: all its gauges, and the rows that have changed,
    in several messages when there are many. `is_inventory`: the rows say what was counted before this link stood.
    `lag_s`: how long what is ready waits for its turn. `handshakes`: of clients over TLS that came to an end;
    `handshakes_resumed`: those of them that took up an earlier session; `handshake_failures`: (reason, count).
    """

    worker: int
    pid: int
    version: ViewVersion | None
    connections: int
    active_requests: int
    accepted: int
    access_log_dropped: int
    requests: tuple[RequestTelemetry, ...] = ()
    replicas: tuple[ReplicaTelemetry, ...] = ()
    is_inventory: bool = False
    mirrored: tuple[MirroredTelemetry, ...] = ()
    services: tuple[ServiceTelemetry, ...] = ()
    lag_s: float = 0.0
    proxy_header_faults: int = 0
    tunnels: TunnelTelemetry = TunnelTelemetry()
    handshakes: int = 0
    handshakes_resumed: int = 0
    handshake_failures: tuple[tuple[str, int], ...] = ()


LinkMessage = Hello | Viewed | ReplicaFailure | Telemetry

_VIEW_LINES = (b'{"kind":"view_', b'{"kind":"view"')

_encode = json.Encoder().encode
_decode = json.Decoder[LinkMessage](LinkMessage).decode


def encode_message(message: LinkMessage) -> bytes:
    """One line, with its newline."""
    return _encode(message) + b"\n"


def decode_message(line: bytes) -> LinkMessage | None:
    """The message on this line; None when the line is part of a View. Raises ValueError when it is neither."""
    if line.startswith(_VIEW_LINES):
        return None
    try:
        message: LinkMessage = _decode(line)
    except MsgspecError as error:
        raise ValueError(f"a malformed link message: {error}") from error
    return message
