"""What a node believes, for whoever asks: the shapes behind /v1/state, /readyz and the metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lbmesh.control.inputs import Event
from lbmesh.control.link import ReplicaTelemetry, Telemetry
from lbmesh.failover.sight import FrontStatus
from lbmesh.model.dns import DnsPicture
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.member import Member
from lbmesh.model.service import Replica, ReplicaId
from lbmesh.model.tls import KeyPair
from lbmesh.model.view import ViewVersion


@dataclass(frozen=True, slots=True)
class Readiness:
    """May clients be sent to this node? With the reason, either way."""

    ready: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """The last reload: taken, or refused with located errors."""

    ok: bool
    errors: tuple[str, ...]
    at_s: float


@dataclass(frozen=True, slots=True)
class ForwarderState:
    """One linked forwarder. `viewed`: the View it serves from; None before its first. `telemetry`: its
    newest, whose rows are only those that had changed. `replicas`: what it last said of each replica that it had
    requests for. `silent`: it has said nothing for so long that it must be taken for frozen.
    """

    worker: int
    pid: int
    since_s: float
    viewed: ViewVersion | None = None
    telemetry: Telemetry | None = None
    replicas: dict[ReplicaId, ReplicaTelemetry] = field(default_factory=dict)
    silent: bool = False


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """One replica, what this node makes of it and why, and everybody's opinions that count.

    `since_s`: None for a replica that is not checked, and so always up. `ejected_until_s`: when this node will use it
    again for want of no other; None unless it is ejected. `returned_s`: since when it serves again, if it was out; it
    warms up for `slow_start_s` from then on.
    """

    id: ReplicaId
    replica: Replica
    availability: Availability
    reason: str
    since_s: float | None
    opinions: tuple[Opinion, ...]
    ejected_until_s: float | None = None
    returned_s: float | None = None
    slow_start_s: float = 0.0


@dataclass(frozen=True, slots=True)
class GoneState:
    """A partner that the sentinel takes for gone, since when, and why. Membership may not have noticed yet. `absent`:
    of those who judge it, the ones that say nothing themselves.
    """

    since_s: float
    reason: str
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeartbeatState:
    """The fast heartbeat. `partners`: with whom it is exchanged; `judged`: those of them whose backup this node is;
    `gone`: those of these that are, by name. `counters`: the sentinel's, by name.
    """

    partners: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()
    gone: Mapping[str, GoneState] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node's picture without its replicas, which are too many for one answer; see `Picture.replica_states`.

    Times are this node's monotonic seconds; `now` is the time of the picture. `gossip`: its counters by
    name, empty for a node alone. `local_shares`: by service. `notices`: what is amiss in the mesh and shows in
    no member's state. `certificates`: those in use. `dns`: what is answered; None without [dns].
    """

    now: float
    node: str
    zone: str
    generation: int
    view: ViewVersion | None
    readiness: Readiness
    members: tuple[Member, ...]
    forwarders: tuple[ForwarderState, ...]
    reload: ReloadOutcome | None
    gossip: Mapping[str, int]
    local_shares: tuple[tuple[str, float], ...]
    notices: tuple[Event, ...] = ()
    certificates: tuple[KeyPair, ...] = ()
    heartbeat: HeartbeatState = HeartbeatState()
    fronts: tuple[FrontStatus, ...] = ()
    dns: DnsPicture | None = None
