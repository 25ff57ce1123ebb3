"""One replica as a forwarder knows it: its counters, its load and latency, its idle connections."""

import socket
import ssl
from collections.abc import Callable
from math import inf
from typing import Protocol

from lbmesh.model.limits import IDLE_UPSTREAMS_PER_REPLICA
from lbmesh.model.provenance import ProxyVersion
from lbmesh.model.service import Replica, ReplicaId
from lbmesh.observe.log_text import json_fragment
from lbmesh.routing.warming import JITTER, is_warming

LATENCY_FLOOR_S = 1e-4
LATENCY_WEIGHT = 0.1
"""Share of a new sample in the moving average; a sample above the average replaces it at once (peak-EWMA, Finagle)."""

LATENCY_DECAY = 0.5
"""What is left after each second without a sample of how much a replica differs from its siblings, so that one that
was slow once is soon tried again, and none looks quick because nothing was sent there.
"""

FAILING_WEIGHT = 0.1
"""Share of a new answer in the moving average of how much a replica fails."""

FAILING_COST = 9.0
"""What always fails costs so many times more than what never does. Bounded, since the requests may be at
fault: then all replicas fail alike, and their order stays what it was.
"""

FAILING_FORGOTTEN = 0.01
"""Below this, nothing is left of it."""

REST_MAX_S = 5.0
"""The longest that a Retry-After is believed; Linkerd's load biaser penalises for as long."""


class PooledConnection(Protocol):
    """What a pool must know of the connections in it."""

    idle_since: float

    def close(self) -> None:
        """Close it, and take it out of the pool."""


class ReplicaTls:
    """How one replica is spoken to over TLS. `session`: of the last connection that was pooled, to be resumed."""

    __slots__ = ("context", "server_name", "session")

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self.context = context
        self.server_name = server_name
        self.session: ssl.SSLSession | None = None


