"""Choosing one replica of a service for one attempt, with the reason for the choice: first a zone, then one in it."""

from collections.abc import Container, Sequence
from typing import Generic, TypeVar

from lbmesh.routing.policies import Candidate, Pick, Random

C = TypeVar("C", bound=Candidate)

REASON_LOCAL = "local"
REASON_REMOTE_SHARE = "remote_share"
REASON_REMOTE_ONLY = "remote_only"
REASON_UNKNOWN = "unknown_health"
REASON_NONE = "no_replica"
REASON_KEY = "key"
REASON_COOKIE = "cookie"

DRAWS_FOR_UNTRIED = 4
"""How often a policy is asked for one that was not tried yet, before the group is looked through."""

LOOKS_FOR_UNTRIED = 64
"""So many of a group are looked at then; of more, others each time. A look at 10,000 takes milliseconds, and who has
found none among so many finds hardly anything in the rest.
"""


class Group(Generic[C]):
    """The replicas of one zone that are up. `share`: of the requests, relative to the other groups'. `pick`: the
    policy over them. Made by hand, for mypyc compiles no dataclass that is generic.
    """

    __slots__ = ("_position", "pick", "replicas", "share")

    def __init__(self, replicas: tuple[C, ...], pick: Pick[C], share: float = 1.0) -> None:
        self.replicas = replicas
        self.pick = pick
        self.share = share
        self._position = 0

    def some(self) -> tuple[C, ...]:
        """All of a small group; of a large one LOOKS_FOR_UNTRIED, in turn from call to call."""
        replicas, start = self.replicas, self._position
        if len(replicas) <= LOOKS_FOR_UNTRIED:
            return replicas
        end = start + LOOKS_FOR_UNTRIED
        self._position = end % len(replicas)
        return replicas[start:end] if end <= len(replicas) else replicas[start:] + replicas[: self._position]


class Balancer(Generic[C]):
    """Chooses among the replicas of one service as one View has them.

    `local`: this zone's; None when none is up there. `remote`: the other zones'. `unproven`: those nobody knows
    anything of yet, used only when no other is there, in no zone.
    """

    __slots__ = ("_first", "_first_bound", "_first_reason", "_local", "_others", "_random", "_remote", "_unproven")

    def __init__(
        self,
        *,
        local: Group[C] | None,
        remote: Sequence[Group[C]],
        unproven: Group[C] | None,
        random: Random,
    ) -> None:
        self._local = local
        self._remote = tuple(remote)
        self._unproven = unproven
        self._random = random
        up = (*((local,) if local else ()), *self._remote)
        groups = up or ((unproven,) if unproven else ())
        self._first: Pick[C] | None = groups[0].pick if groups else None
        self._first_reason = REASON_LOCAL if local else REASON_REMOTE_ONLY if up else REASON_UNKNOWN
        first, *bounds = _bounds([group.share for group in groups]) or [1.0]
        self._first_bound = first
        others_reason = REASON_REMOTE_SHARE if local else REASON_REMOTE_ONLY
        self._others = tuple(
            (bound, group.pick, others_reason) for bound, group in zip(bounds, groups[1:], strict=True)
        )

    def pick(self) -> tuple[C | None, str]:
        """A replica for a first attempt and why its group was chosen."""
        first = self._first
        if first is None:
            return None, REASON_NONE
        if self._first_bound < 1.0:
            point = self._random()
            if point >= self._first_bound:
                for bound, pick, reason in self._others:
                    if point < bound:
                        return pick(), reason
        return first(), self._first_reason

    def pick_other(self, tried: Container[C]) -> tuple[C | None, str]:
        """A replica for a retry: one not tried yet while one is found, of this zone before others'; else any. With few
        tried one is found.
        """
        if self._local and (found := _untried(self._local, tried)):
            return found, REASON_LOCAL
        start = int(self._random() * len(self._remote))
        for group in self._remote[start:] + self._remote[:start]:
            if found := _untried(group, tried):
                return found, REASON_REMOTE_ONLY
        if self._unproven and (found := _untried(self._unproven, tried)):
            return found, REASON_UNKNOWN
        return self.pick()


def _untried(group: Group[C], tried: Container[C]) -> C | None:
    for _ in range(DRAWS_FOR_UNTRIED):
        candidate = group.pick()
        if candidate not in tried:
            return candidate
    return min((one for one in group.some() if one not in tried), key=_load, default=None)


def _load(candidate: Candidate) -> float:
    return (candidate.in_flight + 1) * candidate.cost_s


def _bounds(shares: Sequence[float]) -> list[float]:
    """The shares added up from one to the next, so that the last one is 1.0; evenly where all are zero."""
    total = sum(shares)
    if total <= 0:
        shares, total = [1.0] * len(shares), float(len(shares))
    bounds: list[float] = []
    bound = 0.0
    for share in shares:
        bound += share / total
        bounds.append(bound)
    if bounds:
        bounds[-1] = 1.0
    return bounds
