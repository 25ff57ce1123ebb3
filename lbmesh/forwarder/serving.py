"""What the forwarder serves from: a View compiled into route table, services and replicas.

A `Serving` is replaced whole when a View comes; the runtime state of a service or a replica (counters, pool, loads)
is kept by identity and lives on.
"""

import socket
from collections.abc import Callable
from functools import reduce
from math import gcd, inf
from typing import Protocol

from lbmesh.forward.retry import RetryBudget
from lbmesh.forwarder.durations import DurationHistograms
from lbmesh.model.health import Availability
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.service import Balance, Replica, ReplicaId, Timeouts
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion
from lbmesh.observe.access_log import json_fragment
from lbmesh.routing.balancer import Balancer
from lbmesh.routing.table import RouteTable
from lbmesh.routing.warming import JITTER, WarmingBalancer, is_warming, share_in_between, warmth

LATENCY_FLOOR_S = 1e-4
LATENCY_WEIGHT = 0.1
"""Share of a new sample in the moving average; a sample above the average replaces it at once (peak-EWMA, Finagle)."""

LATENCY_DECAY = 0.5
"""Applied after each second without a sample, so that a replica that was slow once is soon tried again."""

SUSPENDED_S = 1.0
"""A replica that refused a connection is left out this long, if another can serve."""


class PooledConnection(Protocol):
    """What a pool must know of the connections in it."""

    idle_since: float

    def close(self) -> None:
        """Close it, and take it out of the pool."""


class ReplicaState:
    """One replica as this forwarder knows it. `idle`: pooled connections, the most recently used last.
    `rise_began_s`: when its share began to rise, or will; long ago when it is worth its weight. `has_answered`: since
    its last failure that the agent was told of.
    """

    __slots__ = (
        "_returned_s",
        "_rise_delay",
        "_sampled",
        "address_family",
        "errors",
        "failures",
        "has_answered",
        "id",
        "idle",
        "in_flight",
        "latency_s",
        "log_fragment",
        "requests",
        "responses_5xx",
        "retired",
        "rise_began_s",
        "socket_address",
        "suspended_until",
        "weight",
        "zone",
    )

    def __init__(self, replica_id: ReplicaId, replica: Replica) -> None:
        host, port = replica.address.host, replica.address.port
        self.id = replica_id
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket_address: tuple[str, int] = (host, port)
        self.idle: list[PooledConnection] = []
        self.in_flight = 0
        self.latency_s = LATENCY_FLOOR_S
        self._sampled = False
        self.requests = 0
        self.failures = 0
        self.has_answered = False
        self.responses_5xx = 0
        self.errors = 0
        self.rise_began_s = -inf
        self._returned_s: float | None = None
        self._rise_delay = 0.0
        self.suspended_until = 0.0
        self.retired = False
        self.update(replica)

    def update(self, replica: Replica) -> None:
        """Take over what a new View may change."""
        self.weight = replica.weight
        self.zone = replica.zone
        self.retired = False
        self.log_fragment = b'"service":"%b","replica":"%b","zone":"%b",' % (
            self.id.service.encode(),
            str(self.id.address).encode(),
            json_fragment(replica.zone.encode()),
        )

    def take_return(
        self, returned_s: float | None, slow_start_s: float, random: Callable[[], float], now: float
    ) -> None:
        """Take over since when the replica serves again."""
        if returned_s != self._returned_s:
            self._returned_s = returned_s
            self._rise_delay = JITTER * random()
        self.rise_began_s = -inf
        if returned_s is not None and is_warming(returned_s, slow_start_s, now):
            self.rise_began_s = returned_s + self._rise_delay * slow_start_s

    def observe_latency(self, seconds: float) -> None:
        """Fold one response time into the peak-EWMA."""
        self._sampled = self.has_answered = True
        if seconds > self.latency_s:
            self.latency_s = seconds
        else:
            latency_s = self.latency_s + (seconds - self.latency_s) * LATENCY_WEIGHT
            self.latency_s = latency_s if latency_s > LATENCY_FLOOR_S else LATENCY_FLOOR_S

    def forget_latency(self) -> None:
        """Called once a second."""
        if not self._sampled:
            self.latency_s = max(LATENCY_FLOOR_S, self.latency_s * LATENCY_DECAY)
        self._sampled = False


