"""What a transport remembers of its balancers, and the order in which a request should try them.

Every transport has a home order, from its directory, and stays with it while that is well, so that connections are kept
warm. A balancer that failed rests, longer each time. When its rest is over, one idempotent request tries it; only when
that was answered do all the others come home.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lbmesh.client.policy import PROBE_S, Policy, Uniform
from lbmesh.model.address import Address

OUTRUN_MAX = 2
"""Hedges answered before a balancer, with no answer of its own in between, after which it counts as failed."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    rest_until: float = 0.0
    is_tried: bool = False
    outrun: int = 0
    answered_at: float | None = None


class BalancerMemory:
    """Good, resting or due for another try: one record per balancer of the home order, so bounded by that."""

    def __init__(self, home: Sequence[Address], policy: Policy, rng: Uniform) -> None:
        self.home: tuple[Address, ...] = ()
        self._policy = policy
        self._rng = rng
        self._records: dict[Address, _Record] = {}
        self.settle(home)

    def settle(self, home: Sequence[Address]) -> tuple[Address, ...]:
        """Another home order. Of balancers that stay everything is remembered; those that do not are returned."""
        gone = tuple(balancer for balancer in self.home if balancer not in home)
        self.home = tuple(home)
        self._records = {balancer: self._records.get(balancer) or _Record() for balancer in self.home}
        return gone

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
            self._records[balancer].is_tried = True
        return (*probe, *good, *(b for b in due if b not in probe), *resting)

    def is_proven(self, balancer: Address, now: float) -> bool:
        """It answered something within the policy's `unproven_s`, so a kept connection to it can be trusted with a
        request that must not be repeated.
        """
        record, within_s = self._records.get(balancer), self._policy.unproven_s
        if within_s is None or record is None:
            return within_s is None
        return record.answered_at is not None and now <= record.answered_at + within_s

    def failed(self, balancer: Address, now: float) -> None:
        """It refused, broke off, or another one was faster by a clear margin: let it rest. Requests that were under way
        there together are one failure: else twenty of them would make it rest for the longest time.
        """
        record = self._records.get(balancer)
        if record is None:
            return  # a look-up has taken it from the list meanwhile
        if record.failures and now < record.rest_until and not record.is_tried:
            return
        record.failures += 1
        record.is_tried = False
        # The exponent is capped only to keep the power a float; rest_max_s is the real bound.
        rest_s = min(self._policy.rest_s * 2.0 ** min(record.failures - 1, 32), self._policy.rest_max_s)
        record.rest_until = now + rest_s * (0.5 + self._rng.random())

    def outrun(self, balancer: Address, waited_s: float, now: float) -> bool:
        """A hedge was answered before it. True when that counts as failing: after the whole hedge delay, or the second
        time without an answer in between, or before it has ever answered; one slow answer in a hundred is what a
        measured delay is made for.
        """
        record = self._records.get(balancer)
        if record is None:
            return False
        record.outrun += 1
        is_known = record.answered_at is not None
        if is_known and record.outrun < OUTRUN_MAX and waited_s < (self._policy.hedge_delay_s or 0.0):
            return False
        self.failed(balancer, now)
        return True

    def worked(self, balancer: Address, now: float) -> None:
        """It answered: forget its failures."""
        record = self._records.get(balancer)
        if record is not None:
            record.failures = record.outrun = 0
            record.is_tried = False
            record.answered_at = now

    def _closer_home(self, balancer: Address, good: Sequence[Address]) -> bool:
        return not good or self.home.index(balancer) < self.home.index(good[0])
