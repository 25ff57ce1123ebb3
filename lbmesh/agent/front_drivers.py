"""The runner of fronts: takes the plane's orders to the drivers, one at a time for each, and brings back what came.

A front has one task, which carries out its newest Acquire or Release; one that is still waiting when a newer comes is
dropped, one that is under way is awaited first. Drain and Tickle follow their Acquire in the same line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic

import structlog
import trio

from lbmesh.agent.hub import Hub
from lbmesh.drivers.driver import FrontDriver
from lbmesh.failover.orders import (
    Acquire,
    Done,
    Drain,
    Drained,
    Drifted,
    Failed,
    Found,
    Order,
    Outcome,
    Release,
    Renew,
    Tickle,
)
from lbmesh.model.front import KINDS, DriverKind, Front

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Line:
    """What waits for one front, in order."""

    waiting: list[Acquire | Release | Drain | Tickle] = field(default_factory=list)
    wake: trio.Event = field(default_factory=trio.Event)


class FrontDrivers:
    """All fronts' lines. `drivers`: by kind; a front whose kind has none fails with words that say so."""

    def __init__(self, hub: Hub, nursery: trio.Nursery, drivers: Mapping[DriverKind, FrontDriver]) -> None:
        self._hub = hub
        self._nursery = nursery
        self._drivers = drivers
        self._lines: dict[str, _Line] = {}
        self._watched: dict[Front, trio.CancelScope] = {}
        self._held: dict[str, tuple[Front, int]] = {}
        hub.on_order = self.put

    def follow(self, fronts: tuple[Front, ...]) -> None:
        """Watch these fronts, and no others."""
        for front in self._watched.keys() - set(fronts):
            self._watched.pop(front).cancel()
        for front in fronts:
            driver = self._driver(front)
            if front not in self._watched and driver is not None:
                scope = self._watched[front] = trio.CancelScope()
                self._nursery.start_soon(self._watch, front, driver, scope)

    def put(self, order: Order) -> None:
        """Carry out an order when its turn comes."""
        driver = self._driver(order.front)
        if isinstance(order, Renew):
            if driver is not None:
                driver.renew(order)
            return
        line = self._lines.get(order.front.name)
        if line is None:
            line = self._lines[order.front.name] = _Line()
            self._nursery.start_soon(self._work, line)
        if isinstance(order, Acquire | Release):
            line.waiting.clear()
        line.waiting.append(order)
        line.wake.set()

    async def stand_down(self, reason: str) -> None:
        """Send new clients of what is held still elsewhere, as far as drivers can: listeners are about to close."""
        for front, epoch in tuple(self._held.values()):
            await self._carry_out(Drain(front, epoch, "", reason))

    def _driver(self, front: Front) -> FrontDriver | None:
        return self._drivers.get(KINDS[type(front.driver)])

    async def _work(self, line: _Line) -> None:
        while True:
            while line.waiting:
                order = line.waiting.pop(0)
                if (outcome := await self._carry_out(order)) is not None:
                    self._say(outcome)
            line.wake = trio.Event()
            await line.wake.wait()

    async def _carry_out(self, order: Acquire | Release | Drain | Tickle) -> Outcome | None:
        """What came of it. Whatever goes wrong in a driver is a failure of the order, not of the agent."""
        driver = self._driver(order.front)
        name = order.front.name
        if driver is None:
            problem = f"this version has no driver for {KINDS[type(order.front.driver)]}"
            return Failed(name, order.ticket, problem) if isinstance(order, Acquire | Release) else None
        try:
            match order:
                case Acquire():
                    taken = await driver.acquire(order)
                    if isinstance(taken, Done):
                        self._held[name] = (order.front, order.epoch)
                    return taken
                case Release():
                    self._held.pop(name, None)
                    return await driver.release(order)
                case Drain():
                    await driver.drain(order)
                    return Drained(name)
                case Tickle():
                    await driver.tickle(order)
                    return None
        except Exception as error:
            log.exception("a driver failed", front=name, order=type(order).__name__)
            problem = f"{type(error).__name__}: {error}"
            return Failed(name, order.ticket, problem) if isinstance(order, Acquire | Release) else None

    async def _watch(self, front: Front, driver: FrontDriver, scope: trio.CancelScope) -> None:
        with scope:
            try:
                await driver.watch(front, lambda found: self._tell(front, found))
            except Exception:
                log.exception("a driver cannot watch its front", front=front.name)

    def _tell(self, front: Front, found: Drifted | Found) -> None:
        if isinstance(found, Found):
            self._held[front.name] = (front, found.epoch)
        self._say(found)

    def _say(self, outcome: Outcome) -> None:
        self._hub.do(self._hub.plane.front_outcome(outcome, monotonic()))
