"""Deadlines of connections, kept so that the hot path only writes one attribute.

Every connection is looked at once in PERIOD_S, and that look costs 0.15 µs: 10,000 idle connections cost 0.2 % of a
core, and a request pays nothing. Deadlines are met late by at most PERIOD_S; what must be met more exactly
(a connect, a short response timeout) asks for a look of its own at the right time.
"""

from typing import Protocol

TICK_S = 0.05
PERIOD_S = 1.0
SLOTS = 256
"""A look can be asked for up to TICK_S × SLOTS ahead; further off the periodic one serves."""

_PERIOD_TICKS = int(PERIOD_S / TICK_S)

NEVER = float("inf")


class Timed(Protocol):
    """Something with a deadline in monotonic seconds, NEVER while nothing is due. Closed ones are forgotten."""

    deadline: float
    closed: bool


class TimerWheel:
    """Finds expired deadlines."""

    __slots__ = ("_looks", "_position", "_watched")

    def __init__(self, now: float) -> None:
        self._watched: list[list[Timed]] = [[] for _ in range(_PERIOD_TICKS)]
        self._looks: list[list[Timed]] = [[] for _ in range(SLOTS)]
        self._position = int(now / TICK_S)

    def watch(self, timed: Timed) -> None:
        """Look at `timed` once a period until it is closed."""
        self._watched[self._position % _PERIOD_TICKS].append(timed)

    def look(self, timed: Timed, after_s: float) -> None:
        """Look at `timed` once more, right after `after_s`. Does nothing where the periodic look is soon enough."""
        ticks = int(after_s / TICK_S) + 2
        if ticks < SLOTS:
            self._looks[(self._position + ticks) % SLOTS].append(timed)

    def everything(self) -> list[Timed]:
        """All that is watched and open."""
        return [timed for slot in self._watched for timed in slot if not timed.closed]

    def expired(self, now: float) -> list[Timed]:
        """Everything open whose deadline has passed, each once.

        After a stall, several ticks are due together, and more than one look at the same connection with them.
        """
        target = int(now / TICK_S)
        due: list[Timed] = []
        for _ in range(min(target - self._position, SLOTS)):
            self._position += 1
            slot = self._position % _PERIOD_TICKS
            still_open = [timed for timed in self._watched[slot] if not timed.closed]
            self._watched[slot] = still_open
            looks, self._looks[self._position % SLOTS] = self._looks[self._position % SLOTS], []
            due += [timed for timed in still_open if timed.deadline <= now]
            due += [timed for timed in looks if not timed.closed and timed.deadline <= now]
        self._position = max(self._position, target)
        return list(dict.fromkeys(due)) if len(due) > 1 else due
