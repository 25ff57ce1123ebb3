"""One service as a forwarder knows it: its replicas by identity, the balancer over them, its budget and histograms."""

import ssl
from collections.abc import Callable, Container, Generator, Iterable, Mapping
from dataclasses import replace
from itertools import islice

from lbmesh.control.link import ServiceTelemetry
from lbmesh.forward.retry import RetryBudget
from lbmesh.forwarder.affinity import Affinity
from lbmesh.forwarder.durations import DurationHistograms
from lbmesh.forwarder.grouping import Grouping, group_replicas
from lbmesh.forwarder.replica_state import LATENCY_DECAY, LATENCY_FLOOR_S, ReplicaState, ReplicaTls
from lbmesh.forwarder.service_watch import ServiceWatch
from lbmesh.forwarder.tls_contexts import service_context
from lbmesh.forwarder.waiting_room import WaitingRoom
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica, ReplicaId
from lbmesh.model.tls import ServiceTls
from lbmesh.model.traffic import Timeouts
from lbmesh.model.view import ServiceView
from lbmesh.routing.balancer import Balancer
from lbmesh.routing.steps import UPDATES_PER_STEP, are_same, finish, in_parts

REPLICAS_AT_ONCE_MAX = 256
"""Of a service with more, a replica that refused a connection is left out with the next second's others: few requests
meet it until then, and who makes the groups anew for each has 10 ms to do for 10,000.
"""

SIBLINGS_MAX = 16
"""So many are asked for their latency when one fails."""

SUSPENDED_S = 1.0
"""A replica that refused a connection is left out this long, if another can serve."""


