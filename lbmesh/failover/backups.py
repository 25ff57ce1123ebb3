"""Who backs whom: from fronts and the living, the same answer on every node that knows the same members.

The living stand on a ring, by a hash of their names, and so does each zone's. A front is held by its home node, else by
the next in its home zone, else by the next of all others, and backed by those that come after. A ring instead of
rendezvous scores: each node has one predecessor and one successor, so that partners are few by construction, and
planning a thousand fronts costs milliseconds. A death moves what the dead node held or backed; in a mesh so large that
partners must be chosen, it may free a place that another front's backup comes to stand in.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lbmesh.failover.limits import BACKUPS_CROWDED, BACKUPS_MAX, PARTNERS_MAX
from lbmesh.model.front import Front


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds a front now, and its backups in the order in which they would take it."""

    front: Front
    holder: str
    backups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Circle:
    """What a plan means to one node. `partners`: with whom it exchanges heartbeats, PARTNERS_MAX at most.
    `judged`: {holder: all backups of its fronts} for the holders that this node is a backup of. `fronts`: one front
    of each of these, to be asked when nobody else can say whether its holder lives.
    """

    partners: frozenset[str]
    judged: Mapping[str, tuple[str, ...]]
    fronts: Mapping[str, Front]


def plan_backups(fronts: Collection[Front], living: Mapping[str, str]) -> tuple[Holding, ...]:
    """Holder and backups of each front; none when nobody lives. `living`: {name: zone}.

    A front has up to BACKUPS_MAX backups, BACKUPS_CROWDED in a mesh where partners must be chosen, one of them in
    another zone than the holder's if one there has room for a partner.
    """
    if not living:
        return ()
    plan = _Plan(living)
    ordered = sorted(set(fronts), key=lambda front: (_point(_title(front)), front.address))
    for front in ordered:
        plan.hold(front)
    wanted = BACKUPS_MAX if len(living) <= PARTNERS_MAX + 1 else BACKUPS_CROWDED
    for left in reversed(range(wanted)):
        for front in ordered:
            plan.add_backup(front, is_last=left == 0)
    return tuple(Holding(front, plan.holders[front], tuple(plan.backups[front])) for front in ordered)


def circle_of(name: str, holdings: Collection[Holding]) -> Circle:
    """The plan as seen by one node. Symmetric: who backs somebody's front is that one's partner, and the reverse."""
    partners: set[str] = set()
    judged: dict[str, dict[str, None]] = {}
    fronts: dict[str, Front] = {}
    for holding in holdings:
        if holding.holder == name:
            partners.update(holding.backups)
        elif name in holding.backups:
            partners.add(holding.holder)
            fronts.setdefault(holding.holder, holding.front)
    for holding in holdings:
        if holding.holder in fronts:
            judged.setdefault(holding.holder, {}).update(dict.fromkeys(holding.backups))
    return Circle(frozenset(partners), {holder: tuple(names) for holder, names in judged.items()}, fronts)


class _Ring:
    """Names in the order of their hashes, closed to a circle."""

    def __init__(self, names: Collection[str]) -> None:
        placed = sorted((_point(name), name) for name in names)
        self._points = [point for point, _ in placed]
        self._names = [name for _, name in placed]

    def after(self, point: int) -> Iterator[str]:
        count, start = len(self._names), bisect_right(self._points, point)
        return (self._names[(start + offset) % count] for offset in range(count))


class _Plan:
    """The plan while it is made: `links` are the partners given out so far."""

    def __init__(self, living: Mapping[str, str]) -> None:
        self._living = living
        self._ring = _Ring(living)
        by_zone: dict[str, list[str]] = {}
        for name, zone in living.items():
            by_zone.setdefault(zone, []).append(name)
        self._zones = {zone: _Ring(names) for zone, names in by_zone.items()}
        self._links: dict[str, set[str]] = {name: set() for name in living}
        self.holders: dict[Front, str] = {}
        self.backups: dict[Front, list[str]] = {}

    def hold(self, front: Front) -> None:
        self.holders[front] = next(self._preference(front))
        self.backups[front] = []

    def add_backup(self, front: Front, *, is_last: bool) -> None:
        """Give the front its next backup. The last one is to come from another zone if no other does."""
        holder, chosen = self.holders[front], self.backups[front]
        zone = self._living[holder]
        name = None
        if is_last and all(self._living[known] == zone for known in chosen):
            name = self._first_fit(front, self._preference(front, without_zone=zone))
        name = name or self._first_fit(front, self._preference(front))
        if name is not None:
            self._links[holder].add(name)
            self._links[name].add(holder)
            chosen.append(name)

    def _first_fit(self, front: Front, candidates: Iterator[str]) -> str | None:
        holder, chosen = self.holders[front], self.backups[front]
        fits = (name for name in candidates if name != holder and name not in chosen and self._has_room(holder, name))
        return next(fits, None)

    def _preference(self, front: Front, without_zone: str | None = None) -> Iterator[str]:
        """The living: the home node, its zone's others, then everybody else, from the front's place on the ring."""
        home = front.node if front.node in self._living else None
        if home is not None and self._living[home] != without_zone:
            yield home
        start = _point(_title(front))
        if front.zone in self._zones and front.zone != without_zone:
            yield from (name for name in self._zones[front.zone].after(start) if name != home)
        left_out = (front.zone, without_zone)
        yield from (name for name in self._ring.after(start) if name != home and self._living[name] not in left_out)

    def _has_room(self, one: str, other: str) -> bool:
        links, others = self._links[one], self._links[other]
        return other in links or (len(links) < PARTNERS_MAX and len(others) < PARTNERS_MAX)


def _title(front: Front) -> str:
    """Where a front stands on the ring: at its home node's place, else at one of its own."""
    return front.node or str(front.address)


@lru_cache(maxsize=1 << 14)
def _point(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, person=b"lbmesh ring").digest(), "big")
