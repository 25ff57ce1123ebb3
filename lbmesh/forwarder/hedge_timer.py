"""When requests of hedged services have been out for too long: a heap, and a task that looks at it while it holds any.

The wheel's 50 ms would be too coarse: a percentile is often a few milliseconds.
"""

import heapq
from time import monotonic
from typing import Protocol

import trio

from lbmesh.forwarder.reactor import Handler, Reactor

LOOK_S = 0.002


class Hedged(Protocol):
    """An exchange. `began`: monotonic time that tells its requests apart."""

    @property
    def active(self) -> bool: ...
    @property
    def began(self) -> float: ...
    @property
    def client(self) -> Handler: ...

    def hedge(self) -> None:
        """The first attempt has been out for too long."""


class HedgeTimer:
    """Requests by when they are due to be hedged. Those that are answered by then are passed over."""

    __slots__ = ("_due", "_pushed", "_wanted")

    def __init__(self) -> None:
        self._due: list[tuple[float, int, float, Hedged]] = []
        self._pushed = 0
        self._wanted = trio.Event()

    def plan(self, exchange: Hedged, delay_s: float) -> None:
        """Have this request hedged after so long."""
        self._pushed += 1
        heapq.heappush(self._due, (exchange.began + delay_s, self._pushed, exchange.began, exchange))
        self._wanted.set()

    async def run(self, reactor: Reactor) -> None:
        """Hedge what is due, for ever."""
        while True:
            await self._wanted.wait()
            while self._due:
                await trio.sleep(LOOK_S)
                self._look(reactor)
            self._wanted = trio.Event()

    def _look(self, reactor: Reactor) -> None:
        """What has arrived by now is read first: an answer that waits here is not late."""
        now = monotonic()
        if self._due[0][0] <= now:
            reactor.drain()
        while self._due and self._due[0][0] <= now:
            _, _, began, exchange = heapq.heappop(self._due)
            if exchange.active and exchange.began == began:
                reactor.step_now(exchange.client, exchange.hedge)
