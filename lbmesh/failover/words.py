"""What goes into the heartbeat's core and what comes out of it."""

from dataclasses import dataclass, field
from enum import StrEnum

from lbmesh.model.address import Address


@dataclass(frozen=True, slots=True)
class PairKey:
    """What one key of the ring gives for two sessions, in hex. `id`: 4 bytes, names the ring's key; `seal` is for what
    this node sends to the other, `open` for the reverse: 32 bytes each.
    """

    id: str
    seal: str
    open: str


@dataclass(frozen=True, slots=True)
class Partner:
    """A node to exchange heartbeats with (`watched`), or only to agree with on another one's silence.

    `session`: 16 bytes in hex, of the one start of its sentinel that counts. `keys`: the first seals, any opens.
    `judges`: all backups of its fronts when this node is one of them; else empty. `front`: one of these fronts.
    """

    name: str
    zone: str
    address: Address
    session: str
    keys: tuple[PairKey, ...]
    watched: bool
    judges: tuple[str, ...] = ()
    front: Address | None = None


class GoneRule(StrEnum):
    """SILENT: nothing was heard of it. HUNG: it says itself that none of its forwarders gets on. DEAF: it says itself
    that it hears none of its backups, though they speak to it.
    """

    SILENT = "silent"
    HUNG = "hung"
    DEAF = "deaf"


@dataclass(frozen=True, slots=True)
class Gone:
    """A partner does not serve its fronts, and overlap-tolerant takeover is permitted. It is still a member.

    `reason`: in words, with the figures. `for_s`: how long ago that was found. `absent`: the other backups that say
    nothing either: none of them will take over.
    """

    name: str
    rule: GoneRule
    reason: str
    for_s: float = 0.0
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Back:
    """A partner that was gone is not any more, after `for_s`."""

    name: str
    reason: str
    for_s: float


Word = Gone | Back

NO_PARTNER = "no partner any more"
"""Why a word ends without a return: the mesh has taken the partner out of the table, mostly because it is down."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask this front over HTTP whether anybody answers, and say so, with the probe's number, within `timeout_s`."""

    number: int
    front: Address
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Vitals:
    """What this node says of itself. `hung`: how many of its `forwarders` do not get on; ages are of ticks."""

    agent_age_s: float = 0.0
    forwarder_age_s: float = 0.0
    forwarders: int = 0
    hung: int = 0
    leaving: bool = False
    draining: bool = False

    @property
    def hangs(self) -> bool:
        """True when none of its forwarders gets on."""
        return self.hung >= self.forwarders > 0


@dataclass(slots=True)
class Output:
    """What one step brought, for the shell to do."""

    datagrams: list[tuple[Address, bytes]] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
