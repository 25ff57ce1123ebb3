"""What keeps a node from moving fronts too fast, or for a fault of its own: isolation, mass loss, hold-down."""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import inf

from lbmesh.failover.front_limits import (
    FIRM_LOSSES,
    HOLD_DOWN_MAX_S,
    LOSSES_MAX,
    LOSSES_S,
    MASS_S,
)
from lbmesh.failover.plan import Standing
from lbmesh.model.front import Front

_PEERS_TELL = 2
"""Two silent peers and more say that it is this node; one may be dead."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a node sees of the world outside. `peers`: how many there should be; `hears_peer`: one of them at least.
    `outside`: by name ("gateway", "witness", "replicas of other zones"), whether it is in reach; what nobody knows is
    left out.
    """

    peers: int = 0
    hears_peer: bool = True
    outside: Mapping[str, bool] = field(default_factory=dict)

    def isolation(self) -> str | None:
        """Why this node must take itself for cut off; None while it need not."""
        if self.hears_peer or self.peers == 0 or any(self.outside.values()):
            return None
        if not self.outside and self.peers < _PEERS_TELL:
            return None
        silent = ", ".join(("peers", *self.outside))
        return f"isolated: nothing is in reach of {silent}"


@dataclass(slots=True)
class _Seen:
    zone: str
    alive_s: float
    since_s: float
    is_live: bool = True
    losses_s: deque[float] = field(default_factory=lambda: deque(maxlen=LOSSES_MAX))


class Record:
    """Who came and went, as this node saw it."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def note(self, now: float, nodes: Mapping[str, Standing], gone: Collection[str]) -> None:
        """These live, and these of them are gone; all others are not there."""
        for name, standing in nodes.items():
            if name in gone:
                continue
            one = self._seen.get(name)
            if one is None:
                one = self._seen[name] = _Seen(standing.zone, now, now)
            elif not one.is_live:
                one.is_live, one.since_s = True, now
            one.zone, one.alive_s = standing.zone, now
        for name, one in tuple(self._seen.items()):
            if one.is_live and (name in gone or name not in nodes):
                one.is_live = False
                one.alive_s = now
                one.losses_s.append(now)
            elif not one.is_live and now - one.alive_s > LOSSES_S:
                del self._seen[name]

    def losses(self, now: float, name: str) -> int:
        """How often it was lost of late."""
        one = self._seen.get(name)
        return sum(now - at_s < LOSSES_S for at_s in one.losses_s) if one else 0

    def often_lost(self, now: float) -> dict[str, str]:
        """Who was lost so often of late that it may be lost again, and in which zone it is, whether it lives or not."""
        return {name: one.zone for name, one in self._seen.items() if self.losses(now, name) >= FIRM_LOSSES}

    def settled_s(self, now: float, front: Front, name: str) -> float:
        """From when on the node may have the front back; infinite for one that is not there."""
        one = self._seen.get(name)
        if one is None or not one.is_live:
            return inf
        doublings = max(0, self.losses(now, name) - 1)
        longest_s = max(HOLD_DOWN_MAX_S, front.hold_down_s)
        return one.since_s + min(longest_s, float(front.hold_down_s * 2**doublings))

    def mass_loss(self, now: float) -> str | None:
        """Why what was lost at once is too much to be believed; None when it is not. One zone's death is one loss,
        whatever its size; half of all votes in more than one is more than that.
        """
        late = [one for one in self._seen.values() if one.is_live or now - one.alive_s < MASS_S]
        zones = {one.zone for one in late}
        hit = {one.zone for one in late if not one.is_live}
        if len(hit) < 2:
            return None
        left = sum(
            sum(one.is_live for one in late if one.zone == zone) / sum(one.zone == zone for one in late)
            for zone in zones
        )
        if left > len(zones) / 2:
            return None
        dead = sum(not one.is_live for one in late)
        return f"mass loss: {dead} of {len(late)} nodes, in {len(hit)} zones, are lost at once"
