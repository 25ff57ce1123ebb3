"""The least a client must do while a body is under way, judged window after window, so that no byte costs anything.

A limit on silence alone lets one byte every 59 seconds hold a connection, a replica's slot and the replica itself for
ever. nginx, HAProxy and Envoy have no other; Apache asks for 500 bytes/s of a request body, Kestrel for 240 both ways.
"""

from lbmesh.forwarder.timers import PERIOD_S


class Pace:
    """One direction of one body. A window is as long as the service bears silence; times are monotonic seconds."""

    __slots__ = ("_excused", "_moved", "due", "silent_at", "window_s")

    def __init__(self, now: float, window_s: float, moved: int) -> None:
        """`moved`: bytes, as `is_kept` counts them, before the first window."""
        self.window_s = window_s
        self._moved = moved
        self._excused = False
        self.due = now + window_s
        """When the window ends."""
        self.silent_at = self.due
        """When silence has lasted too long, if nothing moves."""

    def excuse(self) -> None:
        """The replica held things up in this window: the client is not to blame for what it lacks."""
        self._excused = True

    def look_after(self, now: float, silence_s: float) -> float:
        """Something moved just now: in how many seconds to look again unless more does."""
        self.silent_at = now + silence_s
        return min(silence_s, max(self.due - now, PERIOD_S))

    def is_kept(self, now: float, moved: int, bytes_per_s: int) -> bool:
        """Judge the window that ends now, and begin another. `moved`: bytes since the body began."""
        kept = self._excused or moved - self._moved >= bytes_per_s * self.window_s
        self._moved = moved
        self._excused = False
        self.due = now + self.window_s
        return kept
