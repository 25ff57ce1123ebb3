"""What all connections of one forwarder share."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from time import monotonic

from lbmesh.control.link import ReplicaFailure
from lbmesh.forwarder.durations import DurationHistograms
from lbmesh.forwarder.handshake_queue import HandshakeQueue
from lbmesh.forwarder.handshakes import Handshakes
from lbmesh.forwarder.hedge_timer import HedgeTimer
from lbmesh.forwarder.http_clock import HttpClock
from lbmesh.forwarder.overload import Overload
from lbmesh.forwarder.proxy_header_faults import ProxyHeaderFaults
from lbmesh.forwarder.reactor import Reactor
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.serving import Serving, compile_view
from lbmesh.forwarder.timers import TimerWheel
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.view import View
from lbmesh.observe.access_log import AccessLog
from lbmesh.observe.log_text import TimeText
from lbmesh.routing.steps import LOOKS_PER_STEP, UPDATES_PER_STEP, in_parts

FAILURE_INTERVAL_S = 0.1
"""One replica's failures are reported at most this often; the counters have them all."""

FAILURES_QUEUED_MAX = 1024


@dataclass(slots=True)
class Counters:
    """Gauges and counters that belong to no service's own requests. `mirrored`: copies of requests by the service that
    they were for and what came of them. `tunnels`: open ones; their bytes are counted as they pass.
    """

    accepted: int = 0
    connections: int = 0
    active: int = 0
    mirrors_in_flight: int = 0
    mirrored: Counter[tuple[str, str]] = field(default_factory=Counter)
    tunnels: int = 0
    tunnels_opened: int = 0
    tunnel_bytes_in: int = 0
    tunnel_bytes_out: int = 0


