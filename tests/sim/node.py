"""One simulated node: its process, its kernel's socket, and the loop that drains, ticks and sleeps."""

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from random import Random
from typing import Protocol

from lbmesh.control.inputs import ProbeResult
from lbmesh.gossip.core import Gossip
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.member import MemberState
from lbmesh.model.view import View
from tests.sim.clock import NodeClock
from tests.sim.cores import Core, Step
from tests.sim.events import Events
from tests.sim.network import Network

SOCKET_DATAGRAMS_MAX = 256
"""What a paused node's kernel keeps for it; what comes after that is dropped."""


class Host(Protocol):
    """The world, as a node needs it."""

    events: Events
    network: Network

    def noted(self, node: "Node", step: Step) -> None:
        """Something was done on the node."""

    def answer(self, node: "Node", order: ProbeOrder) -> tuple[float, ProbeResult]:
        """How a probe that starts now ends, and after how many seconds."""


class Node:
    """`boots`: its persisted boot counter; `generation`: agents since its start; `runs`: agents ever. `lag_s`: its
    loop comes round up to this much late. `believes`: what it holds each member for. `view`: the newest its
    forwarders serve from.
    """

    def __init__(self, host: Host, name: str, zone: str, address: Address, clock: NodeClock, rng: Random) -> None:
        self.name = name
        self.zone = zone
        self.address = address
        self.clock = clock
        self.core: Core | None = None
        self.paused = False
        self.boots = 0
        self.generation = 0
        self.runs = 0
        self.lag_s = 0.0
        self.believes: dict[str, MemberState] = {}
        self.view: View | None = None
        self._host = host
        self._rng = rng
        self._socket: deque[tuple[Address, bytes]] = deque()
        self._late: list[Callable[[], None]] = []
        self._round_due = False
        self._deadline_s = inf
        self._wakes_at_s = inf
        self._last_s = -inf

    @property
    def gossip(self) -> Gossip | None:
        """The gossip core, while the node runs."""
        return self.core.gossip if self.core else None

    @property
    def is_up(self) -> bool:
        """True while its process runs and is not stopped."""
        return self.core is not None and not self.paused

    def now_s(self) -> float:
        """What this node's clock shows. It never goes back."""
        self._last_s = max(self._last_s, self.clock.local_s(self._host.events.now))
        return self._last_s

    # Its process.

    def run(self, core: Core) -> None:
        """The process begins."""
        self.core = core
        self.runs += 1
        self.paused = False
        self._forget()
        self.believes.clear()
        self._done(core.start(self.now_s()))
        self._schedule()

    def die(self) -> None:
        """The process is gone, and its socket with it."""
        self.core = None
        self._forget()

    def _forget(self) -> None:
        self._socket.clear()
        self._late.clear()
        self._round_due = False
        self._wakes_at_s = self._deadline_s = inf

    def leave(self) -> None:
        """Say goodbye, and end."""
        assert self.core is not None
        self._done(self.core.leave(self.now_s()))
        self.die()

    def thaw(self) -> None:
        """Go on: what has arrived first, then what was due."""
        self.paused = False
        late, self._late = self._late, []
        self._round()
        for event in late:
            event()

    # Its loop.

    def wake(self) -> None:
        """Something came from within the node: its deadline may have moved."""
        if self.core is not None and not self.paused:
            self._schedule()

    def inform(self, ask: Callable[[Core, float], Step]) -> None:
        """Something comes from within the node: a driver's outcome, or the sentinel's word."""
        if self.core is None:
            return
        if self.paused:
            self._late.append(partial(self.inform, ask))
            return
        self._done(ask(self.core, self.now_s()))
        self._schedule()

    def arrive(self, source: Address, datagram: bytes) -> None:
        """A datagram reaches the socket, if there is one and it has room."""
        if self.core is None or len(self._socket) >= SOCKET_DATAGRAMS_MAX:
            return
        self._socket.append((source, datagram))
        self._stir()

    def _due(self, wakes_at_s: float) -> None:
        if self._wakes_at_s == wakes_at_s:
            self._stir()

    def _stir(self) -> None:
        """There is something to do: now, or when the loop comes round."""
        if self.core is None or self.paused or self._round_due:
            return
        if self.lag_s == 0:
            self._round()
            return
        self._round_due = True
        events, core = self._host.events, self.core
        events.at(events.now + self._rng.random() * self.lag_s, lambda: self._late_round(core))

    def _late_round(self, core: Core) -> None:
        if self.core is core:
            self._round_due = False
            self._round()

    def _round(self) -> None:
        """Drain the socket, then judge what is due."""
        if self.core is None or self.paused:
            return
        while self._socket:
            source, datagram = self._socket.popleft()
            self._done(self.core.receive(self.now_s(), source, datagram))
        if self._host.events.now >= self._wakes_at_s:
            self._last_s = max(self._last_s, self._deadline_s if self._deadline_s < inf else -inf)
            self._wakes_at_s = inf
            self._done(self.core.tick(self.now_s()))
        self._schedule()

    def _schedule(self) -> None:
        """Sleep until the deadline."""
        if self.core is None:
            return
        deadline_s = self.core.next_deadline()
        if deadline_s == inf:
            self._wakes_at_s = inf
            return
        events = self._host.events
        wakes_at_s = events.now if deadline_s <= self.now_s() else max(events.now, self.clock.world_s(deadline_s))
        self._deadline_s = deadline_s
        if wakes_at_s != self._wakes_at_s or wakes_at_s == events.now:
            self._wakes_at_s = wakes_at_s
            events.at(wakes_at_s, partial(self._due, wakes_at_s))

    def _done(self, step: Step) -> None:
        host, core = self._host, self.core
        assert core is not None
        for change in step.changes:
            self.believes[change.name] = change.after
        if step.view is not None:
            self.view = step.view
        host.noted(self, step)
        for address, datagram in step.datagrams:
            if not host.network.send(self, address, datagram):
                core.send_failed(self.now_s(), address)
        for order in step.probes:
            after_s, result = host.answer(self, order)
            ended = partial(self._probe_ended, core, order, result, self.now_s())
            host.events.at(host.events.now + after_s, ended)

    def _probe_ended(self, core: Core, order: ProbeOrder, result: ProbeResult, started_s: float) -> None:
        if self.core is not core:
            return
        if self.paused:
            self._late.append(partial(self._probe_ended, core, order, result, started_s))
            return
        if self.now_s() > started_s + order.check.timeout_s * 1.5:
            result = ProbeResult(False, f"no answer within {order.check.timeout_s:g}s")
        self._done(core.probe_finished(self.now_s(), order.replica, result))
        self._schedule()
