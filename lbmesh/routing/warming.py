"""Slow start: a replica that returns gets a share that rises from a small one to what its weight is worth.

For a service in which nothing warms up none of this runs, and no pick asks for the time.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from lbmesh.routing.policies import Candidate, Making, Pick, Random
from lbmesh.routing.steps import collect

WARMTH_MIN = 0.1
"""Of its weight, at the beginning: Envoy's default for the least."""

JITTER = 0.2
"""Each forwarder begins the rise later by up to this part of it, so that those of the mesh do not march in step."""

C = TypeVar("C", bound=Candidate)


def warmth(rise_began_s: float, slow_start_s: float, now: float) -> float:
    """Which part of its weight a replica is worth, from WARMTH_MIN to 1.0, with a straight line between."""
    if slow_start_s <= 0:
        return 1.0
    done = (now - rise_began_s) / slow_start_s
    return min(1.0, WARMTH_MIN + (1 - WARMTH_MIN) * max(0.0, done))


def is_warming(returned_s: float | None, slow_start_s: float, now: float) -> bool:
    """True while some forwarder may still favour others. A return after `now` was in an earlier life of the machine,
    whose clock began anew.
    """
    return returned_s is not None and 0 <= now - returned_s < slow_start_s * (1 + JITTER)


def warming_words(returned_s: float, slow_start_s: float, now: float) -> tuple[str, ...]:
    """What an explanation of the replica should say about it; nothing once it is warm."""
    if not is_warming(returned_s, slow_start_s, now):
        return ()
    part = warmth(returned_s, slow_start_s, now)
    return (f"warming up: {part:.0%} of its weight, {now - returned_s:.0f} s after it returned",)


def share_in_between(cold_share: float, warm_share: float, warmths: Sequence[float]) -> float:
    """A zone's share while replicas warm up: from what it would be without them to what it is to be."""
    return cold_share + (warm_share - cold_share) * sum(warmths) / len(warmths) if warmths else warm_share


def warming_policy_over(
    group: Sequence[C], warmths: Mapping[C, float], make: Callable[[Sequence[C]], Making[C]], random: Random
) -> Making[C]:
    """The policy over a group some of which are not worth their weight yet. To be made anew as they warm up.

    `warmths`: of those that warm up, below 1.0; all others are worth their weight. `make`: the policy over those that
    count as warm. Where no other is in the group, the warmest do.
    """
    parts = yield from collect(group, lambda part: [warmths.get(one, 1.0) for one in part])
    warmest = max(parts)
    warm = yield from collect(
        zip(group, parts, strict=True), lambda some: [one for one, part in some if part >= warmest]
    )
    if len(warm) == len(group):
        return (yield from make(group))
    worths = yield from collect(zip(group, parts, strict=True), lambda some: [one.weight * part for one, part in some])
    total = sum(worths)
    warming = yield from collect(
        zip(group, parts, strict=True), lambda some: [one for one, part in some if part < warmest]
    )
    cold = zip(worths, parts, strict=True)
    shares = yield from collect(cold, lambda some: [worth / total for worth, part in some if part < warmest])
    bounds = yield from collect(accumulate(shares), list)
    return WarmingPolicy(warming, bounds, (yield from make(warm)), random).pick


class WarmingPolicy(Generic[C]):
    """Each of those that warm up is drawn with just the probability that is its share; else the policy chooses among
    the others. No policy could do that by itself: to each of them a replica without load looks best.
    """

    __slots__ = ("_bounds", "_others", "_random", "_warming")

    def __init__(self, warming: Sequence[C], bounds: Sequence[float], others: Pick[C], random: Random) -> None:
        """`bounds`: the shares of the warming ones, added up from one to the next."""
        self._warming = warming
        self._bounds = bounds
        self._others = others
        self._random = random

    def pick(self) -> C:
        """One that warms up, or the policy's choice."""
        drawn = bisect_right(self._bounds, self._random())
        return self._warming[drawn] if drawn < len(self._warming) else self._others()
