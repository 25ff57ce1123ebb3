"""When a second attempt is worth its cost, and how many a service bears. Pure.

Dean and Barroso ("The Tail at Scale", CACM 56(2), 2013): a second request once the first has been out for longer than
the 95th percentile costs 5 % more load and cuts the tail; sent at once, it doubles the load.
"""

from collections import deque

from lbmesh.model.restraint import Hedging

QUANTILE = 0.95
SAMPLES_MAX = 1024
"""Answers remembered for the percentile."""

SAMPLES_MIN = 100
"""With fewer nothing is known of a 95th percentile, and nothing is hedged."""

DELAY_MIN_S = 0.002
"""Sooner than this a second attempt would answer no sooner than the first."""

TOKENS_MAX = 10.0
"""Hedges that may be saved up in quiet times."""


class HedgeBudget:
    """Earned by requests, spent by hedges: when a whole service is slow, hedging it would make it slower."""

    __slots__ = ("_share", "_tokens")

    def __init__(self, percent: int) -> None:
        self._share = percent / 100.0
        self._tokens = 1.0

    def earn(self) -> None:
        """A request was sent."""
        self._tokens = min(TOKENS_MAX, self._tokens + self._share)

    def spend(self) -> bool:
        """May one more be hedged? Then it counts."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class HedgeDelay:
    """How long a request may be out before it is hedged. `delay_s` None: for ever, nothing is known yet."""

    __slots__ = ("_recent", "delay_s")

    def __init__(self, hedging: Hedging) -> None:
        self._recent: deque[float] | None = None if hedging.after_s is not None else deque(maxlen=SAMPLES_MAX)
        self.delay_s = hedging.after_s

    def observe(self, latency_s: float) -> None:
        """An answer came."""
        if self._recent is not None:
            self._recent.append(latency_s)

    def tick(self) -> None:
        """Called now and then: find the percentile anew."""
        if self._recent is not None and len(self._recent) >= SAMPLES_MIN:
            ordered = sorted(self._recent)
            self.delay_s = max(DELAY_MIN_S, ordered[int(QUANTILE * len(ordered))])
