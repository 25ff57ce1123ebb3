"""Who probes what, and when: a fixed number of probers for each replica, whatever the number of balancers, and a fixed
number more while there is doubt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from math import ceil, log2
from typing import Protocol

from lbmesh.health.limits import LOOKERS_PER_ZONE, PROBERS_PER_REPLICA
from lbmesh.model.service import ReplicaId

JITTER = 0.1
"""Probes come an interval apart, give or take this part of it, so that those of several nodes drift apart."""

FIRST_PROBE_WITHIN = 0.25
"""The first probe of a new replica comes within this part of its interval, at a phase of its own."""


class Random(Protocol):
    """What is needed of a source of randomness; random.Random has it."""

    def random(self) -> float:
        """A number from 0 (included) to 1 (excluded)."""
        ...


class Role(StrEnum):
    """What a node has to do with a replica: PROBER probes it always, LOOKER in doubt, BYSTANDER only when all who come
    before it have long been silent.
    """

    PROBER = "prober"
    LOOKER = "looker"
    BYSTANDER = "bystander"


@dataclass(frozen=True, slots=True)
class Duty:
    """One node's part in looking after one replica.

    `probers`: all who always probe it. `patience`: how many intervals of silence this node waits before it stands in.
    `pace`: how much slower than a looker a bystander probes when its own requests fail, so that all bystanders
    together probe no more than the lookers do.
    """

    role: Role
    probers: frozenset[str]
    patience: int
    pace: float


def duty(node: str, replica: ReplicaId, zones: Mapping[str, str]) -> Duty:
    """The duty of `node`, which must be in `zones`, the trusted members' zones by name.

    Rendezvous hashing (Thaler and Ravishankar 1998): every node with the same members finds the same, and a member's
    death moves only what it did. The patience grows with the logarithm of the rank: in a silence the number of those
    who look doubles with each interval, so that somebody speaks soon and not everybody at once.
    """
    ranked = _ranked(replica, zones)
    chosen = _best(ranked, zones)
    lookers = [member for member in ranked if zones[member] == zones[node]][:LOOKERS_PER_ZONE]
    crowd = len(zones) / (LOOKERS_PER_ZONE * len(set(zones.values())))
    if node in chosen:
        return Duty(Role.PROBER, chosen, 0, 1.0)
    if node in lookers:
        return Duty(Role.LOOKER, chosen, 1, 1.0)
    patience = 1 + ceil(log2(max(1.0, (ranked.index(node) + 1) / PROBERS_PER_REPLICA)))
    return Duty(Role.BYSTANDER, chosen, patience, max(1.0, crowd))


def probers(replica: ReplicaId, zones: Mapping[str, str]) -> frozenset[str]:
    """The members that always probe this replica: the best-scored of each zone, then the best of all others until
    there are PROBERS_PER_REPLICA.
    """
    return _best(_ranked(replica, zones), zones)


def comes_before(one: str, other: str, replica: ReplicaId) -> bool:
    """True when `one` stands in for silent probers sooner than `other`."""
    return _score(one, replica) > _score(other, replica)


def _ranked(replica: ReplicaId, zones: Mapping[str, str]) -> list[str]:
    text = f"\0{replica}".encode()
    scores = {member: _digest(member.encode() + text) for member in zones}
    return sorted(zones, key=scores.__getitem__, reverse=True)


def _best(ranked: Sequence[str], zones: Mapping[str, str]) -> frozenset[str]:
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
    return int.from_bytes(_digest(f"{member}\0{replica}".encode())) / 2**64


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=8).digest()
