"""One deadline for each replica, and the earliest of all."""

from heapq import heapify, heappop, heappush
from math import inf

from lbmesh.model.service import ReplicaId

REPLACED_MAX = 64
"""So many replaced deadlines, and as many as there are valid ones, may stand in the heap before it is made anew."""


class Timers:
    """A heap of deadlines. One that was replaced stays in it for a while, and then says nothing."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, ReplicaId]] = []
        self._due_s: dict[ReplicaId, float] = {}

    def set(self, replica: ReplicaId, due_s: float) -> None:
        """Replace this replica's deadline; infinite for none."""
        if due_s == self._due_s.get(replica, inf):
            return
        if due_s == inf:
            del self._due_s[replica]
        else:
            self._due_s[replica] = due_s
            heappush(self._heap, (due_s, replica))
        self._drop_replaced()
        if len(self._heap) > 2 * len(self._due_s) + REPLACED_MAX:
            self._heap = [(due_s, replica) for replica, due_s in self._due_s.items()]
            heapify(self._heap)

    def take_due(self, now: float, most: int) -> list[ReplicaId]:
        """The replicas whose deadline has come, each once, the earliest `most` of them; they have none then."""
        due: list[ReplicaId] = []
        while len(due) < most and self.next_s() <= now:
            _, replica = heappop(self._heap)
            del self._due_s[replica]
            due.append(replica)
            self._drop_replaced()
        return due

    def next_s(self) -> float:
        """The earliest deadline; infinite when there is none."""
        return self._heap[0][0] if self._heap else inf

    def _drop_replaced(self) -> None:
        """Keep a valid deadline on top, which is looked at far more often than one changes."""
        while self._heap and self._due_s.get(self._heap[0][1], inf) != self._heap[0][0]:
            heappop(self._heap)
