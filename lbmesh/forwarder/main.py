"""The forwarder process: puts the reactor and its trio tasks together, starts and drains."""

import heapq
import random
import resource
import secrets
import socket
import time
from collections.abc import Iterator
from time import monotonic

import structlog
import trio

from lbmesh.control.processes import AgentLink, Drain, Drained, ForwarderOptions, LameDuck, Ready, tick_slot
from lbmesh.forwarder.acceptor import Listener
from lbmesh.forwarder.agent_link import AgentLinkClient
from lbmesh.forwarder.client import ClientConnection
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.mirror import MirroredRequest
from lbmesh.forwarder.proxied_arrival import ProxiedArrival
from lbmesh.forwarder.reactor_task import run_reactor
from lbmesh.forwarder.slices import Slices
from lbmesh.forwarder.timers import TICK_S
from lbmesh.model.limits import LISTEN_BACKLOG, SHED_SHARE, SHED_WAIT_MIN_S
from lbmesh.observe import garbage
from lbmesh.observe.access_log import AccessLog
from lbmesh.observe.child import ControlChannel
from lbmesh.observe.ticks import TickBoard

DRAIN_GRACE_S = 1.0
"""When draining, an idle connection may still bring one request this long: its answer then says "Connection: close"."""

DRAIN_SETTLE_S = 0.25
"""Between the sentinel's last SYN and the end of the listeners: handshakes over a round trip so long are finished."""

DRAIN_LOOK_S = 0.05
DRAINS_BEFORE_TIMERS = 20
"""Turns the reactor gets before deadlines are judged; one is enough unless the process stood still."""

SECOND_S = 1.0


log = structlog.get_logger(__name__)


class Forwarder:
    """The process's tasks around one Engine."""

    def __init__(self, options: ForwarderOptions) -> None:
        self._options = options
        self._access_log = AccessLog(options.access_log)
        self._engine = Engine(
            access_log=self._access_log,
            random=random.Random(secrets.randbits(64)).random,
            id_prefix=secrets.token_hex(8).encode(),
            wall_clock=time.time,
        )
        self._listeners = tuple(
            Listener(self._engine, socket.socket(fileno=descriptor), number)
            for number, descriptor in enumerate(options.listen_fds)
        )
        self._engine.overload.watch(self._listeners)
        self._ticks = TickBoard(options.ticks_fd)
        self._control = ControlChannel(options.control_fd)
        self._served_once = trio.Event()

    async def run(self) -> None:
        """Serve until drained or until the sentinel is gone."""
        link = AgentLinkClient(self._engine, self._options.worker, self._on_view)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._access_log.run)
            nursery.start_soon(run_reactor, self._engine.reactor)
            nursery.start_soon(self._engine.hedges.run, self._engine.reactor)
            nursery.start_soon(self._keep_time)
            nursery.start_soon(self._keep_seconds)
            nursery.start_soon(self._announce)
            await self._obey(link, nursery)
            nursery.cancel_scope.cancel()

    def _on_view(self) -> None:
        for listener in self._listeners:
            listener.open()
            listener.resume()
        self._served_once.set()

    async def _announce(self) -> None:
        await self._served_once.wait()
        await self._control.send(Ready())

    async def _obey(self, link: AgentLinkClient, nursery: trio.Nursery) -> None:
        """Do what the sentinel says, until it says drain (and that is done) or ends."""
        link_scope = trio.CancelScope()
        while True:
            received = await self._control.receive()
            if received is None:
                return
            message, descriptors = received
            match message:
                case AgentLink():
                    link_scope.cancel()
                    link_scope = trio.CancelScope()
                    stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptors[0])))
                    nursery.start_soon(_serve_within, link_scope, link, stream)
                case LameDuck():
                    self._engine.draining = True
                case Drain(timeout_s=timeout_s):
                    await self._drain(timeout_s)
                    await self._control.send(Drained())
                    return
                case _:
                    log.warning("a control message that is not for a forwarder", message=type(message).__name__)

    async def _keep_time(self) -> None:
        """Deadlines, and the tick stamp."""
        engine = self._engine
        slot = tick_slot(self._options.worker)
        while True:
            self._ticks.stamp(slot)
            await trio.sleep(TICK_S)
            self._settle_before_judging()
            now = monotonic()
            engine.overload.step(now)
            for timed in engine.wheel.expired(now):
                assert isinstance(timed, ClientConnection | ProxiedArrival | MirroredRequest)
                if not timed.closed:
                    engine.reactor.step_now(timed, timed.on_deadline)

    async def _keep_seconds(self) -> None:
        """Once a second what is due then: in slices, as 10,000 replicas take a while, and no deadline waits for it."""
        engine = self._engine
        while True:
            await trio.sleep(SECOND_S)
            now = monotonic()
            self._make_room(now)
            for listener in self._listeners:
                listener.resume()
            async for _ in Slices(engine.tick(now)):
                pass

    def _make_room(self, now: float) -> None:
        """Full, no client gets in until another leaves: those that wait longest for a head are ended, as nginx does it,
        so that idle connections keep nobody out.
        """
        serving = self._engine.serving
        if serving is None or self._engine.counters.connections < serving.limits.connections_max:
            return
        waiting = [
            (since, id(each), each) for each in self._connections() if (since := each.waiting_since()) is not None
        ]
        longest = heapq.nsmallest(1 + serving.limits.connections_max // SHED_SHARE, waiting)
        ended = [each for since, _, each in longest if now - since >= SHED_WAIT_MIN_S]
        for each in ended:
            self._engine.reactor.step_now(each, each.shed)
        log.warning("full: connections that waited for a request were ended", ended=len(ended), waiting=len(waiting))

    def _settle_before_judging(self) -> None:
        """After a stall, what has arrived meanwhile is read before any deadline is held against anybody."""
        for _ in range(DRAINS_BEFORE_TIMERS):
            if self._engine.reactor.drain():
                return

    async def _drain(self, timeout_s: float) -> None:
        engine = self._engine
        engine.draining = True
        began = monotonic()
        await trio.sleep(min(DRAIN_SETTLE_S, timeout_s / 4))
        engine.overload.watch(())
        for listener in self._listeners:
            listener.take(LISTEN_BACKLOG)
            listener.close()
        grace_ends = began + min(DRAIN_GRACE_S, timeout_s / 2)
        while engine.counters.connections and monotonic() - began < timeout_s:
            await trio.sleep(DRAIN_LOOK_S)
            if monotonic() >= grace_ends:
                self._settle_before_judging()
                for connection in self._connections():
                    engine.reactor.step_now(connection, connection.close_when_idle)
        if engine.counters.connections:
            log.warning("the drain timed out", connections=engine.counters.connections, timeout_s=timeout_s)
            for connection in self._connections():
                engine.reactor.step_now(connection, connection.cut_off)

    def _connections(self) -> Iterator[ClientConnection | ProxiedArrival]:
        everything = self._engine.wheel.everything()
        return (timed for timed in everything if isinstance(timed, ClientConnection | ProxiedArrival))


async def _serve_within(scope: trio.CancelScope, link: AgentLinkClient, stream: trio.SocketStream) -> None:
    with scope:
        await link.serve(stream)


def run(options: ForwarderOptions) -> int:
    """The forwarder's main function: ends when drained or when the sentinel has gone. Returns the exit status."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    forwarder = Forwarder(options)
    garbage.begin()
    trio.run(forwarder.run)
    return 0