class Engine:
    """The state around the connections: the current View, time, randomness, logs, counters."""

    __slots__ = (
        "_failure_reported_at",
        "_id_prefix",
        "_requests_begun",
        "_resting",
        "_ticked_s",
        "access_log",
        "active_replicas",
        "client_handshakes",
        "counters",
        "draining",
        "failures",
        "handshakes",
        "hedges",
        "http_clock",
        "on_failure",
        "overload",
        "proxy_header_faults",
        "random",
        "reactor",
        "replica_handshakes",
        "serving",
        "time_text",
        "unrouted",
        "wheel",
    )

    def __init__(
        self, *, access_log: AccessLog, random: Callable[[], float], id_prefix: bytes, wall_clock: Callable[[], float]
    ) -> None:
        """`id_prefix`: 16 hex digits that no other forwarder's run has; request ids are it and a count."""
        self.time_text = TimeText(wall_clock)
        self.http_clock = HttpClock(wall_clock)
        self.reactor = Reactor(self.time_text.expire)
        self.overload = Overload(self.reactor, ForwarderLimits().overload_s)
        self.hedges = HedgeTimer()
        self.handshakes = Handshakes()
        self.client_handshakes = HandshakeQueue(self.reactor)
        self.replica_handshakes = HandshakeQueue(self.reactor)
        self.wheel = TimerWheel(monotonic())
        self.access_log = access_log
        self.random = random
        self.counters = Counters()
        self.proxy_header_faults = ProxyHeaderFaults(monotonic)
        self.draining = False
        self.serving: Serving | None = None
        self.unrouted = DurationHistograms()
        self.active_replicas: list[ReplicaState] = []
        self._resting: list[tuple[float, int, ReplicaState]] = []
        """A heap: when the oldest idle connection of a replica at rest may be due, and that replica."""
        self.failures: deque[ReplicaFailure] = deque(maxlen=FAILURES_QUEUED_MAX)
        self.on_failure: Callable[[], None] = lambda: None
        self._failure_reported_at: dict[ReplicaState, float] = {}
        self._id_prefix = id_prefix
        self._requests_begun = 0
        self._ticked_s = monotonic()

    def is_news(self, view: View) -> bool:
        """Is the View newer than today's? Else it is not to be obeyed."""
        return self.serving is None or view.version > self.serving.version

    def adopt(self, view: View) -> Iterator[None]:
        """Serve from this View from the last of these small steps on."""
        before = self.serving
        self.serving = yield from compile_view(view, before, self.random, monotonic())
        if before is not None and before.limits.upstream_idle_s != view.limits.upstream_idle_s:
            self._resting = [(0.0, number, replica) for _, number, replica in self._resting]
        self.overload.target_s = view.limits.overload_s or inf
        self._failure_reported_at.clear()
        for service in self.serving.services.values():
            service.room.look()
        self.reactor.wake()

    def any_has_fallen(self) -> bool:
        """Has any replica gone down since this was last asked?"""
        services = self.serving.services.values() if self.serving else ()
        fallen = [service for service in services if service.has_fallen]
        for service in fallen:
            service.has_fallen = False
        return bool(fallen)

    def activate(self, replica: ReplicaState) -> None:
        """Look at this replica each second, until it is at rest."""
        replica.is_active = True
        self.active_replicas.append(replica)

    def tick(self, now: float) -> Iterator[None]:
        """Once a second, in small steps: suspensions end, shares rise, latencies decay, pooled connections that were
        idle too long close, and the date is another.
        """
        self.http_clock.tick()
        serving = self.serving
        if serving is None:
            return
        seconds = now - self._ticked_s
        self._ticked_s = now
        yield from serving.tick(now)
        yield from self._note_latencies(serving)
        yield from self._look_at_active(serving, now, seconds)
        yield from self._look_at_resting(now, serving.limits.upstream_idle_s)

    def _note_latencies(self, serving: Serving) -> Iterator[None]:
        sampled: dict[str, list[float]] = {}
        for part in in_parts(tuple(self.active_replicas), LOOKS_PER_STEP):
            for replica in part:
                if replica.sampled:
                    sampled.setdefault(replica.id.service, []).append(replica.latency_s)
            yield
        for some in in_parts(serving.services.items(), UPDATES_PER_STEP):
            for name, service in some:
                service.note_latencies(sampled.get(name, []))
            yield

    def _look_at_active(self, serving: Serving, now: float, seconds: float) -> Iterator[None]:
        """Those that become active meanwhile come behind those that are."""
        looked_at = tuple(self.active_replicas)
        oldest = now - serving.limits.upstream_idle_s
        still_active = []
        for part in in_parts(looked_at, LOOKS_PER_STEP):
            for replica in part:
                known = serving.services.get(replica.id.service)
                replica.forget_latency(known.usual_s if known else replica.latency_s, seconds)
                self._close_older(replica, oldest)
                if not replica.is_at_rest():
                    still_active.append(replica)
                else:
                    replica.is_active = False
                    self._rest(replica, serving.limits.upstream_idle_s, now)
            yield
        self.active_replicas = still_active + self.active_replicas[len(looked_at) :]

    def _rest(self, replica: ReplicaState, idle_s: float, now: float) -> None:
        """Look at its idle connections when the first of them is due."""
        if replica.idle and not replica.is_resting:
            replica.is_resting = True
            due_s = max(replica.idle[0].idle_since + idle_s, now + 1.0)
            heappush(self._resting, (due_s, id(replica), replica))

    def _look_at_resting(self, now: float, idle_s: float) -> Iterator[None]:
        """Of replicas at rest there may be many thousands: only those that are due are looked at."""
        for part in in_parts(self._due(now), LOOKS_PER_STEP):
            for replica in part:
                replica.is_resting = False
                if not replica.is_active:
                    self._close_older(replica, now - idle_s)
                    self._rest(replica, idle_s, now)
            yield

    def _due(self, now: float) -> Iterator[ReplicaState]:
        while self._resting and self._resting[0][0] <= now:
            yield heappop(self._resting)[2]

    def _close_older(self, replica: ReplicaState, oldest: float) -> None:
        while replica.idle and replica.idle[0].idle_since < oldest:
            replica.idle[0].close()
            self.reactor.wake()

    def new_request_id(self) -> bytes:
        """An id that no other request of this mesh has: 16 hex digits of this run, 12 of the count."""
        self._requests_begun += 1
        return b"%b%012x" % (self._id_prefix, self._requests_begun)

    def report_failure(self, replica: ReplicaState, reason: str) -> None:
        """Tell the agent, at most once in FAILURE_INTERVAL_S for a replica."""
        now = self.reactor.now
        if now - self._failure_reported_at.get(replica, -1.0) < FAILURE_INTERVAL_S:
            return
        self._failure_reported_at[replica] = now
        self.failures.append(ReplicaFailure(replica.id, reason, replica.has_answered))
        replica.has_answered = False
        self.on_failure()
