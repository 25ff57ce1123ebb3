"""What is learnt from a service's answers: how many requests it can work on at a time, and which ones are late."""

from lbmesh.forward.concurrency import ConcurrencyLimit
from lbmesh.forward.hedging import HedgeBudget, HedgeDelay
from lbmesh.forward.retry import RetryBudget
from lbmesh.forwarder.waiting_room import WaitingRoom
from lbmesh.model.restraint import Hedging
from lbmesh.model.traffic import TrafficPolicy


class ServiceWatch:
    """Looks at every answer of one service. A service that needs none of it has no watch."""

    __slots__ = ("_budget", "_concurrency", "_hedging", "_room", "delay", "hedge_budget")

    def __init__(self, room: WaitingRoom, budget: RetryBudget) -> None:
        self._room = room
        self._budget = budget
        self._concurrency: ConcurrencyLimit | None = None
        self._hedging: Hedging | None = None
        self.delay: HedgeDelay | None = None
        self.hedge_budget = HedgeBudget(0)

    def obey(self, policy: TrafficPolicy, now: float) -> bool:
        """Take over a policy; what was learnt stays where it still means something. False: there is nothing to do."""
        if policy.concurrency is None:
            self._concurrency = None
            self._room.set_limits(policy.limits, policy.limits.active)
        else:
            least = policy.concurrency.least
            if self._concurrency is None:
                self._concurrency = ConcurrencyLimit(least, policy.limits.active, now)
            self._concurrency.set_bounds(least, policy.limits.active)
            self._room.set_limits(policy.limits, self._concurrency.limit)
        if policy.hedging != self._hedging:
            self._hedging = policy.hedging
            self.delay = HedgeDelay(policy.hedging) if policy.hedging else None
            self.hedge_budget = HedgeBudget(policy.hedging.percent if policy.hedging else 0)
        return self._concurrency is not None or self.delay is not None

    def observe(self, latency_s: float, now: float) -> None:
        """An answer came."""
        if self.delay is not None:
            self.delay.observe(latency_s)
        concurrency = self._concurrency
        if concurrency is not None and concurrency.observe(latency_s, self._budget.active, now):
            self._room.set_active_max(concurrency.limit)

    def tick(self) -> None:
        """Once a second."""
        if self.delay is not None:
            self.delay.tick()
