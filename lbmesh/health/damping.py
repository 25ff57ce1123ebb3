"""Flap damping: a replica that goes up and down again and again comes back late. Nothing ever goes down late."""

from dataclasses import dataclass, replace
from math import exp2, inf, log2

from lbmesh.health.limits import (
    HOLD_ABOVE,
    HOLD_MAX_S,
    PENALTY_HALF_LIFE_S,
    PENALTY_MAX,
    RELEASE_BELOW,
    TAKEN_BACK_WITHIN_S,
)
from lbmesh.model.health import Availability


@dataclass(frozen=True, slots=True)
class Damping:
    """`penalty`: one point a transition, halved every PENALTY_HALF_LIFE_S, as of `at_s`. `availability`: the last that
    was not unknown, before damping. `held_since_s`: when it would first have come back; infinite when it is not held.
    `counted`: whether the last transition was.
    """

    penalty: float = 0.0
    at_s: float = 0.0
    availability: Availability = Availability.UNKNOWN
    held_since_s: float = inf
    counted: bool = False

    def after(
        self, availability: Availability, now: float, *, by_peers: bool = False, isolated_s: float = -inf
    ) -> "Damping":
        """Follow what merging says. Unknown is no transition, and neither is the first word of all. `by_peers`: peers'
        words took part; what is taken back at once was no transition then, for the words of several observers cross.
        `isolated_s`: when this node last heard no peer; `now` while that lasts. That it reaches no replica then either
        is its own link's doing, and none of theirs.
        """
        if availability in (self.availability, Availability.UNKNOWN):
            return self
        if self.availability is Availability.UNKNOWN:
            return replace(self, availability=availability, at_s=now)
        is_own_doing = isolated_s >= (self.at_s if availability is Availability.UP else now)
        is_taken_back = by_peers and self.counted and now - self.at_s < TAKEN_BACK_WITHIN_S
        if is_own_doing:
            points = -1.0 if availability is Availability.UP and self.counted else 0.0
        else:
            points = -1.0 if is_taken_back else 1.0
        penalty = min(PENALTY_MAX, max(0.0, self.penalty_at(now) + points))
        held_since_s = self.held_since_s
        if availability is Availability.DOWN and not self.is_held(now):
            held_since_s = inf
        if availability is Availability.UP and held_since_s == inf and penalty > HOLD_ABOVE:
            held_since_s = now
        return Damping(penalty, now, availability, held_since_s, points > 0)

    def penalty_at(self, now: float) -> float:
        """What is left of the penalty."""
        return self.penalty * exp2((self.at_s - now) / PENALTY_HALF_LIFE_S)

    @property
    def release_s(self) -> float:
        """When the hold ends by itself; -infinite when there is none."""
        if self.held_since_s == inf:
            return -inf
        decayed_s = self.at_s + PENALTY_HALF_LIFE_S * log2(max(self.penalty / RELEASE_BELOW, 1.0))
        return min(decayed_s, self.held_since_s + HOLD_MAX_S)

    def is_held(self, now: float) -> bool:
        """True while it is up, and kept from coming back."""
        return self.availability is Availability.UP and now < self.release_s

    def released(self) -> "Damping":
        """Without the hold, though with its penalty: the next return may be held again."""
        return replace(self, held_since_s=inf)
