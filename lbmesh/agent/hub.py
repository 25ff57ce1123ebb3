"""The hub: the one place where inputs reach the plane and its effects are carried out.

All tasks of the agent run on one thread and call `do` without awaiting, so the plane sees one input at a time.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic

import structlog
import trio

from lbmesh.agent.limits import DATAGRAMS_QUEUED_MAX
from lbmesh.control.inputs import Effects, Event, EventKind
from lbmesh.control.plane import Plane
from lbmesh.health.book import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.view import View
from lbmesh.observe.metrics import AgentFigures

log = structlog.get_logger(__name__)


class Hub:
    """Holds the plane. `on_probe` and `on_view` are set by the parts that carry those effects out."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.figures = AgentFigures()
        self.outbox: deque[tuple[Address, bytes]] = deque(maxlen=DATAGRAMS_QUEUED_MAX)
        self.on_probe: Callable[[ProbeOrder], None] = _nobody
        self.on_view: Callable[[View], None] = _nobody
        self.on_outbox: Callable[[], None] = lambda: None
        self.before_tick: Callable[[], None] = lambda: None
        self._wake = trio.Event()

    def do(self, effects: Effects) -> None:
        """Carry out what an input called for."""
        for event in effects.events:
            self.figures.events[event.kind] += 1
            _log(event)
        if effects.view is not None:
            self.on_view(effects.view)
        for order in effects.probes:
            self.on_probe(order)
        if effects.datagrams:
            self.outbox += effects.datagrams
            self.on_outbox()
        self._wake.set()

    async def keep_time(self) -> None:
        """Call the plane's `tick` when its deadline comes, for ever."""
        while True:
            delay_s = self.plane.next_deadline() - monotonic()
            if delay_s > 0:
                self._wake = trio.Event()
                with trio.move_on_after(delay_s):
                    await self._wake.wait()
                    continue
            else:
                await trio.lowlevel.checkpoint()
            self.before_tick()
            self.do(self.plane.tick(monotonic()))


def _nobody(_: object) -> None:
    """Nobody listens yet."""


def _log(event: Event) -> None:
    level = "warning" if event.kind is EventKind.RELOAD and event.change == "refused" else "info"
    getattr(log, level)(event.kind.value, subject=event.subject, change=event.change, reason=event.reason)
