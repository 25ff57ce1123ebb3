"""One route as a forwarder knows it."""

from collections.abc import Callable
from dataclasses import dataclass

from lbmesh.forwarder.service_state import ServiceState
from lbmesh.model.route_rules import RequestKey, RouteRules, RouteTimeouts
from lbmesh.model.traffic import Timeouts
from lbmesh.routing.asked import Asked
from lbmesh.routing.rules import KeyReader, ReadyRules
from lbmesh.routing.split import StickySplit


@dataclass(frozen=True, slots=True)
class MirrorState:
    """Where copies of a route's requests go: this `share` of them, 0 to 1; unsafe methods only with `all_methods`."""

    service: ServiceState
    share: float
    all_methods: bool


class RouteState:
    """Where a route leads: `only` one service, or several by weight; and its `rules`, None for nearly all routes."""

    __slots__ = (
        "_bounds",
        "_key",
        "_policies",
        "_random",
        "_retries",
        "_services",
        "_split",
        "_timeouts",
        "_total",
        "_weights",
        "mirror",
        "only",
        "rules",
    )

    def __init__(self, services: tuple[tuple[ServiceState, int], ...], random: Callable[[], float]) -> None:
        self.only = services[0][0] if len(services) == 1 else None
        self._services = tuple(service for service, _ in services)
        self._weights = tuple(weight for _, weight in services)
        self._random = random
        total = 0
        bounds = []
        for _, weight in services:
            total += weight
            bounds.append(total)
        self._bounds = tuple(bounds)
        self._total = total
        self.rules: ReadyRules | None = None
        self.mirror: MirrorState | None = None
        self._timeouts: RouteTimeouts | None = None
        self._retries: int | None = None
        self._policies: dict[ServiceState, tuple[Timeouts, Timeouts]] = {}
        """What each service's timeouts are, and what they are to this route's requests."""
        self._key: KeyReader | None = None
        self._split: StickySplit[ServiceState] | None = None

    def obey(self, ready: ReadyRules, rules: RouteRules, mirror: MirrorState | None) -> None:
        """Have these rules from now on: `ready` is what they were made to."""
        self.rules = ready
        self.mirror = mirror
        self._timeouts, self._retries = rules.timeouts, rules.retries
        if rules.split_by is not None and len(self._services) > 1:
            self._split_by(rules.split_by)

    def _split_by(self, key: RequestKey) -> None:
        self._key = KeyReader(key)
        self._split = StickySplit(
            [(service.name, weight, service) for service, weight in zip(self._services, self._weights, strict=True)]
        )

    @property
    def takes_connect(self) -> bool:
        """May CONNECT go to whichever service is drawn?"""
        return all(service.connect for service in self._services)

    def draw(self) -> ServiceState:
        """One service, drawn by weight."""
        point = self._random() * self._total
        for service, bound in zip(self._services, self._bounds, strict=True):
            if point < bound:
                return service
        return self._services[-1]

    def choose(self, asked: Asked) -> ServiceState:
        """The service for a request to a route with rules."""
        if self._split is None or self._key is None:
            return self.only or self.draw()
        return self._split.choose(self._key.read(asked))

    def policy_for(self, service: ServiceState) -> tuple[Timeouts, int]:
        """The timeouts and the number of retries of a request to one of the services by this route."""
        known = self._policies.get(service)
        if known is None or known[0] is not service.timeouts:
            known = self._policies[service] = service.timeouts, _overridden(service.timeouts, self._timeouts)
        return known[1], service.retries if self._retries is None else self._retries


def _overridden(timeouts: Timeouts, route: RouteTimeouts | None) -> Timeouts:
    if route is None:
        return timeouts
    return Timeouts(
        connect_s=timeouts.connect_s if route.connect_s is None else route.connect_s,
        response_s=timeouts.response_s if route.response_s is None else route.response_s,
        idle_s=timeouts.idle_s if route.idle_s is None else route.idle_s,
        request_s=timeouts.request_s if route.request_s is None else route.request_s,
        tunnel_s=timeouts.tunnel_s if route.tunnel_s is None else route.tunnel_s,
    )
