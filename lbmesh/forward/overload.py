"""When a forwarder has more to do than it can, by how long what is ready waits for its step. Pure.

As CoDel (RFC 8289) does with packets: not the length of the queue counts, nor one long wait, but the least wait within
an interval. A burst has passed within it; what waits all the time is a standing queue.
"""

INTERVAL_S = 0.1
"""RFC 8289 §4.3."""

BACKLOG_MIN = 64
"""Connections that may wait in the kernel, however slow this process is."""

STEADY_S = 1.0
"""The kernel's queue is given back its full length when it was short for so long."""


class LagWatch:
    """Takes samples of the wait. `lag_s`: the least wait of the last whole interval."""

    __slots__ = ("_began_s", "_least_s", "lag_s")

    def __init__(self, now_s: float) -> None:
        self._began_s = now_s
        self._least_s: float | None = None
        self.lag_s = 0.0

    def observe(self, wait_s: float) -> None:
        """One sample, in seconds."""
        if self._least_s is None or wait_s < self._least_s:
            self._least_s = wait_s

    def step(self, now_s: float) -> bool:
        """Close an interval that is over: True when `lag_s` is new. An interval without a sample was an idle one."""
        if now_s - self._began_s < INTERVAL_S:
            return False
        self.lag_s = self._least_s or 0.0
        self._least_s, self._began_s = None, now_s
        return True


class BacklogRule:
    """How many connections may wait in the kernel's queue for one listener.

    The queue is first in, first out: the wait is its length over the rate of accepting. One that stays longer than the
    target comes to hold clients that have given up, and only those. Turned away early (the kernel drops their SYN),
    they cost nothing.
    """

    __slots__ = ("_full", "_long_since_s", "_short_since_s")

    def __init__(self, full: int) -> None:
        """`full`: the length it has when there is no need to shorten it."""
        self._full = full
        self._long_since_s: float | None = None
        self._short_since_s: float | None = None

    def step(self, waiting: int, limit: int, accepted_per_s: float, target_s: float, now_s: float) -> int | None:
        """The new limit, or None for today's. `waiting`: connections in the queue now."""
        bearable = max(BACKLOG_MIN, int(accepted_per_s * target_s))
        if waiting > bearable:
            self._short_since_s = None
            if self._long_since_s is None:
                self._long_since_s = now_s
            return bearable if now_s - self._long_since_s >= INTERVAL_S and bearable < limit else None
        self._long_since_s = None
        if limit >= self._full or waiting > limit // 2:
            self._short_since_s = None
            return None
        if self._short_since_s is None:
            self._short_since_s = now_s
        return self._full if now_s - self._short_since_s >= STEADY_S else None
