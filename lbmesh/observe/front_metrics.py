"""Metrics of fronts: who answers for them, as this node sees it, and whether its own driver is in trouble."""

from collections.abc import Iterator, Sequence

from lbmesh.failover.sight import FrontStatus
from lbmesh.observe.exposition import family


def front_metrics(fronts: Sequence[FrontStatus]) -> Iterator[bytes]:
    """Families in chunks; no samples of a node without fronts."""
    yield from family(
        "lbmesh_front_held",
        "gauge",
        "Whether this node answers for a front.",
        [({"front": one.front.name}, float(one.state.answers)) for one in fronts],
    )
    yield from family(
        "lbmesh_front_holders",
        "gauge",
        "How many balancers answer for a front, as this node sees it: one, but for moments.",
        [({"front": one.front.name}, float(len(one.holders))) for one in fronts],
    )
    yield from family(
        "lbmesh_front_trouble",
        "gauge",
        "Whether something is amiss with a front at this node, as lbmesh status says.",
        [({"front": one.front.name}, float(bool(one.problem))) for one in fronts],
    )
