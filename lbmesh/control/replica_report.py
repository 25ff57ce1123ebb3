"""The replicas as an operator sees them, from what the node knows."""

from collections.abc import Iterable, Iterator

from lbmesh.control.state import ReplicaState
from lbmesh.control.views import judge
from lbmesh.health.book import HealthBook
from lbmesh.health.ejection import Ejections
from lbmesh.health.merge import Merged
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica, ReplicaId, Service
from lbmesh.model.view import View


def replica_ids(services: Iterable[Service]) -> Iterator[ReplicaId]:
    """The name of every replica."""
    for service in services:
        yield from (ReplicaId(service.name, one.address) for one in service.replicas)


def replica_states(
    services: Iterable[Service], view: View | None, book: HealthBook, ejections: Ejections
) -> Iterator[ReplicaState]:
    """Every replica, service by service."""
    views = {service.name: service.replicas for service in view.services} if view else {}
    for service in services:
        returned = {one.replica.address: one.returned_s for one in views.get(service.name, ())}
        for replica, merged in zip(service.replicas, judge(service, book, ejections), strict=True):
            yield _replica_state(service, replica, merged, returned.get(replica.address), book, ejections)


def _replica_state(
    service: Service,
    replica: Replica,
    merged: Merged,
    returned_s: float | None,
    book: HealthBook,
    ejections: Ejections,
) -> ReplicaState:
    replica_id = ReplicaId(service.name, replica.address)
    ejection = ejections.ejection(replica_id) if merged.availability is Availability.UNKNOWN else None
    return ReplicaState(
        replica_id,
        replica,
        merged.availability,
        merged.reason,
        ejection.since_s if ejection else book.since_s(replica_id),
        book.opinions(replica_id),
        ejected_until_s=ejection.until_s if ejection else None,
        returned_s=returned_s,
        slow_start_s=service.traffic.slow_start_s,
    )
