"""Limited removal: what a service keeps although its replicas look bad."""

from collections.abc import Sequence
from dataclasses import replace

from lbmesh.health.merge import Basis, Merged
from lbmesh.model.health import Availability


def is_short(merged: Sequence[Merged]) -> bool:
    """True when more than half of a service's replicas are down: time for every node to look for itself."""
    return sum(one.availability is Availability.DOWN for one in merged) * 2 > len(merged)


def limit_removal(merged: Sequence[Merged]) -> tuple[Merged, ...]:
    """One service's replicas, with removal limited: when more than half would be down, those that are so by
    others' word alone are kept as unknown (used when no replica is up). Own evidence always counts.

    So a peer whose own network is broken, or that lies, cannot empty a service.
    """
    if not is_short(merged):
        return tuple(merged)
    return tuple(
        replace(
            one,
            availability=Availability.UNKNOWN,
            reason=f"kept, as most would be down and this node has not seen it fail: {one.reason}",
        )
        if one.availability is Availability.DOWN and one.basis is Basis.PEERS
        else one
        for one in merged
    )
