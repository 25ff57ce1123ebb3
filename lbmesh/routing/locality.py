"""How much of a service's traffic stays in this node's zone.

Envoy's residual rule (docs "Zone aware routing"): a zone that has at least its share of the capacity
keeps its own traffic; one that lacks some spills what it lacks. Here traffic is taken to be even over the
balancers, and capacity is weight; without Envoy's minimum of six hosts.
"""

from collections.abc import Mapping, Sequence

from lbmesh.model.health import Availability
from lbmesh.model.view import ReplicaView

LOCAL_SHARE_MAX = 0.98
"""While another zone can serve, two in a hundred requests go there, so that its pools and latencies are
known.
"""


def local_share(zone: str, members_by_zone: Mapping[str, int], replicas: Sequence[ReplicaView]) -> float:
    """The fraction (0 to 1) of a service's requests that stay in `zone`.

    `members_by_zone`: live balancers, this node included. Only replicas that may be used count: those
    that are up, or when none is, the unknown. 0.0 when none of them is in `zone`, 1.0 when all are.
    """
    usable = [view.replica for view in replicas if view.availability is Availability.UP] or [
        view.replica for view in replicas if view.availability is Availability.UNKNOWN
    ]
    total = sum(replica.weight for replica in usable)
    local = sum(replica.weight for replica in usable if replica.zone == zone)
    if not local:
        return 0.0
    if local == total:
        return 1.0
    here = max(1, members_by_zone.get(zone, 1))
    demand = here / max(here, sum(members_by_zone.values()))
    return min(LOCAL_SHARE_MAX, local / total / demand)