class ReplicaState:
    """One replica as this forwarder knows it. `idle`: pooled connections, the most recently used last.
    `rise_began_s`: when its share began to rise, or will; long ago when it is worth its weight. `has_answered`: since
    its last failure that the agent was told of. `is_active`: it is among the engine's active replicas, which are looked
    at each second; most of 10,000 are not. `is_resting`: it has nothing but idle connections, looked at when they are
    due. `connecting`: handshakes under way. `is_down`: as the View has it.
    `tls`: None for plain HTTP.
    `latency_s`: peak-EWMA of the response times; `cost_s`: the same with failures priced in, by which policies compare.
    `sampled`: it was heard of in this second. `proxy_protocol`: with which header each connection begins, if with any;
    such a connection is one client's and is not pooled, so `idle_max` is 0.
    `speaks_http_1_0`: so said its last answer that was not plainly HTTP/1.1.
    """

    __slots__ = (
        "_failing",
        "_has_forgotten",
        "_replica",
        "_rests_for_s",
        "_returned_s",
        "_rise_delay",
        "_siblings_s",
        "_told_failures",
        "_told_latency_s",
        "_told_requests",
        "address_family",
        "connecting",
        "cost_s",
        "errors",
        "failures",
        "has_answered",
        "id",
        "idle",
        "idle_max",
        "in_flight",
        "is_active",
        "is_down",
        "is_resting",
        "latency_s",
        "log_fragment",
        "proxy_protocol",
        "requests",
        "responses_5xx",
        "retired",
        "rise_began_s",
        "sampled",
        "socket_address",
        "speaks_http_1_0",
        "suspended_until",
        "tls",
        "weight",
        "zone",
    )

    def __init__(
        self,
        replica_id: ReplicaId,
        replica: Replica,
        proxy_protocol: ProxyVersion | None = None,
        tls: ReplicaTls | None = None,
    ) -> None:
        host, port = replica.address.host, replica.address.port
        self.id = replica_id
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket_address: tuple[str, int] = (host, port)
        self.proxy_protocol = proxy_protocol
        self.idle: list[PooledConnection] = []
        self.idle_max = IDLE_UPSTREAMS_PER_REPLICA if proxy_protocol is None else 0
        self.tls = tls
        self.in_flight = self.connecting = 0
        self.latency_s = self.cost_s = LATENCY_FLOOR_S
        self._failing = self._rests_for_s = self._siblings_s = 0.0
        self._has_forgotten = False
        self.sampled = False
        self.requests = 0
        self.failures = 0
        self.has_answered = False
        self.responses_5xx = 0
        self.errors = 0
        self.rise_began_s = -inf
        self._returned_s: float | None = None
        self._rise_delay = 0.0
        self.suspended_until = 0.0
        self.retired = self.is_active = self.is_resting = self.is_down = self.speaks_http_1_0 = False
        self._told_requests = self._told_failures = 0
        self._told_latency_s = LATENCY_FLOOR_S
        self._replica: Replica | None = None
        self.update(replica)

    def update(self, replica: Replica) -> None:
        """Take over what a new View may change."""
        self.retired = False
        if replica is self._replica:
            return
        self._replica = replica
        self.weight = replica.weight
        self.zone = replica.zone
        self.log_fragment = b'"service":"%b","replica":"%b","zone":"%b",' % (
            self.id.service.encode(),
            str(self.id.address).encode(),
            json_fragment(replica.zone.encode()),
        )

    def retire(self) -> None:
        """The View has it no longer: what is under way ends in peace, and no connection is kept."""
        self.retired = True
        for connection in tuple(self.idle):
            connection.close()

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
        """Fold the response time of an answer that is no failure into the peak-EWMA."""
        self.sampled = self.has_answered = True
        if seconds > self.latency_s:
            self.latency_s = seconds
        else:
            latency_s = self.latency_s + (seconds - self.latency_s) * LATENCY_WEIGHT
            self.latency_s = latency_s if latency_s > LATENCY_FLOOR_S else LATENCY_FLOOR_S
        if self._failing:
            if not self._rests_for_s:
                self._failing -= self._failing * FAILING_WEIGHT
            self._price()
        else:
            self.cost_s = self.latency_s

    def observe_failure(self, seconds: float, siblings_s: float, rest_s: float = 0.0) -> None:
        """A failed attempt, or an answer that speaks of failing or too much load. That it came quickly is no merit:
        from now on it costs no less than its siblings, whose latency is `siblings_s`. `rest_s`: how long the replica
        asks to be left alone.
        """
        self.sampled = True
        self._siblings_s = siblings_s
        if seconds > self.latency_s:
            self.latency_s = seconds
        if rest_s:
            self._failing = 1.0
            self._rests_for_s = max(self._rests_for_s, min(rest_s, REST_MAX_S))
        else:
            self._failing += (1.0 - self._failing) * FAILING_WEIGHT
        self._price()

    def _price(self) -> None:
        failing = self._failing
        base_s = max(self.latency_s, self._siblings_s) if failing else self.latency_s
        self.cost_s = base_s * (1.0 + FAILING_COST * failing)

    def took_at_least(self, seconds: float) -> None:
        """An answer was waited for so long and no longer."""
        if seconds > self.latency_s:
            self.observe_latency(seconds)

    def expect_latency(self, usual_s: float) -> None:
        """Nothing is known of it: it is taken to be like its siblings, for what looks quick draws all traffic."""
        self.latency_s = self.cost_s = usual_s

    def forget_latency(self, usual_s: float, seconds: float) -> None:
        """Called once a second while it is active, with how long it was. `usual_s`: its siblings' latency."""
        sampled, self.sampled = self.sampled, False
        self._has_forgotten = False
        if self._rests_for_s:
            self._rests_for_s = max(0.0, self._rests_for_s - seconds)
        elif not sampled:
            difference_s = (self.latency_s - usual_s) * LATENCY_DECAY
            self._has_forgotten = abs(difference_s) < LATENCY_FLOOR_S and self._failing < FAILING_FORGOTTEN
            self._failing = 0.0 if self._has_forgotten else self._failing * LATENCY_DECAY
            self.latency_s = usual_s if self._has_forgotten else usual_s + difference_s
            self._price()

    def note_told(self) -> None:
        """The agent is told all figures as they are now."""
        self._told_requests = -1 if self.in_flight else self.requests
        self._told_failures = self.failures + self.errors
        self._told_latency_s = self.latency_s

    def has_news(self) -> bool:
        """Would the agent learn anything?"""
        return (
            self._told_requests != self.requests
            or abs(self.latency_s - self._told_latency_s) > LATENCY_FLOOR_S
            or self.has_failed_anew()
        )

    def has_failed_anew(self) -> bool:
        """Does the agent not know yet of all that speaks against it?"""
        return self._told_failures != self.failures + self.errors

    def is_at_rest(self) -> bool:
        """True when nothing about it changes by itself but the age of its idle connections, and the agent knows all of
        it.
        """
        return self._has_forgotten and not self.in_flight and (self.retired or not self.has_news())
