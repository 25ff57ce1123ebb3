"""The hub: the one place where inputs reach the plane and its effects are carried out.

All tasks of the agent run on one thread and call `do` without awaiting, so the plane sees one input at a time.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from time import monotonic

import trio

from lbmesh.agent.event_log import EventLog
from lbmesh.agent.limits import DATAGRAMS_QUEUED_MAX
from lbmesh.control.inputs import Effects
from lbmesh.control.plane import Plane
from lbmesh.failover.orders import Order
from lbmesh.failover.words import Partner
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.dns import DnsPicture
from lbmesh.model.view import View
from lbmesh.observe.agent_metrics import AgentFigures


class Hub:
    """Holds the plane. The parts that carry effects out set their hooks; until then nothing happens there.

    `on_probe` gets each probe that is due, `on_view` each new View, `on_dns` each new picture for the nameserver,
    `on_partners` each new table of partners, `on_keys` each new key ring, `on_stream` each address to open a gossip
    stream to, `on_order` each order for the driver of a front. `on_outbox` is told that datagrams wait in `outbox`, and
    `before_tick` that a deadline has come but is not judged yet; it says whether all that has arrived is taken.
    """

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.figures = AgentFigures()
        self._log = EventLog()
        self.outbox: deque[tuple[Address, bytes]] = deque(maxlen=DATAGRAMS_QUEUED_MAX)
        self.on_probe: Callable[[ProbeOrder], None] = lambda _: None
        self.on_view: Callable[[View], None] = lambda _: None
        self.on_dns: Callable[[DnsPicture], None] = lambda _: None
        self.on_outbox: Callable[[], None] = lambda: None
        self.on_partners: Callable[[tuple[Partner, ...]], None] = lambda _: None
        self.on_stream: Callable[[Address], None] = lambda _: None
        self.on_order: Callable[[Order], None] = lambda _: None
        self.on_keys: Callable[[tuple[bytes, ...]], None] = lambda _: None
        self.before_tick: Callable[[], bool] = lambda: True
        self._alarm: trio.CancelScope | None = None
        self._awaited: Callable[[], bool] = lambda: False
        self._happened = trio.Event()

    def do(self, effects: Effects) -> None:
        """Carry out what an input called for."""
        for event in effects.events:
            self.figures.count(event)
            self._log.write(event, monotonic())
        if effects.view is not None:
            self.on_view(effects.view)
        for order in effects.probes:
            self.on_probe(order)
        if effects.partners is not None:
            self.on_partners(effects.partners)
        for front_order in effects.orders:
            self.on_order(front_order)
        for address in effects.streams:
            self.on_stream(address)
        if effects.keys_to_store is not None:
            self.on_keys(effects.keys_to_store)
        if effects.dns is not None:
            self.on_dns(effects.dns)
        if effects.datagrams:
            self.outbox += effects.datagrams
            self.on_outbox()
        if self._alarm is not None:
            self._alarm.deadline = self._deadline()
        if self._awaited():
            self._happened.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at after each input. For one task at a time."""
        self._happened, self._awaited = trio.Event(), condition
        try:
            if not condition():
                await self._happened.wait()
        finally:
            self._awaited = lambda: False

    async def keep_time(self) -> None:
        """Call the plane's `tick` when its deadline comes, for ever. An input moves the alarm, and wakes nobody."""
        while True:
            with trio.CancelScope(deadline=self._deadline()) as self._alarm:
                await trio.sleep_forever()
            self._alarm = None
            drained = self.before_tick()
            self.do(self.plane.tick(monotonic(), drained=drained))

    def _deadline(self) -> float:
        """The plane's deadline in trio's time."""
        deadline_s = self.plane.next_deadline()
        return deadline_s if abs(deadline_s) == inf else trio.current_time() + deadline_s - monotonic()
