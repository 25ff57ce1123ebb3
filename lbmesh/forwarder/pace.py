"""The least a client must do while a body is under way, judged window after window, so that no byte costs anything.

A limit on silence alone lets one byte every 59 seconds hold a connection, a replica's slot and the replica itself for
ever. nginx, HAProxy and Envoy have no other; Apache asks for 500 bytes/s of a request body, Kestrel for 240 both ways.
"""

from typing import Protocol

from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.timers import PERIOD_S


class Paced(Protocol):
    """A body on its way. `pace`: what its client must keep up; None where the operator asks for nothing."""

    @property
    def pace(self) -> "Pace | None": ...

    def keeps_pace(self) -> bool:
        """Judge the window that is over. False: the client is too slow, and the exchange has ended for it."""


class Pace:
    """One direction of one body. A window is as long as the service bears silence; times are monotonic seconds."""

    __slots__ = ("_engine", "_excused", "_moved", "due", "silent_at", "window_s")

    def __init__(self, engine: Engine, window_s: float, moved: int) -> None:
        """`moved`: bytes, as `is_kept` counts them, before the first window."""
        self._engine = engine
        self.window_s = window_s
        self._moved = moved
        self._excused = False
        self.due = engine.reactor.now + window_s
        """When the window ends."""
        self.silent_at = self.due
        """When silence has lasted too long, if nothing moves."""

    @property
    def is_due(self) -> bool:
        """Is the window over?"""
        return self._engine.reactor.now >= self.due

    def excuse(self) -> None:
        """The replica held things up in this window: the client is not to blame for what it lacks."""
        self._excused = True

    def look_after(self, silence_s: float) -> float:
        """Something moved just now: in how many seconds to look again unless more does."""
        now = self._engine.reactor.now
        self.silent_at = now + silence_s
        return min(silence_s, max(self.due - now, PERIOD_S))

    def is_kept(self, moved: int) -> bool:
        """Judge the window that ends now, and begin another. `moved`: bytes since the body began."""
        kept = self._excused or moved - self._moved >= _bytes_per_s(self._engine) * self.window_s
        self._moved = moved
        self._excused = False
        self.due = self._engine.reactor.now + self.window_s
        return kept


def begin_pace(engine: Engine, window_s: float, moved: int) -> Pace | None:
    """From now on the client must send, or take, so much as the operator asks for; None where that is nothing."""
    return Pace(engine, window_s, moved) if _bytes_per_s(engine) else None


def _bytes_per_s(engine: Engine) -> int:
    serving = engine.serving
    assert serving is not None
    return serving.limits.body_rate_min