class ServiceState:
    """One service as this forwarder knows it."""

    __slots__ = (
        "_random",
        "_replicas",
        "_view",
        "balancer",
        "budget",
        "durations",
        "is_warming",
        "local_zone",
        "name",
        "replica_count",
        "retries",
        "timeouts",
    )

    timeouts: Timeouts
    retries: int
    balancer: Balancer[ReplicaState]

    def __init__(self, name: str, random: Callable[[], float]) -> None:
        self.name = name
        self.budget = RetryBudget()
        self.durations = DurationHistograms()
        self._random = random
        self._replicas: dict[ReplicaId, ReplicaState] = {}
        self._view: ServiceView | None = None
        self.local_zone = ""
        self.is_warming = False

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """Every replica of the current View."""
        return tuple(self._replicas.values())

    def update(self, view: ServiceView, local_zone: str, now: float) -> None:
        """Take over a new View: replicas stay by identity, those gone are retired and their pools closed."""
        if view == self._view and local_zone == self.local_zone:
            return
        before, self._replicas = self._replicas, {}
        for replica_view in view.replicas:
            replica_id = ReplicaId(self.name, replica_view.replica.address)
            state = before.pop(replica_id, None)
            if state is None:
                state = ReplicaState(replica_id, replica_view.replica)
            else:
                state.update(replica_view.replica)
            state.take_return(replica_view.returned_s, view.slow_start_s, self._random, now)
            self._replicas[replica_id] = state
        for gone in before.values():
            gone.retired = True
            for connection in tuple(gone.idle):
                connection.close()
        self._view = view
        self.local_zone = local_zone
        self.timeouts = view.timeouts
        self.retries = view.retries
        self.rebalance(now)

    def rebalance(self, now: float) -> None:
        """Make the groups anew: replicas that are up, without those suspended while others can serve. Those that warm
        up get a balancer that knows of it, for as long as they do.
        """
        view = self._view
        assert view is not None
        up = self._states(view, Availability.UP)
        unproven = self._states(view, Availability.UNKNOWN)
        if any(state.suspended_until <= now for state in (*up, *unproven)):
            up = tuple(state for state in up if state.suspended_until <= now)
            unproven = tuple(state for state in unproven if state.suspended_until <= now)
        local = _by_weight(tuple(state for state in up if state.zone == self.local_zone), view.balance)
        remote = _by_weight(tuple(state for state in up if state.zone != self.local_zone), view.balance)
        unproven = _by_weight(unproven, view.balance)
        warmths = {state: part for state in up if (part := warmth(state.rise_began_s, view.slow_start_s, now)) < 1.0}
        self.is_warming = bool(warmths)
        if warmths:
            self.balancer = WarmingBalancer(
                policy=view.balance,
                local=local,
                remote=remote,
                unproven=unproven,
                local_share=share_in_between(view.cold_local_share, view.local_share, tuple(warmths.values())),
                random=self._random,
                warmths=warmths,
            )
        else:
            self.balancer = Balancer(
                policy=view.balance,
                local=local,
                remote=remote,
                unproven=unproven,
                local_share=view.local_share,
                random=self._random,
            )

    def suspend(self, replica: ReplicaState, now: float) -> None:
        """Leave a replica out for a moment: it just refused a connection."""
        already_out = replica.suspended_until > now
        replica.suspended_until = now + SUSPENDED_S
        if not already_out:
            self.rebalance(now)

    def has_suspended(self, since: float, now: float) -> bool:
        """True when a suspension ended between the two times, so that the groups must be made anew."""
        return any(since < state.suspended_until <= now for state in self._replicas.values())

    def _states(self, view: ServiceView, availability: Availability) -> tuple[ReplicaState, ...]:
        return tuple(
            self._replicas[ReplicaId(self.name, replica_view.replica.address)]
            for replica_view in view.replicas
            if _is(replica_view, availability)
        )


def _is(replica_view: ReplicaView, availability: Availability) -> bool:
    return replica_view.availability is availability


def _by_weight(group: tuple[ReplicaState, ...], policy: Balance) -> tuple[ReplicaState, ...]:
    """Each replica as often as its share demands; least_request weighs by itself."""
    if not group or policy is Balance.LEAST_REQUEST:
        return group
    divisor = reduce(gcd, (replica.weight for replica in group))
    largest = max(replica.weight for replica in group) // divisor
    return tuple(replica for turn in range(largest) for replica in group if turn < replica.weight // divisor)


class RouteChoice:
    """Where a route leads: one service, or several by weight."""

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
        if self.only is not None:
            return self.only
        point = self._random() * self._total
        for service, bound in zip(self._services, self._bounds, strict=True):
            if point < bound:
                return service
        return self._services[-1]


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
        choices = [
            (
                route.hosts,
                route.paths,
                RouteChoice(tuple((self.services[target.name], target.weight) for target in route.services), random),
            )
            for route in view.routes
        ]
        self.match = RouteTable(choices).match

    def tick(self, since: float, now: float) -> None:
        """Once a second: latencies decay, suspensions end, shares rise."""
        for service in self.services.values():
            for replica in service.replicas:
                replica.forget_latency()
            if service.is_warming or service.has_suspended(since, now):
                service.rebalance(now)
