"""Making Views: a new one only when something a request needs has changed."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from lbmesh.config.settings import Settings
from lbmesh.control.returns import Returns
from lbmesh.control.zone_traffic import ZoneTraffic
from lbmesh.health.book import HealthBook
from lbmesh.health.ejection import Ejections
from lbmesh.health.merge import Merged, Rule
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica, ReplicaId, Service
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion
from lbmesh.routing.warming import is_warming

NOT_CHECKED = Merged(Availability.UP, Rule.NOT_CHECKED, "not checked: the service has no health check")


def judge(service: Service, book: HealthBook, ejections: Ejections) -> tuple[Merged, ...]:
    """What traffic should think of each replica of a service: by checks and peers, and by its own failures."""
    ids = [ReplicaId(service.name, replica.address) for replica in service.replicas]
    return ejections.apply(service.name, [(one, book.merged(one) or NOT_CHECKED) for one in ids])


class ViewMaker:
    """Makes the Views of one agent, numbered from 1. `generation`: the agent's own number, which they all carry."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self._services: dict[str, ServiceView] = {}
        self._returns = Returns()
        self.latest: View | None = None

    def inherit(self, view: View, now: float) -> None:
        """What had returned of late when this View was made is warming up still."""
        for service in view.services:
            for one in service.replicas:
                if one.returned_s is not None and is_warming(one.returned_s, service.traffic.slow_start_s, now):
                    self._returns.inherit(ReplicaId(service.name, one.replica.address), one.returned_s)

    def returned_s(self, replica: ReplicaId) -> float | None:
        """When it returned, if it ever did and is up."""
        return self._returns.returned_s(replica)

    def keep(self, replicas: set[ReplicaId]) -> None:
        """Forget what is known of all others."""
        self._returns.keep(replicas)

    @property
    def services(self) -> Mapping[str, ServiceView]:
        """Those of the latest View, by name."""
        return self._services

    def make(
        self,
        settings: Settings,
        book: HealthBook,
        ejections: Ejections,
        traffic: ZoneTraffic,
        dirty: Collection[str] | None,
        now: float,
    ) -> View | None:
        """The next View; None when it would say what the latest says.

        `dirty`: the services that may have changed, None for all.
        """
        for service in settings.services:
            if dirty is None or service.name in dirty:
                judged = judge(service, book, ejections)
                self._services[service.name] = self._service_view(service, traffic, book, judged, now)
        latest = self.latest
        view = View(
            version=ViewVersion(self.generation, latest.version.number + 1 if latest else 1),
            node=settings.node.name,
            zone=settings.node.zone,
            routes=settings.routes,
            services=tuple(self._services[service.name] for service in settings.services),
            limits=settings.limits,
            provenance=settings.provenance,
            listeners=tuple(listener.policy for listener in settings.listeners),
            workers=settings.workers,
        )
        if latest and replace(latest, version=view.version) == view:
            return None
        self._services = {service.name: service for service in view.services}
        self.latest = view
        return view

    def _service_view(
        self, service: Service, traffic: ZoneTraffic, book: HealthBook, judged: tuple[Merged, ...], now: float
    ) -> ServiceView:
        known = self._services.get(service.name)
        before = {view.replica.address: view for view in known.replicas} if known else {}
        replicas = []
        for replica, merged in zip(service.replicas, judged, strict=True):
            replica_id = ReplicaId(service.name, replica.address)
            is_new = known is not None and replica.address not in before
            is_ejected = merged.availability is Availability.UNKNOWN and _is_up(book.merged(replica_id))
            is_out = is_new or is_ejected or merged.availability is Availability.DOWN
            returned_s = self._returns.note(
                replica_id, is_up=merged.availability is Availability.UP, is_out=is_out, now=now
            )
            replicas.append(_replica_view(replica, before.get(replica.address), merged, returned_s))
        return ServiceView(
            name=service.name,
            replicas=tuple(replicas),
            traffic=service.traffic,
            zones=traffic.zones(
                service.name, replicas, service.traffic.slow_start_s, known.zones if known else (), now
            ),
            tls=service.tls,
        )


def _is_up(merged: Merged | None) -> bool:
    return merged is None or merged.availability is Availability.UP


def _replica_view(
    replica: Replica, before: ReplicaView | None, merged: Merged, returned_s: float | None
) -> ReplicaView:
    """What is as it was keeps its reason too: a View says why a replica became so, not what it answered
    last.
    """
    if before and (before.availability, before.returned_s) == (merged.availability, returned_s):
        return before if before.replica == replica else replace(before, replica=replica)
    return ReplicaView(replica, merged.availability, merged.reason, returned_s)
