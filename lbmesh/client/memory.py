"""What a transport remembers of its balancers, and the order in which a request should try them.

Every transport has a home order: the list as given, begun at a random place, so that many clients spread
over the balancers while each keeps its connections warm. A balancer that failed rests, longer each time.
When its rest is over, one idempotent request tries it; only when that was answered do all the others come
home.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lbmesh.client.policy import PROBE_S, Policy, Uniform
from lbmesh.model.address import Address


@dataclass(slots=True)
class _Record:
    failures: int = 0
    rest_until: float = 0.0


class BalancerMemory:
    """Good, resting or due for another try: one record per balancer, so bounded by the list."""

    def __init__(self, balancers: Sequence[Address], policy: Policy, rng: Uniform) -> None:
        start = int(rng.random() * len(balancers)) if policy.spread else 0
        self.home = (*balancers[start:], *balancers[:start])
        self._policy = policy
        self._rng = rng
        self._records = {balancer: _Record() for balancer in self.home}

    def order(self, now: float, *, may_repeat: bool) -> tuple[Address, ...]:
        """All balancers, best first.

        With `may_repeat` the first may be one that is due for another try, which then counts as being tried
        for `PROBE_S`. A request that cannot be repeated is never the probe while a good balancer is left: a
        frozen one would hold it until its timeout.
        """
        good = [b for b in self.home if not self._records[b].failures]
        failed = [b for b in self.home if self._records[b].failures]
        due = [b for b in failed if self._records[b].rest_until <= now]
        resting = sorted((b for b in failed if b not in due), key=lambda b: self._records[b].rest_until)
        probe = due[:1] if may_repeat and due and self._closer_home(due[0], good) else []
        for balancer in probe:
            self._records[balancer].rest_until = now + PROBE_S
        return (*probe, *good, *(b for b in due if b not in probe), *resting)

    def failed(self, balancer: Address, now: float) -> None:
        """It refused, broke off, or another one was faster by a clear margin: let it rest."""
        record = self._records[balancer]
        record.failures += 1
        # The exponent is capped only to keep the power a float; rest_max_s is the real bound.
        rest_s = min(self._policy.rest_s * 2.0 ** min(record.failures - 1, 32), self._policy.rest_max_s)
        record.rest_until = now + rest_s * (0.5 + self._rng.random())

    def worked(self, balancer: Address) -> None:
        """It answered: forget its failures."""
        self._records[balancer].failures = 0

    def _closer_home(self, balancer: Address, good: Sequence[Address]) -> bool:
        return not good or self.home.index(balancer) < self.home.index(good[0])
