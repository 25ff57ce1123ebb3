"""How many probes a second the settings ask for, and how much longer all intervals are made where that is too much.

It depends on the settings alone, as if this node had to probe every replica (of up to three nodes each has): so all
nodes of a mesh find the same, and a word of theirs expires at the same time everywhere.
"""

from collections.abc import Iterable
from dataclasses import replace

from lbmesh.health.limits import PROBES_PER_S_MAX
from lbmesh.model.service import HealthCheck, Service


def probes_per_s(services: Iterable[Service]) -> float:
    """What one node has to do that probes all replicas."""
    return sum(len(one.replicas) / one.health.interval_s for one in services if one.health is not None)


def stretch(services: Iterable[Service]) -> float:
    """By this factor all intervals are longer; 1.0 where the settings ask for no more than can be done."""
    return max(1.0, probes_per_s(services) / PROBES_PER_S_MAX)


def paced(check: HealthCheck, factor: float) -> HealthCheck:
    """The check as it is carried out."""
    return check if factor == 1.0 else replace(check, interval_s=check.interval_s * factor)


def pace_words(services: Iterable[Service]) -> str:
    """What an operator should know; nothing where intervals are what they say."""
    known = tuple(services)
    factor = stretch(known)
    if factor == 1.0:
        return ""
    return (
        f"the health checks ask for {probes_per_s(known):,.0f} probes a second, and a node does {PROBES_PER_S_MAX:,}: "
        f"each interval is {factor:.1f} times as long; write longer intervals, or fewer replicas"
    )
