"""What goes into the plane and comes out of it, apart from messages of the link."""

from dataclasses import dataclass, field
from enum import StrEnum

from lbmesh.failover.orders import Order
from lbmesh.failover.words import Partner
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.dns import DnsPicture
from lbmesh.model.view import View


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How a probe ended. `reason`: "status 200", "connection refused" and the like. `answered`: of a failure, that the
    replica did answer, only not as it should.
    """

    success: bool
    reason: str
    answered: bool = False


class EventKind(StrEnum):
    """What an event is about."""

    MEMBER = "member"
    REPLICA = "replica"
    FORWARDER = "forwarder"
    RELOAD = "reload"
    NODE = "node"
    PARTNER = "partner"
    FRONT = "front"
    NAME_CONFLICT = "name_conflict"
    NAME_CLAIM = "name_claim"
    SEEDS_SILENT = "seeds_silent"
    OTHER_KEY = "other_key"
    FORGED_ROWS = "forged_rows"
    TOO_MANY_ROWS = "too_many_rows"
    BAD_DATAGRAMS = "bad_datagrams"
    MEMORY = "memory"
    KEY_RING = "key_ring"
    CERTIFICATE = "certificate"
    DNS = "dns"


@dataclass(frozen=True, slots=True)
class Event:
    """Something an operator may want to know later: what (`kind`, `subject`) became what (`change`), and
    why. `is_trouble`: it became worse, and somebody may have to act.
    """

    kind: EventKind
    subject: str
    change: str
    reason: str
    is_trouble: bool = False


@dataclass(frozen=True, slots=True)
class StreamStep:
    """What to do with the gossip stream that an input was about. `units`: to be sent on it; `is_refused`: what came
    was no word of a member; `is_over`: there is no more to say.
    """

    units: tuple[bytes, ...] = ()
    is_refused: bool = False
    is_over: bool = False


class KeyVerb(StrEnum):
    """What an operator may do with a key of the ring."""

    INSTALL = "install"
    USE = "use"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """`key`: the id; "" to install `fresh`, 32 random bytes. `force`: remove it even from members that may need it."""

    verb: KeyVerb
    key: str = ""
    force: bool = False
    fresh: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Effects:
    """What the shell is to do after an input; the order of the parts does not matter.

    `view`: a new View for all forwarders, None when requests need nothing new. `partners`: with whom the sentinel is to
    exchange heartbeats from now on, None when that stands. `keys_to_store`: the key ring changed, and `keys_stored`
    is to be said once it is kept. `streams`: to where gossip wants one opened. `orders`: for the fronts' drivers.
    `dns`: what the nameserver is to answer from now on, None when that stands.
    """

    datagrams: tuple[tuple[Address, bytes], ...] = ()
    probes: tuple[ProbeOrder, ...] = ()
    view: View | None = None
    events: tuple[Event, ...] = ()
    partners: tuple[Partner, ...] | None = None
    keys_to_store: tuple[bytes, ...] | None = field(default=None, repr=False)
    streams: tuple[Address, ...] = ()
    orders: tuple[Order, ...] = ()
    stream: StreamStep = field(default_factory=lambda: StreamStep())
    dns: DnsPicture | None = None
