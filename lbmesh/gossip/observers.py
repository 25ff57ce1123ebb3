"""Who watches whom: the same answer on every node that knows the same members, with nothing to agree on.

Rendezvous hashing (Thaler and Ravishankar 1998) ranks the observers of a member. Ranking everybody for everybody
would cost a million hashes at 1000 members, so of a large zone only a shortlist is ranked: a member's neighbours
on a few rings, as in Rapid (Suresh et al. 2018), each ring with an order of its own.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

ZONE_OBSERVERS = 2
"""At least this many from each zone where it has them, as long as there is room."""

_RINGS = 8
_SHORTLIST_FROM = 16
"""Zones with more members than this are shortlisted."""


@lru_cache(maxsize=1 << 16)
def score(observer: str, target: str) -> int:
    """Rendezvous weight of the pair: the highest ones watch."""
    digest = hashlib.blake2b(f"{observer}\0{target}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """`observers`: {target: its observers}, best first; `targets`: {observer: whom it watches}."""

    observers: Mapping[str, tuple[str, ...]]
    targets: Mapping[str, tuple[str, ...]]


@lru_cache(maxsize=8)
def watch_plan(roster: tuple[tuple[str, str, bool], ...], count: int) -> WatchPlan:
    """Up to `count` observers for each member of the roster, (name, zone, live) by name; only the live observe."""
    zones: dict[str, list[str]] = {}
    for name, zone, live in roster:
        if live:
            zones.setdefault(zone, []).append(name)
    members = {zone: tuple(names) for zone, names in zones.items()}
    observers = {name: _observers_of(name, zone, members, count) for name, zone, _ in roster}
    targets: dict[str, list[str]] = {}
    for target, watching in observers.items():
        for observer in watching:
            targets.setdefault(observer, []).append(target)
    return WatchPlan(observers, {observer: tuple(watched) for observer, watched in targets.items()})


def _observers_of(target: str, zone: str, members: Mapping[str, tuple[str, ...]], count: int) -> tuple[str, ...]:
    """From each other zone first its best, then its second, then the best of other zones, then of its own: at most a
    third of all, so that a dead zone cannot vouch for its dead, but one at least.
    """
    own: list[str] = []
    first: list[list[str]] = [[] for _ in range(ZONE_OBSERVERS)]
    rest: list[tuple[int, str]] = []
    for candidate_zone, names in members.items():
        ranked = _ranked(target, names)
        if candidate_zone == zone:
            own = [name for _, name in ranked]
            continue
        for place, (_, name) in zip(first, ranked, strict=False):
            place.append(name)
        rest += ranked[ZONE_OBSERVERS:]
    others = [*chain.from_iterable(first), *(name for _, name in sorted(rest))]
    own_room = min(len(own), count // 3) if others else count
    chosen = others[: count - own_room]
    share = max(1, len(chosen) // 2) if others else count
    return (*chosen, *own[: min(share, count - len(chosen))])


@lru_cache(maxsize=1 << 13)
def _ranked(target: str, names: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """One zone's candidates, best first. Remembered: a death changes one zone, and the others' order stays."""
    return tuple(sorted((-score(name, target), name) for name in _shortlist(target, names) if name != target))


def _shortlist(target: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) <= _SHORTLIST_FROM:
        return names
    chosen: dict[str, None] = {}
    for place, ring in zip(_places(target), _rings(names), strict=True):
        at = bisect_left(ring, (place, ""))
        for step in range(2):
            chosen[ring[(at + step) % len(ring)][1]] = None
    return tuple(chosen)


@lru_cache(maxsize=64)
def _rings(names: tuple[str, ...]) -> tuple[list[tuple[int, str]], ...]:
    places = {name: _places(name) for name in names}
    return tuple(sorted((places[name][ring], name) for name in names) for ring in range(_RINGS))


@lru_cache(maxsize=4096)
def _places(name: str) -> tuple[int, ...]:
    digest = hashlib.blake2b(name.encode(), digest_size=8 * _RINGS, person=b"lbmesh rings").digest()
    return tuple(int.from_bytes(digest[at : at + 8], "big") for at in range(0, 8 * _RINGS, 8))
