"""What goes into the core of fronts, and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lbmesh.failover.claims import Claim, FrontState, Grant
from lbmesh.failover.guards import Outlook
from lbmesh.failover.orders import Order
from lbmesh.failover.plan import Lost, Place, Standing
from lbmesh.model.front import Front


@dataclass(frozen=True, slots=True)
class Sight:
    """What a node sees of the mesh. `nodes`: the live ones, itself among them, witnesses not. `gone`: by the heartbeat.
    `claims` and `grants`: {front: {node: what it says}}, of live peers. `stalled`: why this node serves nobody, "" when
    it does.
    """

    nodes: Mapping[str, Standing]
    gone: Mapping[str, Lost] = field(default_factory=dict)
    claims: Mapping[str, Mapping[str, Claim]] = field(default_factory=dict)
    grants: Mapping[str, Mapping[str, Grant]] = field(default_factory=dict)
    outlook: Outlook = Outlook()  # noqa: RUF009
    stalled: str = ""


@dataclass(frozen=True, slots=True)
class FrontStatus:
    """One front as this node sees it. `reason`: of the state here; `guard`: what holds a move back, "" for nothing;
    `problem`: what the driver said, "" when all is well. `holders`: who answers for it, mostly one.
    """

    front: Front
    state: FrontState
    since_s: float
    epoch: int
    reason: str
    place: Place
    guard: str
    problem: str
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """A front's state changed here."""

    front: str
    before: FrontState
    after: FrontState
    reason: str


@dataclass(slots=True)
class FrontsOutput:
    """What one step brought. `claims` and `grants`: this node's rows that are to be written, None for taken back."""

    orders: list[Order] = field(default_factory=list)
    claims: dict[str, Claim | None] = field(default_factory=dict)
    grants: dict[str, Grant | None] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
