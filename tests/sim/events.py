"""The one event heap: everything that happens in the world happens in the order of its events."""

from collections.abc import Callable
from heapq import heappop, heappush

SAME_INSTANT_MAX = 100_000
"""More events than this without time going on: a deadline that its own tick does not satisfy."""

Event = Callable[[], None]


class Events:
    """What is to happen, by time in seconds. Events of the same time happen in the order of their making."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Event]] = []
        self._made = 0
        self._same_instant = 0

    def at(self, time_s: float, event: Event) -> None:
        """Let something happen at a time, which is not before now."""
        self._made += 1
        heappush(self._heap, (max(time_s, self.now), self._made, event))

    def run_to(self, end_s: float) -> None:
        """Let everything happen that is due until then. Raises RuntimeError when time does not go on."""
        heap = self._heap
        while heap and heap[0][0] <= end_s:
            time_s, _, event = heappop(heap)
            self._same_instant = self._same_instant + 1 if time_s == self.now else 0
            if self._same_instant >= SAME_INSTANT_MAX:
                raise RuntimeError(f"stuck at {time_s} s: {SAME_INSTANT_MAX} events without time going on")
            self.now = time_s
            event()
        self.now = end_s
