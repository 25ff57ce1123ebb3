"""All that a drill leaves behind for its report. Times are monotonic, in seconds."""

from dataclasses import dataclass, field

from lbmesh_chaos.model.tally import Tally
from lbmesh_chaos.model.timeline import Event


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """A fault while it stood. `label`: unlike that of any other of the drill. `text`: what it did, for people.

    `targets`: the hosts it struck; `zones`: those whose clients it may hurt, so that the others are the control.
    `healed_s`: when the last step of the undo was taken. `boot_s`: how long it took from then until all that the fault
    had ended answered again.
    """

    label: str
    text: str
    targets: tuple[str, ...]
    zones: tuple[str, ...]
    applied_s: float
    healed_s: float
    boot_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold. `held` None: it could not be judged, which is not a pass."""

    name: str
    held: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A host as the report names it. `address`: without a port."""

    host: str
    zone: str
    address: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who tells of the requests, besides the clients that sent them. In a lab everybody; at real hosts, who can.

    `logged`: each replica wrote down the ids that it carried out, when, and by whom they came; and every body is made
    from its id. `echoed`: good answers give the id back. `counted`: they say how often it was carried out by then.
    """

    logged: bool = True
    echoed: bool = True
    counted: bool = True

    @property
    def tells_twice(self) -> bool:
        """What was carried out more than once can be known."""
        return self.logged or self.counted

    @property
    def tells_mixed_up(self) -> bool:
        """An answer that belongs to another request can be known."""
        return self.logged or self.echoed


@dataclass(frozen=True, slots=True)
class Outcome:
    """`began_s` to `ended_s`: while the load ran. `places`: balancers and replicas. `observers`: the hosts that were
    asked what they hold of the others. `invariants`: those that the drill
    looked at itself; the report adds what the tally says. `residue`: what undoing the faults left behind; a drill with
    residue has failed. `aborted`: why it did not run to its end; "" when it did. `evidence`: None: it had no load of
    its own, and can only say what the mesh did.
    """

    name: str
    hypothesis: str
    seed: int
    revision: str
    world: str
    began_s: float
    ended_s: float
    tally: Tally
    faults: tuple[FaultSpan, ...] = ()
    events: tuple[Event, ...] = ()
    places: tuple[Place, ...] = ()
    observers: tuple[str, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    residue: tuple[str, ...] = ()
    aborted: str = ""
    evidence: Evidence | None = Evidence()
    marks: "Marks" = field(default_factory=lambda: Marks())

    @property
    def is_loaded(self) -> bool:
        """It had load of its own."""
        return self.evidence is not None


@dataclass(frozen=True, slots=True)
class Marks:
    """What the verdict asks for. None: shown, not judged.

    `mesh_lost_max`: idempotent requests lost through `lbmesh.client`. `plain_lost_max`: any requests lost by plain
    clients. `unknown_max`: requests of any client of which nobody knows whether they were carried out. `agree_s`:
    from the last heal until all observers hold everything for up. `void_share_max`: of requests that nobody can
    judge, before the drill says nothing.
    """

    mesh_lost_max: int | None = 0
    plain_lost_max: int | None = None
    unknown_max: int | None = None
    agree_s: float | None = 2.0
    void_share_max: float = 0.02
