"""Who probes what, and when: a fixed number of probers for each replica, whatever the number of balancers."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Protocol

from lbmesh.model.service import ReplicaId

PROBERS_PER_REPLICA = 3
"""Enough that two agree when one is wrong; more when there are more zones, each of which has one."""

JITTER = 0.1
"""Probes come an interval apart, give or take this part of it, so that those of several nodes drift apart."""

FIRST_PROBE_WITHIN = 0.25
"""The first probe of a new replica comes within this part of its interval, at a phase of its own."""


class Random(Protocol):
    """What is needed of a source of randomness; random.Random has it."""

    def random(self) -> float:
        """A number from 0 (included) to 1 (excluded)."""
        ...


def probers(replica: ReplicaId, zones: Mapping[str, str]) -> frozenset[str]:
    """The members that probe this replica: the best-scored of each zone, then the best of all others until
    there are PROBERS_PER_REPLICA.

    `zones`: live members' names to their zones. Rendezvous hashing (Thaler and Ravishankar 1998): every node
    with the same members chooses the same, and a member's death moves only what it probed.
    """
    ranked = sorted(zones, key=lambda member: _score(member, replica), reverse=True)
    best_of_zone = {zones[member]: member for member in reversed(ranked)}
    chosen = set(best_of_zone.values())
    for member in ranked:
        if len(chosen) >= PROBERS_PER_REPLICA:
            break
        chosen.add(member)
    return frozenset(chosen)


def first_probe_s(member: str, replica: ReplicaId, interval_s: float, now: float) -> float:
    """When this member first probes a replica that is new to it: soon, but not all replicas at once."""
    return now + interval_s * FIRST_PROBE_WITHIN * _score(member, replica)


def next_probe_s(started_s: float, interval_s: float, rng: Random) -> float:
    """When the probe after the one that started at `started_s` is due."""
    return started_s + interval_s * (1 - JITTER + 2 * JITTER * rng.random())


@lru_cache(maxsize=1 << 16)
def _score(member: str, replica: ReplicaId) -> float:
    """A number from 0 to 1, the same on every node."""
    digest = blake2b(f"{member}\0{replica}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
