""" "I am bad" or "it is bad": who accuses most replicas of all zones, while others reach them, is itself in trouble.

A word of down is contradicted when most others of the observer's own zone say up, or where no other of that zone says
anything, most elsewhere. So a whole zone whose way out is broken is not discounted within that zone: from there,
its replicas are down.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from lbmesh.health.limits import ACCUSATIONS_MIN
from lbmesh.model.health import Opinion
from lbmesh.model.service import ReplicaId


def contradicted(words: Iterable[Opinion]) -> frozenset[str]:
    """The observers whose word of down about this one replica the others contradict."""
    ups: Counter[str] = Counter()
    downs: Counter[str] = Counter()
    accusers = []
    for word in words:
        (ups if word.up else downs)[word.observer_zone] += 1
        if not word.up:
            accusers.append(word)
    found = set()
    for word in accusers:
        zone = word.observer_zone
        near_ups, near_downs = ups[zone], downs[zone] - 1
        has_company = near_ups + near_downs > 0
        for_up, for_down = (near_ups, near_downs) if has_company else (ups.total(), downs.total() - 1)
        if for_up > for_down:
            found.add(word.observer)
    return frozenset(found)


@dataclass(slots=True)
class _Tally:
    """One observer's words by the replicas' zone, and those of them that are contradicted."""

    words: Counter[str] = field(default_factory=Counter)
    contradicted: Counter[str] = field(default_factory=Counter)

    def is_discounted(self, zone_count: int) -> bool:
        """True when most of its words about every zone's replicas are contradicted accusations."""
        zones = [zone for zone, count in self.words.items() if count]
        return (
            self.contradicted.total() >= ACCUSATIONS_MIN
            and len(zones) >= min(2, zone_count)
            and all(self.contradicted[zone] * 2 > self.words[zone] for zone in zones)
        )


class Credit:
    """Keeps count, replica by replica, so that a change costs what that one replica has words."""

    def __init__(self) -> None:
        self._said: dict[ReplicaId, tuple[str, frozenset[str], frozenset[str]]] = {}
        self._tallies: dict[str, _Tally] = {}
        self._replica_zones: Counter[str] = Counter()
        self.discounted: frozenset[str] = frozenset()

    def note(self, replica: ReplicaId, zone: str, words: Iterable[Opinion]) -> bool:
        """Take all trusted words about a replica, this node's among them. True when `discounted` has changed."""
        words = tuple(words)
        new = (zone, frozenset(word.observer for word in words), contradicted(words))
        old = self._said.get(replica)
        if old == new:
            return False
        if old:
            self._count(old, -1)
        self._said[replica] = new
        self._count(new, 1)
        return self._judge()

    def forget(self, replica: ReplicaId) -> bool:
        """This replica is not checked any more. True when `discounted` has changed."""
        old = self._said.pop(replica, None)
        if old:
            self._count(old, -1)
        return bool(old) and self._judge()

    def _count(self, said: tuple[str, frozenset[str], frozenset[str]], sign: int) -> None:
        zone, observers, accusers = said
        self._replica_zones[zone] += sign
        for observer in observers:
            tally = self._tallies.setdefault(observer, _Tally())
            tally.words[zone] += sign
            tally.contradicted[zone] += sign * (observer in accusers)
            if not tally.words.total():
                del self._tallies[observer]

    def _judge(self) -> bool:
        zone_count = sum(count > 0 for count in self._replica_zones.values())
        found = frozenset(name for name, tally in self._tallies.items() if tally.is_discounted(zone_count))
        changed, self.discounted = found != self.discounted, found
        return changed
