"""One front with all that a node keeps of it."""

from dataclasses import dataclass, field
from math import inf

from lbmesh.failover.claims import Claim, FrontState, Grant
from lbmesh.failover.front import FrontMachine
from lbmesh.failover.lease import Tenancy
from lbmesh.failover.plan import NOBODY, Place
from lbmesh.model.front import Front


@dataclass(slots=True)
class Kept:
    """`wanted`: the front as the settings have it, None when it was taken out. `told`: the state that was last told of.
    `place` and `guard`: where it belongs, and what holds a move back. `claim` and `grant`: this node's rows.

    `balked`: until when heirs that did not take it are not asked again; `passed`: until when others that should have it
    are passed by; `awaited`: who should claim it, since when. `last_holder`: who else held it last, "" when that was
    this node or nobody.
    """

    machine: FrontMachine
    tenancy: Tenancy | None
    wanted: Front | None
    told: FrontState = FrontState.IDLE
    place: Place = NOBODY
    guard: str = ""
    claim: Claim | None = None
    grant: Grant | None = None
    balked: dict[str, float] = field(default_factory=dict)
    passed: dict[str, float] = field(default_factory=dict)
    last_holder: str = ""
    awaited: tuple[str, float] = ("", inf)
