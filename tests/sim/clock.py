"""A node's monotonic clock: it starts anywhere, and runs a little fast or slow."""

from dataclasses import dataclass

YEAR_S = 365 * 86400.0
OFFSET_MAX_S = 10 * YEAR_S
SKEW_MAX = 200e-6
"""200 ppm: what crystals do when nothing disciplines them."""


@dataclass(frozen=True, slots=True)
class NodeClock:
    """`offset_s`: what it shows when the world begins. `rate`: its seconds for each of the world's."""

    offset_s: float = 0.0
    rate: float = 1.0

    def local_s(self, world_s: float) -> float:
        """What this clock shows at a time of the world."""
        return self.offset_s + world_s * self.rate

    def world_s(self, local_s: float) -> float:
        """The world's time when this clock shows `local_s`."""
        return (local_s - self.offset_s) / self.rate
