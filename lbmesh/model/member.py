"""Words about the balancers of the mesh."""

from dataclasses import dataclass
from enum import StrEnum

from lbmesh.model.address import Address


class MemberState(StrEnum):
    """ALIVE: reachable. IMPAIRED: some observers cannot reach it, too few to condemn it.
    DOWN: agreed to be dead. LEFT: said goodbye itself.
    """

    ALIVE = "alive"
    IMPAIRED = "impaired"
    DOWN = "down"
    LEFT = "left"

    @property
    def is_live(self) -> bool:
        """True for a member that takes part: it may be reachable, and what it says counts."""
        return self in (MemberState.ALIVE, MemberState.IMPAIRED)


@dataclass(frozen=True, slots=True)
class Member:
    """A balancer as this node sees it.

    `epoch` is its persisted boot counter; `since_s` is this node's monotonic time of the last change.
    """

    name: str
    zone: str
    address: Address
    epoch: int
    state: MemberState
    since_s: float
    reason: str
