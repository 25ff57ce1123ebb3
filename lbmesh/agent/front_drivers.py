"""The runner of fronts: takes the plane's orders to the drivers, one at a time for each, and brings back what came.

A front has one task, which carries out its newest Acquire or Release; one that is still waiting when a newer comes is
dropped, one that is under way is awaited first. Drain and Tickle follow their Acquire in the same line. A front that
other settings make another one is let go by the driver that has it, and only then looked after by the new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import structlog
import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import WATCH_AGAIN_S
from lbmesh.drivers.driver import FrontDriver
from lbmesh.failover.orders import (
    Acquire,
    Done,
    Drain,
    Drained,
    Drifted,
    Failed,
    Found,
    Occupied,
    Order,
    Outcome,
    Outdated,
    Release,
    Renew,
    Tickle,
    Told,
    Unready,
)
from lbmesh.model.front import KINDS, DriverKind, Front

log = structlog.get_logger(__name__)

_LEAVES = "this node leaves"


@dataclass(slots=True)
class _Watch:
    """A driver looks after this front until the scope is cancelled, and then puts away what it has: until `ended`.
    `lacks`: what it said last that is missing.
    """

    front: Front
    lacks: str = ""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


@dataclass(slots=True)
class _Line:
    """What waits for one front, in order. `wanted`: the front as the settings have it, None when they do not; `taken`:
    as a driver may have something of it still.
    """

    waiting: list[Acquire | Release | Drain | Tickle] = field(default_factory=list)
    wake: trio.Event = field(default_factory=trio.Event)
    wanted: Front | None = None
    watch: _Watch | None = None
    taken: Front | None = None

    @property
    def is_to_change(self) -> bool:
        """Is it to be watched as the settings have it now? Not before it is let go as it was: a driver knows one front
        of an address, and what belonged to the former one would be nobody's.
        """
        if self.wanted == (self.watch.front if self.watch else None):
            return False
        is_next = not self.waiting or self.waiting[0].front == self.wanted
        return is_next and self.taken in (None, self.wanted)

    @property
    def is_over(self) -> bool:
        """Is there nothing left of it?"""
        return self.wanted is None and self.watch is None and self.taken is None and not self.waiting


class FrontDrivers:
    """All fronts' lines. `drivers`: by kind; a front whose kind has none fails with words that say so."""

    def __init__(self, hub: Hub, nursery: trio.Nursery, drivers: Mapping[DriverKind, FrontDriver]) -> None:
        self._hub = hub
        self._nursery = nursery
        self._drivers = drivers
        self._lines: dict[str, _Line] = {}
        self._held: dict[str, tuple[Front, int]] = {}
        self._is_standing_down = False
        hub.on_order = self.put

    def follow(self, fronts: tuple[Front, ...]) -> None:
        """Watch these fronts, and no others."""
        wanted = {front.name: front for front in fronts}
        for name in self._lines.keys() | wanted.keys():
            line = self._line(name)
            line.wanted = wanted.get(name)
            line.wake.set()

    def put(self, order: Order) -> None:
        """Carry out an order when its turn comes."""
        driver = self._driver(order.front)
        if isinstance(order, Renew):
            if driver is not None:
                driver.renew(order)
            return
        line = self._line(order.front.name)
        if isinstance(order, Acquire | Release):
            line.waiting.clear()
        line.waiting.append(order)
        line.wake.set()

    async def stand_down(self, reason: str) -> None:
        """Send new clients of what is held still elsewhere, as far as drivers can, and take nothing any more: listeners
        are about to close.
        """
        self._is_standing_down = True
        async with trio.open_nursery() as nursery:
            for front, epoch in tuple(self._held.values()):
                nursery.start_soon(self._carry_out, Drain(front, epoch, "", reason))

    def _driver(self, front: Front) -> FrontDriver | None:
        return self._drivers.get(KINDS[type(front.driver)])

    def _line(self, name: str) -> _Line:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = _Line()
            self._nursery.start_soon(self._work, name, line)
        return line

    async def _work(self, name: str, line: _Line) -> None:
        while not line.is_over:
            if line.is_to_change:
                await self._change_watch(line)
            elif line.waiting:
                order = line.waiting.pop(0)
                before, line.taken = line.taken, order.front if isinstance(order, Acquire) else line.taken
                outcome = await self._carry_out(order)
                if isinstance(order, Release) and isinstance(outcome, Done):
                    line.taken = None
                elif isinstance(outcome, Occupied | Outdated):
                    line.taken = before
                if outcome is not None:
                    self._say(outcome)
            else:
                line.wake = trio.Event()
                await line.wake.wait()
        del self._lines[name]

    async def _change_watch(self, line: _Line) -> None:
        if line.watch is not None:
            line.watch.scope.cancel()
            await line.watch.ended.wait()
            line.watch = None
        if line.wanted is not None:
            line.watch = _Watch(line.wanted)
            self._nursery.start_soon(self._watch, line.watch)

    async def _carry_out(self, order: Acquire | Release | Drain | Tickle) -> Outcome | None:
        """What came of it. Whatever goes wrong in a driver is a failure of the order, not of the agent."""
        driver = self._driver(order.front)
        name = order.front.name
        if driver is None:
            problem = f"this version has no driver for {KINDS[type(order.front.driver)]}"
            return Failed(name, order.ticket, problem) if isinstance(order, Acquire | Release) else None
        try:
            match order:
                case Acquire() if self._is_standing_down:
                    return Failed(name, order.ticket, _LEAVES)
                case Acquire():
                    taken = await driver.acquire(order)
                    if isinstance(taken, Done):
                        self._held[name] = (order.front, order.epoch)
                        if self._is_standing_down:  # It began before that.
                            await driver.drain(Drain(order.front, order.epoch, "", _LEAVES))
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

    async def _watch(self, watch: _Watch) -> None:
        front = watch.front
        driver = self._driver(front)
        try:
            with watch.scope:
                while driver is not None:
                    await self._look_after(watch, driver)
                    await trio.sleep(WATCH_AGAIN_S)
            if watch.lacks:
                # It may be nothing that the next driver needs.
                self._say(Unready(front.name, ""))
        finally:
            watch.ended.set()

    async def _look_after(self, watch: _Watch, driver: FrontDriver) -> None:
        """Until it breaks. A driver whose watch ends puts the front away, so it is to be acquired anew."""
        front = watch.front
        try:
            await driver.watch(front, partial(self._tell, watch))
        except Exception as error:
            log.exception("a driver cannot watch its front", front=front.name)
            self._say(Drifted(front.name, f"its driver broke: {type(error).__name__}: {error}"))

    def _tell(self, watch: _Watch, told: Told) -> None:
        match told:
            case Found(epoch=epoch):
                self._held[watch.front.name] = (watch.front, epoch)
            case Unready(what=what):
                watch.lacks = what
            case Drifted():
                pass
        self._say(told)

    def _say(self, outcome: Outcome) -> None:
        self._hub.do(self._hub.plane.front_outcome(outcome, monotonic()))
