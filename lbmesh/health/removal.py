"""Limited removal: what a service keeps although its peers say that it is down.

Only hearsay is limited. What this node cannot reach itself it avoids at once, whatever the limits.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

from lbmesh.health.limits import REMOVAL_SHARE, REMOVAL_WINDOW_S, ZONE_WINDOW_S
from lbmesh.health.merge import Merged, Rule
from lbmesh.model.health import Availability


@dataclass(slots=True)
class ZoneGuard:
    """Lets one zone at a time lose replicas that somebody still reaches; one for all services of a node."""

    zone: str = ""
    taken_s: float = -inf

    def free_s(self, zone: str) -> float:
        """From when on a replica of this zone may be taken."""
        return -inf if zone == self.zone else self.taken_s + ZONE_WINDOW_S

    def take(self, zone: str, now: float) -> None:
        """A replica of this zone, which somebody still reaches, is taken out."""
        self.zone, self.taken_s = zone, now


@dataclass(slots=True)
class RemovalBudget:
    """How many of a service's replicas hearsay may still take out. `taken_s`: the times of the latest removals."""

    taken_s: deque[float] = field(default_factory=deque)

    def free_s(self, replicas: int, now: float) -> float:
        """From when on one more may be taken, of so many replicas."""
        while self.taken_s and self.taken_s[0] + REMOVAL_WINDOW_S <= now:
            self.taken_s.popleft()
        most = max(1, int(replicas * REMOVAL_SHARE))
        return -inf if len(self.taken_s) < most else self.taken_s[-most] + REMOVAL_WINDOW_S

    def take(self, now: float) -> None:
        """One more is taken out."""
        self.taken_s.append(now)


@dataclass(frozen=True, slots=True)
class Case:
    """One replica as the limits see it: its `zone`, the availability it has `now_is`, what merging says (`merged`)."""

    zone: str
    now_is: Availability
    merged: Merged


@dataclass(frozen=True, slots=True)
class Limited:
    """What comes of it, and when a limit that applied is to be looked at again; infinite when time changes nothing."""

    final: Merged
    until_s: float = inf


def limit_removal(
    cases: Sequence[Case], total: int, budget: RemovalBudget, guard: ZoneGuard, now: float
) -> tuple[Limited, ...]:
    """Some replicas of a service that has `total`, all that are not in use among them, with removal by hearsay limited.
    Those already out come first, then in the given order:

    1. *Fail open*: it never takes more than half out, with those out by own evidence counted.
    2. *Removal limit*: it takes at most REMOVAL_SHARE of them out of use in REMOVAL_WINDOW_S.
    3. *One zone at a time*: of those that somebody still reaches, only one zone's in ZONE_WINDOW_S.

    What is kept stays as it is, if it was in use; else, and when two or more say down and nobody up, it becomes
    unknown, and is used when no replica is up. `budget` and `guard` note what is taken.
    """
    out = sum(one.merged.availability is Availability.DOWN and not one.merged.is_removal for one in cases)
    finals = {index: Limited(one.merged) for index, one in enumerate(cases) if not one.merged.is_removal}
    removals = [index for index, one in enumerate(cases) if one.merged.is_removal]
    for index in sorted(removals, key=lambda index: cases[index].now_is is Availability.UP):
        case = cases[index]
        is_new = case.now_is is Availability.UP
        is_contested = is_new and case.merged.ups > 0
        rule, until_s = Rule.FAIL_OPEN, inf
        if (out + 1) * 2 <= total:
            rule, until_s = Rule.REMOVAL_LIMIT, budget.free_s(total, now) if is_new else -inf
            if until_s <= now and is_contested:
                rule, until_s = Rule.ONE_ZONE_AT_A_TIME, guard.free_s(case.zone)
        if until_s > now:
            finals[index] = Limited(_kept(case, rule), until_s)
            continue
        out += 1
        finals[index] = Limited(case.merged)
        if is_new:
            budget.take(now)
        if is_contested:
            guard.take(case.zone, now)
    return tuple(finals[index] for index in range(len(cases)))


_WHY = {
    Rule.FAIL_OPEN: "kept, as most would be down and this node has not seen it fail",
    Rule.REMOVAL_LIMIT: "kept for now, as the peers' words have just taken others out",
    Rule.ONE_ZONE_AT_A_TIME: "kept for now, as somebody reaches it and another zone's replicas were just taken out",
}


def _kept(case: Case, rule: Rule) -> Merged:
    merged = case.merged
    is_plain = merged.downs > 1 and not merged.ups and rule is Rule.FAIL_OPEN
    stays = case.now_is is Availability.UP and not is_plain
    return replace(
        merged,
        availability=Availability.UP if stays else Availability.UNKNOWN,
        rule=rule,
        reason=f"{_WHY[rule]}: {merged.reason}",
    )
