"""Slow start: a replica that returns gets a share that rises from a small one to what its weight is worth.

For a service in which nothing warms up none of this runs: it has a plain Balancer, and no pick asks for the time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from lbmesh.model.traffic import Balance
from lbmesh.routing.balancer import Balancer, Candidate

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
    """The local share while replicas warm up: from what it would be without them to what it is to be."""
    return cold_share + (warm_share - cold_share) * sum(warmths) / len(warmths) if warmths else warm_share


class WarmingBalancer(Balancer[C]):
    """A Balancer some of whose replicas are not worth their weight yet. Made anew as they warm up.

    Each of those is drawn with just the probability that is its share; else the policy chooses among the others of
    the group. No policy could do that by itself: to each of them a replica without load looks best. Where no other is
    in the group, the warmest count as warm.
    """

    __slots__ = ("_choose", "_local_split", "_remote_split", "_warmths")

    def __init__(
        self,
        *,
        policy: Balance,
        local: Sequence[C],
        remote: Sequence[C],
        unproven: Sequence[C],
        local_share: float,
        random: Callable[[], float],
        warmths: Mapping[C, float],
    ) -> None:
        """`warmths`: of the replicas that warm up, below 1.0; all others are worth their weight."""
        super().__init__(
            policy=policy, local=local, remote=remote, unproven=unproven, local_share=local_share, random=random
        )
        self._warmths = warmths
        self._choose = self._pick
        self._pick = self._pick_warily
        self._local_split = self._split(self._local)
        self._remote_split = self._split(self._remote)

    def _pick_warily(self, group: tuple[C, ...]) -> C:
        if group is self._local:
            others, bounds = self._local_split
        elif group is self._remote:
            others, bounds = self._remote_split
        else:
            others, bounds = self._split(group)
        point = self._random()
        for bound, candidate in bounds:
            if point < bound:
                return candidate
        return self._choose(others)

    def _split(self, group: tuple[C, ...]) -> tuple[tuple[C, ...], tuple[tuple[float, C], ...]]:
        """The replicas that count as warm, as often as they stand in the group; the others with their shares added
        up from one to the next.
        """
        warmest = max((self._warmths.get(one, 1.0) for one in group), default=1.0)
        worth = {one: one.weight * self._warmths.get(one, 1.0) for one in group}
        total = sum(worth.values())
        bounds = []
        bound = 0.0
        for candidate, value in worth.items():
            if self._warmths.get(candidate, 1.0) < warmest:
                bound += value / total
                bounds.append((bound, candidate))
        others = tuple(one for one in group if self._warmths.get(one, 1.0) >= warmest)
        return others, tuple(bounds)
