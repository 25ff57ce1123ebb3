"""What one balancer believes, as far as a drill cares: who and what is not as it should be."""

from dataclasses import dataclass
from typing import Any

from lbmesh.dev.world import World
from lbmesh.model.health import Availability
from lbmesh.model.member import MemberState


@dataclass(frozen=True, slots=True)
class Picture:
    """Names out of the world. `down`: taken to be dead. `amiss`: those, and all else that is not yet fine."""

    down: frozenset[str]
    amiss: frozenset[str]

    @property
    def whole(self) -> bool:
        """Every balancer is alive and every replica up."""
        return not self.amiss


def read_picture(state: Any, world: World, observer: str) -> Picture:
    """From the JSON of /v1/state. Raises KeyError or TypeError when it has another shape.

    Who is not mentioned is amiss: a balancer that has just started does not know the others yet.
    """
    members = {member["name"]: member["state"] for member in state["members"]}
    replicas = {one["address"]: one["availability"] for service in state["services"] for one in service["replicas"]}
    names = {one.name: members.get(one.name) for one in world.balancers if one.name != observer}
    apps = {one.name: replicas.get(str(one.address)) for one in world.replicas}
    down = {name for name, word in names.items() if word in (MemberState.DOWN, MemberState.LEFT)}
    down |= {name for name, word in apps.items() if word == Availability.DOWN}
    amiss = {name for name, word in names.items() if word != MemberState.ALIVE}
    amiss |= {name for name, word in apps.items() if word != Availability.UP}
    return Picture(frozenset(down), frozenset(amiss))


def blind_picture(world: World) -> Picture:
    """Of a balancer that did not answer: it vouches for nothing."""
    return Picture(frozenset(), frozenset(one.name for one in world.subjects))
