"""One service as a forwarder knows it: its replicas by identity, the balancer over them, its budget and histograms."""

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from lbmesh.control.link import ServiceTelemetry
from lbmesh.forward.retry import RetryBudget
from lbmesh.forwarder.affinity import Affinity
from lbmesh.forwarder.durations import DurationHistograms
from lbmesh.forwarder.replica_state import LATENCY_DECAY, LATENCY_FLOOR_S, ReplicaState, ReplicaTls
from lbmesh.forwarder.service_watch import ServiceWatch
from lbmesh.forwarder.tls_contexts import service_context
from lbmesh.forwarder.waiting_room import WaitingRoom
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica, ReplicaId
from lbmesh.model.tls import ServiceTls
from lbmesh.model.traffic import Balance, Timeouts
from lbmesh.model.view import ReplicaView, ServiceView
from lbmesh.routing.balancer import Balancer, Group
from lbmesh.routing.policies import Pick, policy_over
from lbmesh.routing.warming import share_in_between, warming_policy_over, warmth

REPLICAS_PER_STEP = 64
"""Taken over from a View before requests are served again, if they wait: about a tenth of a millisecond."""

SIBLINGS_MAX = 16
"""So many are asked for their latency when one fails."""

SUSPENDED_S = 1.0
"""A replica that refused a connection is left out this long, if another can serve."""


class ServiceState:
    """One service as this forwarder knows it. `affinity`: None where any replica will do for any request.
    `usual_s`: the latency of its replicas.
    """

    __slots__ = (
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
        self.affinity: Affinity | None = None
        self.usual_s = LATENCY_FLOOR_S

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """Every replica of the current View."""
        return tuple(self._replicas.values())

    def update(self, view: ServiceView, local_zone: str, now: float) -> Iterator[None]:
        """Take over a new View, in small steps: replicas stay by identity, those gone are retired and their pools
        closed, and so are those whose connections begin otherwise from now on. Until the last step the service goes on
        as it was.
        """
        if local_zone == self.local_zone and (view is self._view or view == self._view):
            return
        known, tls_context = self._replicas, self._tls_context
        if view.tls != self._tls:
            # What is connected otherwise must not serve any more: every replica begins anew, with an empty pool.
            known, tls_context = {}, service_context(view.tls) if view.tls else None
        gone = dict(self._replicas)
        replicas: dict[Address, ReplicaState] = {}
        for number, replica_view in enumerate(view.replicas, 1):
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
            if number % REPLICAS_PER_STEP == 0:
                yield
        self._replicas = replicas
        for state in gone.values():
            state.retire()
        self._tls, self._tls_context = view.tls, tls_context
        self._view = view
        self.local_zone = local_zone
        self.timeouts = view.traffic.timeouts
        self.retries = view.traffic.retries
        self.affinity = Affinity.of(view.traffic, self.name, self.replicas, self.budget, self.affinity)
        self.connect = view.traffic.connect
        self.abort_on_close = view.traffic.abort_on_close
        self.watch = self._watch if self._watch.obey(view.traffic, now) else None
        self.rebalance(now)

    def rebalance(self, now: float) -> None:
        """Make the groups anew: replicas that are up, without those suspended while others can serve. While some of
        them warm up, the policies know of it.
        """
        view = self._view
        assert view is not None
        policy = view.traffic
        up = self._states(view, Availability.UP)
        unproven = self._states(view, Availability.UNKNOWN)
        if any(state.suspended_until <= now for state in (*up, *unproven)):
            up = tuple(state for state in up if state.suspended_until <= now)
            unproven = tuple(state for state in unproven if state.suspended_until <= now)
        warmths = {state: part for state in up if (part := warmth(state.rise_began_s, policy.slow_start_s, now)) < 1.0}
        self.is_warming = bool(warmths)
        zones: dict[str, list[ReplicaState]] = {}
        for state in up:
            zones.setdefault(state.zone, []).append(state)
        shares = _zone_shares(view, self.local_zone, zones, tuple(warmths.values()))
        groups = {zone: self._group(policy.balance, group, warmths, shares[zone]) for zone, group in zones.items()}
        self.balancer = Balancer(
            local=groups.pop(self.local_zone, None),
            remote=tuple(groups.values()),
            unproven=self._group(policy.balance, unproven, {}, 1.0) if unproven else None,
            random=self._random,
        )
        if self.affinity is not None:
            self.affinity.rebalance(self.balancer, up or unproven, warmths)

    def _group(
        self,
        balance: Balance,
        states: Sequence[ReplicaState],
        warmths: Mapping[ReplicaState, float],
        share: float,
    ) -> Group[ReplicaState]:
        def make(group: Sequence[ReplicaState]) -> Pick[ReplicaState]:
            return policy_over(balance, group, self._random)

        pick = warming_policy_over(states, warmths, make, self._random) if warmths else make(states)
        return Group(tuple(states), pick, share)

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
        """A replica that may take one more request, one not tried yet if possible; None when all are full."""
        has_room = self.room.has_room
        full = {replica for replica in self._replicas.values() if not has_room(replica)}
        replica, _ = self.balancer.pick_other(full.union(tried))
        return replica if replica is not None and has_room(replica) else None

    def suspend(self, replica: ReplicaState, now: float) -> None:
        """Leave a replica out for a moment: it just refused a connection."""
        already_out = replica.suspended_until > now
        replica.suspended_until = now + SUSPENDED_S
        if not already_out:
            self._suspended.append(replica)
            self.rebalance(now)

    def has_suspended(self, now: float) -> bool:
        """True when a suspension has ended, so that the groups must be made anew."""
        before = len(self._suspended)
        self._suspended = [replica for replica in self._suspended if replica.suspended_until > now]
        return len(self._suspended) < before

    def _states(self, view: ServiceView, availability: Availability) -> tuple[ReplicaState, ...]:
        return tuple(
            state
            for state, replica_view in zip(self._replicas.values(), view.replicas, strict=True)
            if _is(replica_view, availability)
        )


def _is(replica_view: ReplicaView, availability: Availability) -> bool:
    return replica_view.availability is availability


def _zone_shares(
    view: ServiceView, local_zone: str, zones: Mapping[str, Sequence[ReplicaState]], warmths: Sequence[float]
) -> dict[str, float]:
    """The share of each zone that can serve; where the View gives none of them any, the own one has all, or else each
    as its weight.
    """
    shares = dict.fromkeys(zones, 0.0)
    for each in view.zones:
        if each.zone in shares:
            shares[each.zone] = share_in_between(each.cold_share, each.share, warmths)
    if any(shares.values()):
        return shares
    if local_zone in zones:
        return {zone: float(zone == local_zone) for zone in zones}
    return {zone: float(sum(state.weight for state in group)) for zone, group in zones.items()}


def _replica_tls(replica: Replica, tls: ServiceTls | None, context: ssl.SSLContext | None) -> ReplicaTls | None:
    if tls is None or context is None:
        return None
    return ReplicaTls(context, tls.server_name or replica.address.host)
