"""Who watches whom: the same answer on every node that knows the same members, with nothing to agree on."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

ZONE_OBSERVERS = 2
"""At least this many from each zone where it has them, as long as there is room."""


@lru_cache(maxsize=1 << 16)
def score(observer: str, target: str) -> int:
    """Rendezvous weight of the pair: the highest ones watch."""
    digest = hashlib.blake2b(f"{observer}\0{target}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def observers_of(target: str, zone: str, candidates: Mapping[str, str], count: int) -> list[str]:
    """The observers of `target`, of `zone`, from `candidates` ({name: zone}).

    Up to `count`: from each other zone first its two best, then the best of other zones, then of its own: at
    most a third of all, so that a dead zone cannot vouch for its dead, but one at least.
    """
    ranked = sorted((name for name in candidates if name != target), key=lambda name: (-score(name, target), name))
    own = [name for name in ranked if candidates[name] == zone]
    others = [name for name in ranked if candidates[name] != zone]
    taken: dict[str, int] = {}
    first: list[str] = []
    rest: list[str] = []
    for name in others:
        other_zone = candidates[name]
        taken[other_zone] = taken.get(other_zone, 0) + 1
        (first if taken[other_zone] <= ZONE_OBSERVERS else rest).append(name)
    own_room = min(len(own), count // 3) if others else count
    chosen = (first + rest)[: count - own_room]
    share = max(1, len(chosen) // 2) if others else count
    return chosen + own[: min(share, count - len(chosen))]
