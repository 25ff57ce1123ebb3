"""What the nodes say of each other, as it is put together from their logs. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum


class Seen(Enum):
    """IMPAIRED is a state of lbmesh's: some cannot reach the member, too few to condemn it. FAILED: declared dead."""

    ALIVE = "alive"
    IMPAIRED = "impaired"
    FAILED = "failed"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Sighting:
    """`observer` logged at `at_s` (monotonic) that `subject` is in this state now."""

    at_s: float
    observer: str
    subject: str
    state: Seen


class Pictures:
    """Every node's picture of the others. `complete_since_s`: since when each one holds all others alive; None
    while one does not.
    """

    def __init__(self, members: Collection[str]) -> None:
        self._members = frozenset(members)
        self._alive: set[tuple[str, str]] = set()
        self.complete_since_s: float | None = None

    def forget(self, observer: str) -> None:
        """It ended: what comes next is its successor's, which knows nobody."""
        self._alive = {pair for pair in self._alive if pair[0] != observer}
        self.complete_since_s = None

    def apply(self, sighting: Sighting) -> None:
        """Take one, in the order of time."""
        pair = sighting.observer, sighting.subject
        if pair[0] == pair[1] or not {*pair} <= self._members:
            return
        if sighting.state is Seen.ALIVE:
            self._alive.add(pair)
        else:
            self._alive.discard(pair)
        if not self.missing():
            self.complete_since_s = sighting.at_s if self.complete_since_s is None else self.complete_since_s
        else:
            self.complete_since_s = None

    def missing(self) -> int:
        """How many (observer, subject) are not alive in the observer's picture."""
        return len(self._members) * (len(self._members) - 1) - len(self._alive)

    def examples(self, count: int) -> list[tuple[str, str]]:
        """Some of what is missing, for a message."""
        pairs = ((one, other) for one in sorted(self._members) for other in sorted(self._members) if one != other)
        return [pair for pair in pairs if pair not in self._alive][:count]


def detections(sightings: Iterable[Sighting], subject: str, since_s: float) -> dict[str, float]:
    """When each observer first declared the subject failed, in seconds after `since_s`."""
    found: dict[str, float] = {}
    for one in sightings:
        if one.subject == subject and one.state is Seen.FAILED and one.at_s >= since_s:
            found.setdefault(one.observer, one.at_s - since_s)
    return found


@dataclass(frozen=True, slots=True)
class Count:
    """What was said in a window of time. `false_failures`: of healthy members, by healthy members; `false_impaired`
    likewise. `culprit_failures`: of the others, by healthy members.
    """

    false_failures: int
    false_impaired: int
    culprit_failures: int


def count(sightings: Sequence[Sighting], culprits: Collection[str], since_s: float, until_s: float) -> Count:
    """Count what the members other than the culprits said."""
    said = [one for one in sightings if since_s <= one.at_s < until_s and one.observer not in culprits]
    of_healthy = [one.state for one in said if one.subject not in culprits]
    of_culprits = [one.state for one in said if one.subject in culprits]
    return Count(
        false_failures=of_healthy.count(Seen.FAILED),
        false_impaired=of_healthy.count(Seen.IMPAIRED),
        culprit_failures=of_culprits.count(Seen.FAILED),
    )
