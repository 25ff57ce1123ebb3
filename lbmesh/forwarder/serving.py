"""What the forwarder serves from: a View compiled into route table, services and replicas.

A `Serving` is replaced whole when a View comes; the runtime state of a service or a replica (counters, pool, loads)
is kept by identity and lives on.
"""

from collections.abc import Callable, Generator, Iterator

from lbmesh.forward.failure import AMBIGUOUS_PATH, NO_ROUTE, Failure
from lbmesh.forwarder.listener_state import PLAIN, ListenerState
from lbmesh.forwarder.route_state import MirrorState, RouteState
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.http1.message import RequestHead
from lbmesh.http1.provenance import ProvenanceRules
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.route import Route
from lbmesh.model.view import ServiceView, View, ViewVersion
from lbmesh.routing.rate_limit import Buckets, buckets_for, route_identity
from lbmesh.routing.rules import ReadyRules
from lbmesh.routing.steps import ROUTES_PER_STEP, UPDATES_PER_STEP, are_same, in_parts
from lbmesh.routing.table import RouteTable


class Serving:
    """One compiled View."""

    __slots__ = ("buckets", "limits", "listeners", "match", "provenance", "routes", "services", "version", "view")

    def __init__(
        self,
        view: View,
        listeners: tuple[ListenerState, ...],
        services: dict[str, ServiceState],
        routes: RouteTable[RouteState],
        buckets: Buckets,
        provenance: ProvenanceRules,
    ) -> None:
        self.view = view
        self.version: ViewVersion = view.version
        self.limits: ForwarderLimits = view.limits
        self.listeners = listeners
        self.services = services
        self.routes = routes
        self.match = routes.match
        self.buckets = buckets
        self.provenance = provenance

    def listener(self, number: int) -> ListenerState:
        """The state of the listening socket with this number, from 0."""
        return self.listeners[number] if number < len(self.listeners) else PLAIN

    def why_unrouted(self, head: RequestHead) -> tuple[Failure, str]:
        """Why `match` finds no route, and what to say of it."""
        ambiguity = self.routes.ambiguity(head.host, head.target, head)
        if ambiguity:
            return AMBIGUOUS_PATH, ambiguity
        return NO_ROUTE, "no route for this host and path"

    def tick(self, now: float) -> Iterator[None]:
        """Once a second, in small steps: suspensions end, shares rise, limits move, session tickets get other keys."""
        for listener in self.listeners:
            if listener.context is not None:
                listener.context.tick(now)
        for part in in_parts(self.services.values(), UPDATES_PER_STEP):
            for service in part:
                if service.watch is not None:
                    service.watch.tick()
                if service.is_due(now):
                    yield from service.rebalance(now)
                    yield
            yield


def compile_view(
    view: View, previous: Serving | None, random: Callable[[], float], now: float
) -> Generator[None, None, Serving]:
    """Compile a View in small steps, between which requests are served: a View of 10,000 replicas takes tens of
    milliseconds. A service changes at its own last step, the routes when the result is put in place.
    """
    known = dict(previous.services) if previous else {}
    services: dict[str, ServiceState] = {}
    for service_views in in_parts(view.services, UPDATES_PER_STEP):
        for service_view in service_views:
            state = known.pop(service_view.name, None) or ServiceState(service_view.name, random)
            services[service_view.name] = state
            if not state.obeys(service_view, view.zone):
                yield from state.update(service_view, view.zone, now)
                yield
        yield
    if (
        previous is not None
        and previous.services == services
        and (yield from are_same(previous.view.routes, view.routes, ROUTES_PER_STEP))
    ):
        routes, buckets = previous.routes, previous.buckets
    else:
        routes = RouteTable()
        limited = [route for route in view.routes if route.rules is not None]
        buckets = buckets_for(limited, view.workers, previous.buckets if previous else {})
        for part in in_parts(view.routes, ROUTES_PER_STEP):
            for route in part:
                routes.add(route, _route_state(route, services, buckets, random))
            yield
    for gone in known.values():
        yield from gone.update(ServiceView(gone.name, ()), view.zone, now)
        yield
    return Serving(view, _listeners(view, previous, now), services, routes, buckets, _provenance(view, previous))


def _route_state(
    route: Route, services: dict[str, ServiceState], buckets: Buckets, random: Callable[[], float]
) -> RouteState:
    state = RouteState(tuple((services[target.name], target.weight) for target in route.services), random)
    if route.rules is not None:
        mirror = route.rules.mirror
        state.obey(
            ReadyRules(route, route.rules, buckets.get(route_identity(route))),
            route.rules,
            MirrorState(services[mirror.service], mirror.percent / 100.0, mirror.all_methods) if mirror else None,
        )
    return state


def _provenance(view: View, previous: Serving | None) -> ProvenanceRules:
    """The rules live on for as long as the policy does, so that connections need not judge their peers anew."""
    if previous and (previous.view.provenance, previous.view.node) == (view.provenance, view.node):
        return previous.provenance
    return ProvenanceRules(view.provenance, view.node)


def _listeners(view: View, previous: Serving | None, now: float) -> tuple[ListenerState, ...]:
    """A state lives on for as long as nothing but its certificates changes."""
    states = list(previous.listeners) if previous else []
    for number, policy in enumerate(view.listeners):
        if number == len(states):
            states.append(ListenerState(policy, now))
        elif not states[number].take_over(policy):
            states[number] = ListenerState(policy, now)
    return tuple(states[: len(view.listeners)])
