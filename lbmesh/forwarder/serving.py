"""What the forwarder serves from: a View compiled into route table, services and replicas.

A `Serving` is replaced whole when a View comes; the runtime state of a service or a replica (counters, pool, loads)
is kept by identity and lives on.
"""

from collections.abc import Callable

from lbmesh.forwarder.route_state import RouteState
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.view import ServiceView, View, ViewVersion
from lbmesh.routing.table import RouteTable


class Serving:
    """One compiled View."""

    __slots__ = ("limits", "match", "services", "version", "view")

    def __init__(self, view: View, previous: "Serving | None", random: Callable[[], float], now: float) -> None:
        self.view = view
        self.version: ViewVersion = view.version
        self.limits: ForwarderLimits = view.limits
        known = dict(previous.services) if previous else {}
        self.services: dict[str, ServiceState] = {}
        for service_view in view.services:
            state = known.pop(service_view.name, None) or ServiceState(service_view.name, random)
            state.update(service_view, view.zone, now)
            self.services[service_view.name] = state
        for gone in known.values():
            gone.update(ServiceView(gone.name, ()), view.zone, now)
        routes = [
            (
                route.hosts,
                route.paths,
                RouteState(tuple((self.services[target.name], target.weight) for target in route.services), random),
            )
            for route in view.routes
        ]
        self.match = RouteTable(routes).match

    def tick(self, since: float, now: float) -> None:
        """Once a second: latencies decay, suspensions end, shares rise."""
        for service in self.services.values():
            for replica in service.replicas:
                replica.forget_latency()
            if service.is_warming or service.has_suspended(since, now):
                service.rebalance(now)
