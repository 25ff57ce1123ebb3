"""Who of a service's requests waits for a place, in which order they get one, and who is turned away. Pure.

A queue absorbs a burst; one that stands is only delay, and its oldest requests are those whose clients have given up.
So it is first come, first served while it empties now and then, and newest first once it has stood for STANDING_S
(adaptive LIFO: Maurer, "Fail at Scale", ACM Queue 13(8), 2015).
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from lbmesh.model.restraint import ServiceLimits

STANDING_S = 0.1
"""A queue that has not been empty for so long is no burst (Maurer: 100 ms)."""

W = TypeVar("W")


class WaitingList(Generic[W]):
    """Requests that wait, bounded. `limits` may be replaced at any time: who waits already goes on waiting."""

    __slots__ = ("_standing_since_s", "_waiting", "limits")

    def __init__(self, limits: ServiceLimits) -> None:
        self.limits = limits
        self._waiting: OrderedDict[W, None] = OrderedDict()
        self._standing_since_s = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, request: W, now_s: float) -> bool:
        """Take the last place; False when there is none."""
        if len(self._waiting) >= self.limits.pending:
            return False
        if not self._waiting:
            self._standing_since_s = now_s
        self._waiting[request] = None
        return True

    def leave(self, request: W) -> None:
        """Give the place back; does nothing for one that has none."""
        self._waiting.pop(request, None)

    def next(self, now_s: float) -> W:
        """Whose turn it is; the caller has it `leave`. Raises StopIteration when nobody waits."""
        stands = now_s - self._standing_since_s > STANDING_S
        return next(reversed(self._waiting) if stands else iter(self._waiting))
