"""How often EC2 may be called: a token bucket, and a pause that doubles while EC2 says that the rate is too high. Pure.

EC2 counts calls by account and region in buckets of its own, so a node that is refused cannot know how many others
call. All of them stop for a time that differs by the jitter, and begin again one by one.
"""

from dataclasses import dataclass

from lbmesh.drivers.ec2.limits import BURST, PAUSE_MAX_S, PAUSE_S, RATE_PER_S


@dataclass(slots=True)
class Pace:
    """`now` is monotonic, in seconds."""

    now: float
    calls: float = BURST
    pause_s: float = 0.0
    paused_until_s: float = 0.0

    def wait_s(self, now: float, reserve: float = 0.0, counted: int = 1) -> float:
        """How long to wait before a call; 0 when it may be made now, and then it is counted, as so many. `reserve`:
        calls that must be left.
        """
        self._fill(now)
        if self.is_paused(now):
            return self.paused_until_s - now
        missing = counted + reserve - self.calls
        if missing > 0:
            return missing / RATE_PER_S
        self.calls -= counted
        return 0.0

    def is_paused(self, now: float) -> bool:
        """Has EC2 said that the rate is too high?"""
        return now < self.paused_until_s

    def refused(self, now: float, jitter: float) -> None:
        """EC2 said that the rate is too high. `jitter`: 0 to 1."""
        if not self.is_paused(now):
            self.pause_s = min(PAUSE_MAX_S, max(PAUSE_S, 2 * self.pause_s))
            self.paused_until_s = now + self.pause_s * (0.5 + jitter / 2)
        self.calls = min(self.calls, 1.0)

    def answered(self) -> None:
        """EC2 did what it was asked."""
        self.pause_s = 0.0

    def _fill(self, now: float) -> None:
        self.calls = min(BURST, self.calls + max(0.0, now - self.now) * RATE_PER_S)
        self.now = max(self.now, now)
