"""Making Views: a new one only when something a request needs has changed."""

from collections.abc import Collection

from lbmesh.config.settings import Settings
from lbmesh.health.book import HealthBook
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica, ReplicaId, Service
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion
from lbmesh.routing.locality import local_share

NOT_CHECKED = "not checked: the service has no health check"


class ViewMaker:
    """Makes the Views of one agent, numbered from 1."""

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._services: dict[str, ServiceView] = {}
        self.latest: View | None = None

    def make(self, settings: Settings, book: HealthBook, dirty: Collection[str] | None) -> View | None:
        """The next View; None when it would say what the latest says.

        `dirty`: the services that may have changed, None for all.
        """
        for service in settings.services:
            if dirty is None or service.name in dirty:
                self._services[service.name] = self._service_view(service, settings.node.zone, book)
        latest = self.latest
        view = View(
            version=ViewVersion(self._generation, latest.version.number + 1 if latest else 1),
            node=settings.node.name,
            zone=settings.node.zone,
            routes=settings.routes,
            services=tuple(self._services[service.name] for service in settings.services),
            limits=settings.limits,
        )
        if latest and (latest.routes, latest.services, latest.limits) == (
            view.routes,
            view.services,
            view.limits,
        ):
            return None
        self._services = {service.name: service for service in view.services}
        self.latest = view
        return view

    def _service_view(self, service: Service, zone: str, book: HealthBook) -> ServiceView:
        known = self._services.get(service.name)
        before = {view.replica: view for view in known.replicas} if known else {}
        replicas = tuple(
            _replica_view(ReplicaId(service.name, replica.address), replica, before.get(replica), book)
            for replica in service.replicas
        )
        return ServiceView(
            name=service.name,
            replicas=replicas,
            balance=service.balance,
            retries=service.retries,
            timeouts=service.timeouts,
            local_share=local_share(zone, book.members_by_zone, replicas),
        )


def _replica_view(replica_id: ReplicaId, replica: Replica, before: ReplicaView | None, book: HealthBook) -> ReplicaView:
    """What is as it was keeps its reason too: a View says why a replica became so, not what it answered
    last.
    """
    merged = book.merged(replica_id)
    availability = merged.availability if merged else Availability.UP
    if before and before.availability is availability:
        return before
    return ReplicaView(replica, availability, merged.reason if merged else NOT_CHECKED)