class ServiceState:
    """One service as this forwarder knows it. `affinity`: None where any replica will do for any request.
    `usual_s`: the latency of its replicas.
    """

    __slots__ = (
        "_grouping",
        "_groupings",
        "_is_stale",
        "_random",
        "_replicas",
        "_suspended",
        "_tls",
        "_tls_context",
        "_view",
        "_watch",
        "abort_on_close",
        "affinity",
        "balancer",
        "budget",
        "connect",
        "durations",
        "has_fallen",
        "hedges",
        "hedges_won",
        "is_warming",
        "local_zone",
        "log_fragment",
        "moved",
        "name",
        "reported",
        "retries",
        "room",
        "timeouts",
        "usual_s",
        "watch",
    )

    timeouts: Timeouts
    retries: int
    connect: bool
    abort_on_close: bool
    balancer: Balancer[ReplicaState]

    def __init__(self, name: str, random: Callable[[], float]) -> None:
        self.name = name
        self.log_fragment = b'"service":"%b",' % name.encode()
        self.budget = RetryBudget()
        self.room = WaitingRoom(self.budget)
        self._watch = ServiceWatch(self.room, self.budget)
        self.watch: ServiceWatch | None = None
        self.reported: ServiceTelemetry | None = None
        """What the agent was last told."""
        self.durations = DurationHistograms()
        self._random = random
        self._replicas: dict[Address, ReplicaState] = {}
        self._tls: ServiceTls | None = None
        self._tls_context: ssl.SSLContext | None = None
        self._view: ServiceView | None = None
        self.local_zone = ""
        self.is_warming = False
        self.has_fallen = False
        """A replica has gone down since this was last looked at."""
        self.hedges = self.hedges_won = self.moved = 0
        self._suspended: list[ReplicaState] = []
        self._is_stale = False
        self._groupings = 0
        self._grouping: Grouping | None = None
        self.affinity: Affinity | None = None
        self.usual_s = LATENCY_FLOOR_S

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """Every replica of the current View."""
        return tuple(self._replicas.values())

    def obeys(self, view: ServiceView, local_zone: str) -> bool:
        """Has it taken over just this View of it?"""
        return view is self._view and local_zone == self.local_zone

    def update(self, view: ServiceView, local_zone: str, now: float) -> Generator[None, None, None]:
        """Take over a new View, in small steps: replicas stay by identity, those gone are retired and their pools
        closed, and so are those whose connections begin otherwise from now on. Until the last step the service goes on
        as it was.
        """
        if local_zone == self.local_zone and self._view is not None and (yield from _are_same(self._view, view)):
            return
        known, tls_context = self._replicas, self._tls_context
        if view.tls != self._tls:
            # What is connected otherwise must not serve any more: every replica begins anew, with an empty pool.
            known, tls_context = {}, service_context(view.tls) if view.tls else None
        gone = dict(self._replicas)
        replicas: dict[Address, ReplicaState] = {}
        for part in in_parts(view.replicas, UPDATES_PER_STEP):
            for replica_view in part:
                replica = replica_view.replica
                state = known.get(replica.address)
                if state is None or state.proxy_protocol is not view.traffic.proxy_protocol:
                    state = ReplicaState(
                        ReplicaId(self.name, replica.address),
                        replica,
                        view.traffic.proxy_protocol,
                        _replica_tls(replica, view.tls, tls_context),
                    )
                    state.expect_latency(self.usual_s)
                else:
                    gone.pop(replica.address, None)
                    state.update(replica)
                is_down = replica_view.availability is Availability.DOWN
                self.has_fallen = self.has_fallen or (is_down and not state.is_down)
                state.is_down = is_down
                state.take_return(replica_view.returned_s, view.traffic.slow_start_s, self._random, now)
                replicas[replica.address] = state
            yield
        affinity = yield from Affinity.of(view.traffic, self.name, tuple(replicas.values()), self.budget, self.affinity)
        grouping = yield from self._group(view, replicas, local_zone, now)
        self._replicas = replicas
        self._tls, self._tls_context = view.tls, tls_context
        self._view = view
        self.local_zone = local_zone
        self.timeouts = view.traffic.timeouts
        self.retries = view.traffic.retries
        self.affinity = affinity
        self.connect = view.traffic.connect
        self.abort_on_close = view.traffic.abort_on_close
        self.watch = self._watch if self._watch.obey(view.traffic, now) else None
        self._is_stale = self._groupings > grouping.number
        self._put_in_place(grouping)
        for retired in in_parts(gone.values(), UPDATES_PER_STEP):
            for state in retired:
                state.retire()
            yield

    def is_due(self, now: float) -> bool:
        """Asked once a second: are the groups to be made anew?"""
        return self.has_suspended(now) or self.is_warming or self._is_stale

    def rebalance(self, now: float) -> Generator[None, None, None]:
        """Make the groups anew, in small steps: replicas that are up, without those suspended while others can serve.
        While some of them warm up, the policies know of it. Until the last step the groups stay as they were.
        """
        self._is_stale = False
        view = self._view
        assert view is not None
        grouping = yield from self._group(view, self._replicas, self.local_zone, now)
        if view is self._view:
            self._put_in_place(grouping)

    def _group(
        self,
        view: ServiceView,
        replicas: Mapping[Address, ReplicaState],
        local_zone: str,
        now: float,
    ) -> Generator[None, None, Grouping]:
        self._groupings += 1
        return (yield from group_replicas(view, replicas, local_zone, self._random, now, self._groupings))

    def _put_in_place(self, grouping: Grouping) -> None:
        """Unless one that was begun later is in place already, as when a replica was suspended meanwhile."""
        if self._grouping is not None and self._grouping.number > grouping.number and self._grouping.view is self._view:
            return
        self._grouping = grouping
        self.is_warming = bool(grouping.warmths)
        self.balancer = grouping.balancer
        if self.affinity is not None:
            self.affinity.rebalance(grouping.balancer, grouping.usable, grouping.usable_weight, grouping.warmths)
        self.room.look()

    def note_latencies(self, sampled: list[float]) -> None:
        """Called once a second: the latencies of the replicas that were heard of. Their median is what the others are
        taken to have; of nobody heard, all become quick.
        """
        if sampled:
            self.usual_s = sorted(sampled)[(len(sampled) - 1) // 2]
        else:
            self.usual_s = max(LATENCY_FLOOR_S, self.usual_s * LATENCY_DECAY)

    def siblings_latency_s(self, replica: ReplicaState) -> float:
        """The latency of some of its siblings that were heard of: their median. What is usual where none was."""
        known = sorted(
            one.latency_s
            for one in islice(self._replicas.values(), SIBLINGS_MAX)
            if one is not replica and one.latency_s > LATENCY_FLOOR_S
        )
        return known[len(known) // 2] if known else self.usual_s

    def telemetry(self) -> ServiceTelemetry:
        """Its figures now."""
        return ServiceTelemetry(
            service=self.name,
            active=self.budget.active,
            active_max=self.room.active_max,
            pending=len(self.room),
            hedges=self.hedges,
            hedges_won=self.hedges_won,
            moved=self.moved,
        )

    def pick_with_room(self, tried: Iterable[ReplicaState] = ()) -> ReplicaState | None:
        """A replica that may take one more request, one not tried yet if possible; None when none is found. All of a
        small service are looked at, some of a large one, and first those of which a place has become free.
        """
        unfit = _Unfit(self.room, tried)
        if not unfit.tried and self._grouping is not None:
            for freed in self.room.freed():
                if freed in self._grouping.usable and freed not in unfit:
                    return freed
        replica, _ = self.balancer.pick_other(unfit)
        if unfit.tried and replica is not None and not self.room.has_room(replica):
            replica, _ = self.balancer.pick_other(_Unfit(self.room))
        return replica if replica is not None and self.room.has_room(replica) else None

    def suspend(self, replica: ReplicaState, now: float) -> None:
        """Leave a replica out for a moment: it just refused a connection. In a large service the moment begins within
        the second.
        """
        is_large = len(self._replicas) > REPLICAS_AT_ONCE_MAX
        already_out = replica.suspended_until > now
        replica.suspended_until = now + (2 * SUSPENDED_S if is_large else SUSPENDED_S)
        if already_out:
            return
        self._suspended.append(replica)
        if is_large:
            self._is_stale = True
        else:
            finish(self.rebalance(now))

    def has_suspended(self, now: float) -> bool:
        """True when a suspension has ended, so that the groups must be made anew."""
        before = len(self._suspended)
        self._suspended = [replica for replica in self._suspended if replica.suspended_until > now]
        return len(self._suspended) < before


class _Unfit(Container[ReplicaState]):
    """Who has been tried, or has no room: asked one by one, for there may be 10,000."""

    __slots__ = ("_room", "tried")

    def __init__(self, room: WaitingRoom, tried: Iterable[ReplicaState] = ()) -> None:
        self._room = room
        self.tried = tuple(tried)

    def __contains__(self, replica: object) -> bool:
        assert isinstance(replica, ReplicaState)
        return replica in self.tried or not self._room.has_room(replica)


def _are_same(before: ServiceView, view: ServiceView) -> Generator[None, None, bool]:
    if before is view:
        return True
    if len(before.replicas) != len(view.replicas) or replace(before, replicas=()) != replace(view, replicas=()):
        return False
    return (yield from are_same(before.replicas, view.replicas, UPDATES_PER_STEP))


def _replica_tls(replica: Replica, tls: ServiceTls | None, context: ssl.SSLContext | None) -> ReplicaTls | None:
    if tls is None or context is None:
        return None
    return ReplicaTls(context, tls.server_name or replica.address.host)
