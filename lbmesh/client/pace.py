"""How long answers take here, and so after which time a request that has none is worth asking for twice. Pure."""

from collections import deque

from lbmesh.client.limits import PACE_SAMPLES
from lbmesh.client.policy import Policy

ENOUGH = 64
"""Times that must be known before the delay follows them."""
EVERY = 32
"""The delay is reckoned anew after so many (a sort of all samples, some 30 µs)."""


class Pace:
    """The hedge delay: the policy's `hedge_quantile` of the last times, within its bounds ("The Tail at Scale", 2013:
    a second request after the 95th percentile costs 5 % more load). Not thread-safe.
    """

    def __init__(self, policy: Policy) -> None:
        self.delay_s = policy.hedge_delay_s
        """Seconds; None: no hedging."""
        self._policy = policy
        self._taken: deque[float] = deque(maxlen=PACE_SAMPLES)
        self._new = 0

    def note(self, taken_s: float) -> None:
        """An answer took so long from when it was asked for; or so long at least, when another was taken. Leaving
        these out would have the delay sink with each hedge.
        """
        quantile, longest_s = self._policy.hedge_quantile, self._policy.hedge_delay_s
        if quantile is None or longest_s is None:
            return
        self._taken.append(taken_s)
        self._new += 1
        if self._new >= EVERY and len(self._taken) >= ENOUGH:
            self._new = 0
            measured_s = sorted(self._taken)[min(int(quantile * len(self._taken)), len(self._taken) - 1)]
            self.delay_s = min(longest_s, max(self._policy.hedge_min_s, measured_s))
