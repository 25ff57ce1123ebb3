"""Which part of a service's requests each zone gets.

Envoy's residual rule (docs "Zone aware routing"): a zone that has at least its share of the capacity keeps its own
traffic; one that lacks some spills what it lacks, to zones in proportion to what they have to spare. Unlike there,
traffic is measured and not taken to be even over the balancers, capacity is weight, and six hosts are not needed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from lbmesh.model.health import Availability
from lbmesh.model.view import ReplicaView

REMOTE_MIN = 0.02
"""While another zone can serve, two in a hundred requests go there, so that its pools and latencies are known."""

PEER_RATIO_MAX = 4.0
"""What a peer says of its own traffic counts for at most so many times this node's. That harms little where it is true:
of its zone's traffic this node has then a fifth at most, and decides over no more. Where it is a lie, it bounds it.
"""

PRIOR = 1.0
"""Requests a second that each balancer is taken to get beside those measured: without traffic all count alike."""


@dataclass(frozen=True, slots=True)
class Ingress:
    """What one balancer has of a service's traffic: requests that clients send to it a second, and its attempts under
    way, by the zone of the replica.
    """

    requests_per_s: float
    in_flight: Mapping[str, float] = field(default_factory=dict)


NO_INGRESS = Ingress(0.0)


@dataclass(frozen=True, slots=True)
class MeshTraffic:
    """All balancers' together. `demand`: by the balancers' zone; `in_flight`: by the replicas'."""

    demand: Mapping[str, float]
    in_flight: Mapping[str, float]


def capacity_by_zone(replicas: Iterable[ReplicaView]) -> dict[str, int]:
    """The weights of the replicas that may be used: those that are up, or when none is in any zone, the unknown."""
    up: dict[str, int] = {}
    unknown: dict[str, int] = {}
    for view in replicas:
        if view.availability is not Availability.DOWN:
            by_zone = up if view.availability is Availability.UP else unknown
            by_zone[view.replica.zone] = by_zone.get(view.replica.zone, 0) + view.replica.weight
    return up or unknown


def mesh_traffic(own_zone: str, own: Ingress | None, peers: Iterable[tuple[str, Ingress | None]]) -> MeshTraffic:
    """`peers`: the others that live, by zone; None for who says nothing, who is then taken to have what the others have
    on average. `own` None: nothing is known, and all count alike.
    """
    balancers = [(own_zone, own), *((zone, one if own is not None else None) for zone, one in peers)]
    rate_max = in_flight_max = inf
    if own is not None:
        rate_max = PEER_RATIO_MAX * own.requests_per_s + PRIOR
        in_flight_max = PEER_RATIO_MAX * sum(own.in_flight.values()) + PRIOR
    rates = [min(one.requests_per_s, rate_max) for _, one in balancers if one is not None]
    at_home = [min(one.in_flight.get(zone, 0.0), in_flight_max) for zone, one in balancers if one is not None]
    mean_rate = sum(rates) / len(rates) if rates else 0.0
    mean_at_home = sum(at_home) / len(at_home) if at_home else 0.0
    demand: dict[str, float] = defaultdict(float)
    in_flight: dict[str, float] = defaultdict(float)
    for zone, one in balancers:
        demand[zone] += PRIOR + (mean_rate if one is None else min(one.requests_per_s, rate_max))
        for to, count in ({zone: mean_at_home} if one is None else one.in_flight).items():
            in_flight[to] += min(count, in_flight_max)
    return MeshTraffic(dict(demand), dict(in_flight))


def zone_shares(
    own_zone: str, demand: Mapping[str, float], capacity: Mapping[str, float], spill: float = 0.0
) -> dict[str, float]:
    """The fraction of this node's requests for each zone with capacity; they add up to 1. Nothing without any.

    `demand`: what the balancers of each zone are asked for; `capacity`: of each zone that can serve; each in any unit.
    `spill`: how much of what the zone would keep goes elsewhere as well (`load_band`).
    """
    total = sum(capacity.values())
    if total <= 0:
        return {}
    if capacity.get(own_zone, 0) >= total:
        return {own_zone: 1.0}
    demanded = sum(demand.values())
    parts = {zone: amount / total for zone, amount in capacity.items()}
    asked = {zone: demand.get(zone, 0.0) / demanded if demanded > 0 else part for zone, part in parts.items()}
    own_asked = demand.get(own_zone, 0.0) / demanded if demanded > 0 else 0.0
    kept = min(1.0, parts[own_zone] / own_asked) if parts.get(own_zone) and own_asked > 0 else 0.0
    if parts.get(own_zone) and own_asked <= 0:
        kept = 1.0
    kept = min(1.0 - REMOTE_MIN, kept * (1.0 - spill))
    remote = {zone: part for zone, part in parts.items() if zone != own_zone}
    spare = {zone: max(0.0, part - asked[zone]) for zone, part in remote.items()}
    if sum(spare.values()) <= 0:
        spare = remote
    spared, remote_total = sum(spare.values()), sum(remote.values())
    shares = {own_zone: kept} if kept > 0 else {}
    for zone, part in remote.items():
        shares[zone] = (1.0 - kept - REMOTE_MIN) * spare[zone] / spared + REMOTE_MIN * part / remote_total
    return shares
