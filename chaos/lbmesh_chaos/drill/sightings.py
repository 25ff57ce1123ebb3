"""What each balancer comes to hold of the others and of the replicas, from its /v1/state, asked often. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.model.world import Role, World


@dataclass(slots=True)
class Sightings:
    """Of one observer. `names`: of the hosts, by address."""

    observer: str
    names: Mapping[str, str]
    _held: dict[str, tuple[What, float]] = field(default_factory=dict)

    def saw(self, state: Mapping[str, Any], at_s: float) -> Iterator[Event]:
        """What is new. The times are the observer's own, so that it does not matter when it was asked.

        But a doubt that passes leaves no trace in what it doubted: that was alive all the while, and says since when.
        Then it ended between two questions, and the second one's time stands.
        """
        for member in state["members"]:
            if member["name"] != self.observer:
                yield from self._news(member["name"], at_s, *_of_member(member, at_s))
        for service in state["services"]:
            for replica in service["replicas"]:
                name = self.names.get(replica["address"], replica["address"])
                yield from self._news(name, at_s, *_of_replica(replica, self.observer, at_s))

    def _news(self, subject: str, seen_s: float, what: What | None, at_s: float, detail: str) -> Iterator[Event]:
        before, before_s = self._held.get(subject, (None, 0.0))
        if what is None or what == before:
            return
        if before is not None and at_s < before_s:
            at_s = seen_s
        self._held[subject] = what, at_s
        # That all is well at first is no news.
        if before is not None or what is not What.CLEARED:
            yield Event(at_s, what, subject, self.observer, detail)


def observers(world: World) -> tuple[Sightings, ...]:
    """One for each balancer."""
    names = {host.served_at: host.name for host in world.with_role(Role.REPLICA)}
    return tuple(Sightings(host.name, names) for host in world.with_role(Role.BALANCER))


def _of_member(member: Mapping[str, Any], at_s: float) -> tuple[What | None, float, str]:
    since_s = at_s - (member["for_s"] or 0.0)
    match member["state"]:
        case "alive" if gone := member["gone"]:
            return What.SUSPECTED, at_s - gone["for_s"], str(gone["reason"])
        case "alive":
            return What.CLEARED, since_s, str(member["reason"])
        case "impaired":
            return What.SUSPECTED, since_s, str(member["reason"])
        case "down":
            return What.AGREED, since_s, str(member["reason"])
        case _:
            return None, since_s, ""


def _of_replica(replica: Mapping[str, Any], observer: str, at_s: float) -> tuple[What | None, float, str]:
    since_s = at_s - (replica["for_s"] or 0.0)
    own = next((one for one in replica["opinions"] if one["observer"] == observer), None)
    match replica["availability"]:
        case "down":
            return What.AGREED, since_s, str(replica["reason"])
        case "unknown" if replica["ejected_for_s"] is not None:
            return What.EJECTED, since_s, str(replica["reason"])
        case "up" if own is not None and not own["up"]:
            return What.SUSPECTED, at_s - own["age_s"], str(own["reason"])
        case "up":
            return What.CLEARED, since_s, str(replica["reason"])
        case _:
            return None, since_s, ""
