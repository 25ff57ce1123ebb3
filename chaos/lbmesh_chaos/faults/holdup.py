"""What a relay holds up: when each datagram that came in is due to go on. Pure: time and chance are arguments."""

import heapq
from dataclasses import dataclass
from random import Random

HELD_MAX = 50_000
"""Datagrams; 75 MB of full ones. What comes beyond that is lost, as in a router whose buffer is full."""
OVERTAKEN_S = 0.15
"""A datagram that others overtake comes up to this much later than it should."""


@dataclass(frozen=True, slots=True)
class Holdup:
    """How late, in seconds, and the shares that are doubled or overtaken, from 0 to 1."""

    delay_s: float
    jitter_s: float = 0.0
    duplicates: float = 0.0
    overtaken: float = 0.0


class Held:
    """Datagrams that wait. They leave as they came, but for those that are overtaken: jitter alone changes no order."""

    __slots__ = ("_heap", "_holdup", "_latest_s", "_number", "_rng", "lost")

    def __init__(self, holdup: Holdup, rng: Random) -> None:
        self._holdup = holdup
        self._rng = rng
        self._heap: list[tuple[float, int, bytes]] = []
        self._number = 0
        self._latest_s = 0.0
        self.lost = 0

    @property
    def due_s(self) -> float | None:
        """When the next one is due; None when none waits."""
        return self._heap[0][0] if self._heap else None

    def put(self, datagram: bytes, now_s: float) -> None:
        """One came in."""
        holdup = self._holdup
        due_s = now_s + holdup.delay_s
        if holdup.jitter_s:
            due_s += self._rng.random() * holdup.jitter_s
        self._latest_s = due_s = max(due_s, self._latest_s)
        if holdup.overtaken and self._rng.random() < holdup.overtaken:
            due_s += self._rng.random() * OVERTAKEN_S
        self._push(due_s, datagram)
        if holdup.duplicates and self._rng.random() < holdup.duplicates:
            self._push(due_s, datagram)

    def take(self, now_s: float) -> bytes | None:
        """One that is due, and is no longer held; None when there is none."""
        if not self._heap or self._heap[0][0] > now_s:
            return None
        return heapq.heappop(self._heap)[2]

    def _push(self, due_s: float, datagram: bytes) -> None:
        if len(self._heap) >= HELD_MAX:
            self.lost += 1
            return
        # The number keeps those of one moment in their order.
        self._number += 1
        heapq.heappush(self._heap, (due_s, self._number, datagram))
