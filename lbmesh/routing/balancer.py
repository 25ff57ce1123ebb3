"""Choosing one replica of a service for one attempt, with the reason for the choice."""

from collections.abc import Callable, Container, Sequence
from typing import Generic, Protocol, TypeVar, assert_never

from lbmesh.model.traffic import Balance


class Candidate(Protocol):
    """What a policy looks at. `latency_s`: peak-EWMA; `in_flight`: attempts under way from here."""

    @property
    def in_flight(self) -> int: ...
    @property
    def latency_s(self) -> float: ...
    @property
    def weight(self) -> int: ...


C = TypeVar("C", bound=Candidate)

REASON_LOCAL = "local"
REASON_REMOTE_SHARE = "remote_share"
REASON_REMOTE_ONLY = "remote_only"
REASON_UNKNOWN = "unknown_health"
REASON_NONE = "no_replica"


class Balancer(Generic[C]):
    """Chooses among the replicas of one service as one View has them.

    `local` and `remote`: replicas that are up, in this zone and in others. `unproven`: those nobody knows anything
    of yet, used only when no other is there. `local_share`: the fraction of requests that stays in the zone.
    A replica stands in its group once for each unit of its weight (reduced by the common divisor by the caller).
    """

    __slots__ = ("_local", "_local_share", "_pick", "_random", "_remote", "_turn", "_unproven")

    def __init__(
        self,
        *,
        policy: Balance,
        local: Sequence[C],
        remote: Sequence[C],
        unproven: Sequence[C],
        local_share: float,
        random: Callable[[], float],
    ) -> None:
        self._local = tuple(local)
        self._remote = tuple(remote)
        self._unproven = tuple(unproven)
        self._local_share = local_share if remote else 1.0
        self._random = random
        self._turn = int(random() * 1_000_003)
        match policy:
            case Balance.P2C:
                self._pick = self._two_choices
            case Balance.LEAST_REQUEST:
                self._pick = self._least_request
            case Balance.ROUND_ROBIN:
                self._pick = self._round_robin
            case _:
                assert_never(policy)

    def pick(self) -> tuple[C | None, str]:
        """A replica for a first attempt and why its group was chosen."""
        local = self._local
        if local:
            if self._local_share < 1.0 and self._random() >= self._local_share:
                return self._pick(self._remote), REASON_REMOTE_SHARE
            return self._pick(local), REASON_LOCAL
        if self._remote:
            return self._pick(self._remote), REASON_REMOTE_ONLY
        if self._unproven:
            return self._pick(self._unproven), REASON_UNKNOWN
        return None, REASON_NONE

    def pick_other(self, tried: Container[C]) -> tuple[C | None, str]:
        """A replica for a retry: one not tried yet while there is one, nearest group first; else any."""
        for group, reason in (
            (self._local, REASON_LOCAL),
            (self._remote, REASON_REMOTE_ONLY),
            (self._unproven, REASON_UNKNOWN),
        ):
            untried = tuple(candidate for candidate in group if candidate not in tried)
            if untried:
                return self._pick(untried), reason
        return self.pick()

    def _two_choices(self, group: tuple[C, ...]) -> C:
        """The better of two drawn at random (Mitzenmacher 2001), by own in-flight × latency."""
        size = len(group)
        if size == 1:
            return group[0]
        random = self._random
        first = int(random() * size)
        second = int(random() * (size - 1))
        if second >= first:
            second += 1
        one, other = group[first], group[second]
        if (one.in_flight + 1) * one.latency_s <= (other.in_flight + 1) * other.latency_s:
            return one
        return other

    def _least_request(self, group: tuple[C, ...]) -> C:
        """The one with the fewest attempts under way for its weight; ties go round."""
        self._turn += 1
        start = self._turn % len(group)
        best = group[start]
        for candidate in group[start + 1 :] + group[:start]:
            if candidate.in_flight * best.weight < best.in_flight * candidate.weight:
                best = candidate
        return best

    def _round_robin(self, group: tuple[C, ...]) -> C:
        self._turn += 1
        return group[self._turn % len(group)]
