"""One service as a forwarder knows it: its replicas by identity, the balancer over them, its budget and histograms."""

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from math import gcd

from lbmesh.control.link import ServiceTelemetry
from lbmesh.forward.retry import RetryBudget
from lbmesh.forwarder.durations import DurationHistograms
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.waiting_room import WaitingRoom
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import ReplicaId
from lbmesh.model.traffic import Balance, Timeouts
from lbmesh.model.view import ReplicaView, ServiceView
from lbmesh.routing.balancer import Balancer
from lbmesh.routing.warming import WarmingBalancer, share_in_between, warmth

REPLICAS_PER_STEP = 64
"""Taken over from a View before requests are served again, if they wait: about a tenth of a millisecond."""

SUSPENDED_S = 1.0
"""A replica that refused a connection is left out this long, if another can serve."""


class ServiceState:
    """One service as this forwarder knows it."""

    __slots__ = (
        "_random",
        "_replicas",
        "_suspended",
        "_view",
        "balancer",
        "budget",
        "durations",
        "is_warming",
        "local_zone",
        "name",
        "reported",
        "retries",
        "room",
        "timeouts",
    )

    timeouts: Timeouts
    retries: int
    balancer: Balancer[ReplicaState]

    def __init__(self, name: str, random: Callable[[], float]) -> None:
        self.name = name
        self.budget = RetryBudget()
        self.room = WaitingRoom(self.budget)
        self.reported: ServiceTelemetry | None = None
        """What the agent was last told."""
        self.durations = DurationHistograms()
        self._random = random
        self._replicas: dict[Address, ReplicaState] = {}
        self._view: ServiceView | None = None
        self.local_zone = ""
        self.is_warming = False
        self._suspended: list[ReplicaState] = []

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """Every replica of the current View."""
        return tuple(self._replicas.values())

    def update(self, view: ServiceView, local_zone: str, now: float) -> Iterator[None]:
        """Take over a new View, in small steps: replicas stay by identity, those gone are retired and their pools
        closed. Until the last step the service goes on as it was.
        """
        if local_zone == self.local_zone and (view is self._view or view == self._view):
            return
        gone = dict(self._replicas)
        replicas: dict[Address, ReplicaState] = {}
        for number, replica_view in enumerate(view.replicas, 1):
            replica = replica_view.replica
            state = gone.pop(replica.address, None)
            if state is None:
                state = ReplicaState(ReplicaId(self.name, replica.address), replica)
            else:
                state.update(replica)
            state.is_up = replica_view.availability is Availability.UP
            state.take_return(replica_view.returned_s, view.traffic.slow_start_s, self._random, now)
            replicas[replica.address] = state
            if number % REPLICAS_PER_STEP == 0:
                yield
        self._replicas = replicas
        for state in gone.values():
            state.is_up = False
            state.retire()
        self._view = view
        self.local_zone = local_zone
        self.timeouts = view.traffic.timeouts
        self.retries = view.traffic.retries
        self.room.set_limits(view.traffic.limits, view.traffic.limits.active)
        self.rebalance(now)

    def rebalance(self, now: float) -> None:
        """Make the groups anew: replicas that are up, without those suspended while others can serve. Those that warm
        up get a balancer that knows of it, for as long as they do.
        """
        view = self._view
        assert view is not None
        policy = view.traffic
        up = self._states(view, Availability.UP)
        unproven = self._states(view, Availability.UNKNOWN)
        if any(state.suspended_until <= now for state in (*up, *unproven)):
            up = tuple(state for state in up if state.suspended_until <= now)
            unproven = tuple(state for state in unproven if state.suspended_until <= now)
        local = _by_weight(tuple(state for state in up if state.zone == self.local_zone), policy.balance)
        remote = _by_weight(tuple(state for state in up if state.zone != self.local_zone), policy.balance)
        unproven = _by_weight(unproven, policy.balance)
        warmths = {state: part for state in up if (part := warmth(state.rise_began_s, policy.slow_start_s, now)) < 1.0}
        self.is_warming = bool(warmths)
        if warmths:
            self.balancer = WarmingBalancer(
                policy=policy.balance,
                local=local,
                remote=remote,
                unproven=unproven,
                local_share=share_in_between(view.cold_local_share, view.local_share, tuple(warmths.values())),
                random=self._random,
                warmths=warmths,
            )
        else:
            self.balancer = Balancer(
                policy=policy.balance,
                local=local,
                remote=remote,
                unproven=unproven,
                local_share=view.local_share,
                random=self._random,
            )

    def telemetry(self) -> ServiceTelemetry:
        """Its figures now."""
        return ServiceTelemetry(
            service=self.name,
            active=self.budget.active,
            active_max=self.room.active_max,
            pending=len(self.room),
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


def _by_weight(group: tuple[ReplicaState, ...], policy: Balance) -> tuple[ReplicaState, ...]:
    """Each replica as often as its share demands; least_request weighs by itself."""
    if not group or policy is Balance.LEAST_REQUEST:
        return group
    divisor = reduce(gcd, (replica.weight for replica in group))
    largest = max(replica.weight for replica in group) // divisor
    return tuple(replica for turn in range(largest) for replica in group if turn < replica.weight // divisor)
