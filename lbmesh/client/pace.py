"""How long answers take here, and so after which time a request that has none is worth asking for twice."""

import threading
from collections import OrderedDict, deque
from collections.abc import Hashable

from lbmesh.client.fork import watch
from lbmesh.client.limits import GUESSES_MAX, PACE_SAMPLES, PACES_MAX
from lbmesh.client.policy import Policy

ENOUGH = 64
"""Times that must be known before the delay follows them closely."""
EVERY = 32
"""From then on the delay is reckoned anew after so many (a sort of all samples, some 30 µs)."""
CAUTION = 2.0
"""While fewer are known, the delay is so many times the longest of them, which is soon exceeded."""
SOME = 8
"""Times that must be known before all answers are believed to take long: one slow first answer is no proof of it."""
WIDTH = 2.0
"""Where most answers take long, the slowest may take so many times as long, and are waited for."""
ROUND_TRIPS = 2.0
"""Connects that a first answer may take besides `hedge_min_s`, since the way there and back may vary twofold."""


class Pace:
    """The hedge delay of one service. Thread-safe.

    - Nothing measured: `hedge_min_s` and two round trips, which the connect has shown, but for `GUESSES_MAX` requests
      at once only; the others wait for `hedge_delay_s`. What these learn is enough to go on with.
    - Measured: the policy's `hedge_quantile` of the last times ("The Tail at Scale", 2013: a second request after the
      95th percentile costs 5 % more load), at most `hedge_delay_s`, or twice what all but `budget_share` of the answers
      take: a service that is slow by nature is not asked twice each time, and a few slow answers among quick ones do
      not have the quick ones wait.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._taken: deque[float] = deque(maxlen=PACE_SAMPLES)
        self._new = 0
        self._measured_s: float | None = None
        self._guesses = 0
        self._lock = threading.Lock()

    @property
    def is_measured(self) -> bool:
        """A time is known, so the delay is no guess; nor is one that is fixed."""
        return self._measured_s is not None or self._policy.hedge_quantile is None

    def delay_s(self, connect_s: float) -> float | None:
        """Seconds; None: no hedging. `connect_s`: what the connect took, 0 on a kept connection."""
        longest_s = self._policy.hedge_delay_s
        if longest_s is None or self._policy.hedge_quantile is None:
            return longest_s
        if self._measured_s is not None:
            return self._measured_s
        return min(longest_s, self._policy.hedge_min_s + ROUND_TRIPS * connect_s)

    def try_guess(self) -> bool:
        """Take leave to hedge by a delay that nothing was measured for; False when enough try that already."""
        with self._lock:
            if self._guesses >= GUESSES_MAX:
                return False
            self._guesses += 1
            return True

    def end_guess(self) -> None:
        """That hedge has ended, however."""
        with self._lock:
            self._guesses -= 1

    def note(self, taken_s: float) -> None:
        """An answer took so long from when it was asked for; or so long at least, when another was taken. Leaving
        these out would have the delay sink with each hedge.
        """
        quantile, longest_s = self._policy.hedge_quantile, self._policy.hedge_delay_s
        if quantile is None or longest_s is None:
            return
        with self._lock:
            self._taken.append(taken_s)
            self._new += 1
            known = len(self._taken)
            if known > ENOUGH and self._new < EVERY:
                return
            self._new = 0
            times = sorted(self._taken)
            usual_s = _at(times, quantile) * (CAUTION if known < ENOUGH else 1.0)
            most_s = longest_s
            if known >= SOME:
                most_s = max(longest_s, WIDTH * _at(times, max(0.0, 1.0 - self._policy.budget_share)))
            self._measured_s = max(self._policy.hedge_min_s, min(usual_s, most_s))


class Paces:
    """The paces of services, the least recently used given up first. Thread-safe."""

    def __init__(self) -> None:
        self.start_afresh()
        watch(self)

    def start_afresh(self) -> None:
        """Nothing is measured, and nobody holds a lock: at the start, and in the child of a fork."""
        self._lock = threading.Lock()
        self._paces: OrderedDict[Hashable, Pace] = OrderedDict()

    def of(self, origin: Hashable, policy: Policy) -> Pace:
        """The pace of a service under one policy."""
        key = (origin, policy)
        with self._lock:
            pace = self._paces.pop(key, None) or Pace(policy)
            self._paces[key] = pace
            if len(self._paces) > PACES_MAX:
                self._paces.popitem(last=False)
            return pace


PACES = Paces()
"""Of this process: many programs make a transport for each request, and each would have to guess anew."""


def _at(times: list[float], quantile: float) -> float:
    return times[min(int(quantile * len(times)), len(times) - 1)]
