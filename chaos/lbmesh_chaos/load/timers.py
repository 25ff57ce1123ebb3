"""What an epoll loop has to do later. Pure."""

import heapq
from collections.abc import Callable


class Timers:
    """Calls in the order of their times."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, due_s: float, call: Callable[[], None]) -> None:
        """Those of one time come in the order in which they were asked for."""
        self._count += 1
        heapq.heappush(self._heap, (due_s, self._count, call))

    @property
    def next_s(self) -> float | None:
        """When the next one is due."""
        return self._heap[0][0] if self._heap else None

    def run(self, now_s: float) -> None:
        """All that is due."""
        while self._heap and self._heap[0][0] <= now_s:
            heapq.heappop(self._heap)[2]()
