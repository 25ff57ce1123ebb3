"""The line of a node's fronts: so many move at the same time, and of those that wait the one that has for longest.

All fronts of a dead node come at once. Each by itself would be half done for as long as the pace of calls makes it
take, and would be taken for failed. So they come one after the other; one whose turn does not come soon is told to come
again, with its reason, and keeps its place.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import trio

from lbmesh.drivers.ec2.errors import Ec2Error, Fault
from lbmesh.drivers.ec2.limits import PLACES, WAIT_S


@dataclass(slots=True)
class _Waiting:
    since_s: float
    called: trio.Event = field(default_factory=trio.Event)


class Line:
    """`_since_s`: since when each front has waited, until `leave`."""

    def __init__(self) -> None:
        self._free = PLACES
        self._since_s: dict[str, float] = {}
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def turn(self, front: str) -> AsyncIterator[None]:
        """Its turn, as long as this lasts. Raises Ec2Error when it does not come soon."""
        waiting = _Waiting(self._since_s.setdefault(front, monotonic()))
        self._waiting.append(waiting)
        self._call_next()
        try:
            with trio.move_on_after(WAIT_S):
                await waiting.called.wait()
            if not waiting.called.is_set():
                raise Ec2Error(self._why(waiting), Fault.WAITS)
            yield
        finally:
            if waiting.called.is_set():
                self._free += 1
                self._call_next()
            else:
                self._waiting.remove(waiting)

    def leave(self, front: str) -> None:
        """It has waited for what it was to get, or stands at the end from now on."""
        self._since_s.pop(front, None)

    def _call_next(self) -> None:
        while self._free and self._waiting:
            oldest = min(self._waiting, key=lambda one: one.since_s)
            self._waiting.remove(oldest)
            self._free -= 1
            oldest.called.set()

    def _why(self, waiting: _Waiting) -> str:
        before = sum(since_s < waiting.since_s for since_s in self._since_s.values())
        return f"{before} other fronts of this node are before it: EC2 is called for {PLACES} at the same time"
