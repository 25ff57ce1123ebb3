"""One route as a forwarder knows it."""

from collections.abc import Callable

from lbmesh.forwarder.service_state import ServiceState


class RouteState:
    """Where a route leads: `only` one service, or several by weight."""

    __slots__ = ("_bounds", "_random", "_services", "_total", "only")

    def __init__(self, services: tuple[tuple[ServiceState, int], ...], random: Callable[[], float]) -> None:
        self.only = services[0][0] if len(services) == 1 else None
        self._services = tuple(service for service, _ in services)
        self._random = random
        total = 0
        bounds = []
        for _, weight in services:
            total += weight
            bounds.append(total)
        self._bounds = tuple(bounds)
        self._total = total

    def draw(self) -> ServiceState:
        """One service, drawn by weight."""
        point = self._random() * self._total
        for service, bound in zip(self._services, self._bounds, strict=True):
            if point < bound:
                return service
        return self._services[-1]
