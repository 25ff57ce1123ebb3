"""The node's metrics: names of OpenTelemetry's HTTP semantic conventions where they have one, else
`lbmesh_…`.
"""

from collections.abc import Callable, Iterator

from lbmesh.control.state import NodeState, ReplicaState
from lbmesh.model.health import Availability
from lbmesh.observe.agent_metrics import AgentFigures, agent_metrics
from lbmesh.observe.dns_metrics import dns_metrics
from lbmesh.observe.exposition import Sample, family
from lbmesh.observe.front_metrics import front_metrics
from lbmesh.observe.mesh_metrics import mesh_metrics
from lbmesh.observe.traffic_metrics import traffic_metrics


def render_metrics(
    state: NodeState, replicas: Callable[[], Iterator[ReplicaState]], figures: AgentFigures
) -> Iterator[bytes]:
    """The whole page in chunks, each a small step. Figures may change between chunks; each line is true
    by itself.
    """
    yield from traffic_metrics(state, figures.traffic)
    yield from family(
        "lbmesh_replica_up",
        "gauge",
        'May requests go to a replica? Observer "merged": 1 up, 0 down, 0.5 unknown; '
        'observer "traffic": 0 while ejected here; else an observer\'s word.',
        (sample for replica in replicas() for sample in _replica_up(replica)),
    )
    yield from mesh_metrics(state)
    yield from front_metrics(state.fronts)
    yield from dns_metrics(state.dns, figures.nameserver)
    yield from agent_metrics(state, figures)


def _replica_up(replica: ReplicaState) -> Iterator[Sample]:
    labels = {"service": replica.id.service, "replica": str(replica.id.address)}
    value = {Availability.UP: 1.0, Availability.UNKNOWN: 0.5, Availability.DOWN: 0.0}[replica.availability]
    yield {**labels, "observer": "merged"}, value
    if replica.ejected_until_s is not None:
        yield {**labels, "observer": "traffic"}, 0.0
    for word in replica.opinions:
        yield {**labels, "observer": word.observer}, float(word.up)
