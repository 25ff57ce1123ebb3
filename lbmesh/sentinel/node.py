"""The sentinel's shell: one selector loop that feeds the supervisor and does what it decides."""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import assert_never

from lbmesh.config.handover import settings_to_memory
from lbmesh.config.settings import Settings
from lbmesh.control import processes
from lbmesh.control.processes import (
    AGENT_SLOT,
    NAMESERVER_SLOT,
    AgentLink,
    AgentOptions,
    ControlMessage,
    EndLease,
    ExtendLease,
    ForwarderLink,
    ForwarderOptions,
    HoldLease,
    KeysChanged,
    NameserverLink,
    NameserverOptions,
    Partners,
    Reloaded,
    tick_slot,
)
from lbmesh.failover.datagram import SESSION_BYTES
from lbmesh.failover.pulse import Pulse
from lbmesh.failover.words import Vitals
from lbmesh.observe.ticks import TickBoard
from lbmesh.sentinel.capabilities import without_network_capabilities
from lbmesh.sentinel.closing import close_listeners
from lbmesh.sentinel.commands import ChildCommands
from lbmesh.sentinel.decisions import (
    CloseChannel,
    CloseListeners,
    Decision,
    End,
    Kill,
    Log,
    MakeLink,
    Notify,
    Send,
    Start,
    child_name,
)
from lbmesh.sentinel.heartbeat import HeartbeatShell
from lbmesh.sentinel.leases import Leases
from lbmesh.sentinel.limits import PERIOD_S
from lbmesh.sentinel.log import LogWriter
from lbmesh.sentinel.notify import ServiceManager
from lbmesh.sentinel.process import ChildProcess
from lbmesh.sentinel.sockets import NodeSockets
from lbmesh.sentinel.supervisor import Phase, Supervisor

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

_Launch = tuple[Callable[[int], Sequence[str]], Sequence[int]]
"""From the control channel's descriptor to a command line; and what else that child inherits."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a node is made from. `environment` is the children's."""

    settings: Settings
    config_file: Path
    boot_epoch: int
    commands: ChildCommands
    environment: Mapping[str, str]


class Node:
    """One running node."""

    def __init__(self, plan: Plan, sockets: NodeSockets, manager: ServiceManager, log: LogWriter) -> None:
        self._plan = plan
        self._sockets = sockets
        self._manager = manager
        self._log = log
        self._ticks = TickBoard.create()
        self._settings_fd = settings_to_memory(plan.settings)
        self._children: dict[int, ChildProcess] = {}
        self._selector = selectors.DefaultSelector()
        node = plan.settings.node
        self._supervisor = Supervisor(
            plan.settings.workers,
            node.drain_timeout_s,
            node.lame_duck_s,
            now_s=time.monotonic(),
            with_nameserver=plan.settings.dns is not None,
        )
        self._fed_s = time.monotonic()
        self._look_s = time.monotonic()
        self._pulse = Pulse(plan.settings.workers)
        self._heartbeat = self._make_heartbeat()
        self._leases = Leases(
            tell_agent=lambda message: self._send(AGENT_SLOT, message),
            hangs=lambda now_s: self._vitals(now_s).hangs,
            log=log,
        )
        self._give_up_capabilities = without_network_capabilities()
        self._exit_code: int | None = None

    def _make_heartbeat(self) -> HeartbeatShell | None:
        if self._sockets.heartbeat is None:
            return None
        return HeartbeatShell(
            self._sockets.heartbeat,
            os.urandom(SESSION_BYTES),
            self._selector,
            tell_agent=lambda message: self._send(AGENT_SLOT, message),
            vitals=self._vitals,
            log=self._log,
        )

    def _vitals(self, now_s: float) -> Vitals:
        return self._pulse.take(
            now_s,
            self._ticks.age_s(AGENT_SLOT),
            [self._ticks.age_s(tick_slot(worker)) for worker in range(self._plan.settings.workers)],
            leaving=self._supervisor.phase is not Phase.RUNNING,
            draining=self._supervisor.phase is Phase.DRAINING,
        )

    def run(self) -> int:
        """Run until told to end by a signal; the exit code."""
        wakeup, waker = socket.socketpair()
        self._selector.register(wakeup, selectors.EVENT_READ, lambda: self._take_signals(wakeup.recv(4096)))
        try:
            with _signals_wake(waker):
                while self._exit_code is None:
                    self._go_round()
            return self._exit_code
        finally:
            self._close()
            wakeup.close()
            waker.close()

    def _go_round(self) -> None:
        """Heartbeats come every few milliseconds; children are looked at when there is something, else periodically."""
        if self._perform():
            self._look_s = 0.0
        due_s = min(self._look_s, self._leases.next_deadline())
        if self._heartbeat is not None:
            due_s = min(due_s, self._heartbeat.next_deadline())
        for key, _ in self._selector.select(max(0.0, due_s - time.monotonic())):
            key.data()
        if self._heartbeat is not None:
            self._heartbeat.step()
        self._leases.step()
        now_s = time.monotonic()
        if now_s >= self._look_s:
            self._look_s = now_s + PERIOD_S
            self._look_after_children(now_s)

    def _look_after_children(self, now_s: float) -> None:
        self._reap()
        self._supervisor.tick(now_s, {slot: self._ticks.age_s(slot) for slot in self._children})
        self._feed_watchdog(now_s)

    def _take_signals(self, numbers: bytes) -> None:
        self._look_s = 0.0
        for number in numbers:
            if number == signal.SIGHUP:
                self._supervisor.reload(time.monotonic())
            elif number != signal.SIGCHLD:
                self._supervisor.terminate(number, time.monotonic())

    def _receive(self, slot: int) -> None:
        self._look_s = 0.0
        child = self._children[slot]
        channel = child.channel
        try:
            for message, descriptors in child.receive():
                self._keep(message, descriptors)
                self._obey(slot, message)
        except ValueError as error:
            self._log.error(
                "a child speaks another release's language: restart the node",
                child=child_name(slot),
                problem=str(error),
            )
        if channel is not None and child.channel is None:
            self._selector.unregister(channel)
            self._supervisor.hung_up(slot, time.monotonic())

    def _obey(self, slot: int, message: ControlMessage) -> None:
        match message:
            case Partners():
                if self._heartbeat is not None:
                    self._heartbeat.set_partners(message)
            case HoldLease():
                self._leases.hold(message)
            case ExtendLease():
                self._leases.extend(message)
            case EndLease():
                self._leases.end(message)
            case _:
                self._supervisor.received(slot, message, time.monotonic())

    def _keep(self, message: ControlMessage, descriptors: tuple[int, ...]) -> None:
        """The settings that a reload or a rotation brought into force are what the next agent starts from."""
        for descriptor in descriptors:
            if isinstance(message, KeysChanged) or (isinstance(message, Reloaded) and message.ok):
                descriptor, self._settings_fd = self._settings_fd, descriptor
            os.close(descriptor)

    def _reap(self) -> None:
        for slot, child in tuple(self._children.items()):
            return_code = child.reap()
            if return_code is None:
                continue
            self._receive(slot)
            self._close_channel(slot)
            del self._children[slot]
            self._ticks.clear(slot)
            self._supervisor.exited(slot, return_code, time.monotonic())

    def _feed_watchdog(self, now_s: float) -> None:
        every_s = self._manager.watchdog_s
        if every_s is None or now_s - self._fed_s < every_s - PERIOD_S:
            return
        if self._supervisor.watchdog_may_be_fed(now_s):
            self._fed_s = now_s
            self._manager.notify(("WATCHDOG=1",))

    # What the supervisor decides

    def _perform(self) -> bool:
        """Do what is decided, and what follows from that; False when there was nothing."""
        any_done = False
        while decisions := self._supervisor.take():
            any_done = True
            for decision in decisions:
                self._do(decision)
        return any_done

    def _do(self, decision: Decision) -> None:
        match decision:
            case Start():
                self._start(decision)
            case MakeLink():
                self._make_link(decision)
            case Send(slot, message):
                self._send(slot, message)
            case Kill(slot):
                self._children[slot].kill()
            case CloseChannel(slot):
                self._close_channel(slot)
            case CloseListeners():
                if problem := close_listeners(self._sockets.listeners, self._sockets.own):
                    said = "connections that begin while the listeners are closed may be reset"
                    self._log.write("warning", said, {"problem": problem})
            case Notify(assignments):
                self._manager.notify(assignments)
            case Log(level, event, fields):
                self._log.write(level, event, fields)
            case End(code):
                self._exit_code = code
            case _:
                assert_never(decision)

    def _start(self, start: Start) -> None:
        slot = start.slot
        command, descriptors = self._launch(start)
        inherited = (self._ticks.file_descriptor, *descriptors)
        before_exec = None if slot == AGENT_SLOT else self._give_up_capabilities
        try:
            child = ChildProcess.start(command, inherited, self._plan.environment, before_exec)
        except OSError as error:
            self._supervisor.start_failed(slot, str(error), time.monotonic())
            return
        self._children[slot] = child
        if child.channel is not None:
            self._selector.register(child.channel, selectors.EVENT_READ, lambda: self._receive(slot))
        self._supervisor.started(slot, child.pid, time.monotonic())

    def _launch(self, start: Start) -> _Launch:
        match start.slot:
            case processes.AGENT_SLOT:
                return self._agent(start.generation)
            case processes.NAMESERVER_SLOT:
                return self._nameserver()
            case _:
                return self._forwarder(start.slot - tick_slot(0))

    def _agent(self, generation: int) -> _Launch:
        admin, gossip = self._sockets.admin, self._sockets.gossip
        descriptors = [self._settings_fd, *(one.fileno() for one in (admin, gossip) if one)]
        return lambda control_fd: self._plan.commands.agent(
            AgentOptions(
                config_file=self._plan.config_file,
                control_fd=control_fd,
                ticks_fd=self._ticks.file_descriptor,
                settings_fd=self._settings_fd,
                generation=generation,
                boot_epoch=self._plan.boot_epoch,
                admin_fd=admin.fileno() if admin else None,
                gossip_fd=gossip.fileno() if gossip else None,
                heartbeat_port=self._heartbeat.port if self._heartbeat else None,
                heartbeat_session=self._heartbeat.session.hex() if self._heartbeat else "",
                log_level=self._plan.settings.log.level,
            )
        ), descriptors

    def _forwarder(self, worker: int) -> _Launch:
        descriptors = [listener.fileno() for listener in self._sockets.listeners]
        return lambda control_fd: self._plan.commands.forwarder(
            ForwarderOptions(
                worker=worker,
                control_fd=control_fd,
                ticks_fd=self._ticks.file_descriptor,
                listen_fds=tuple(descriptors),
                access_log=self._plan.settings.log.access,
                log_level=self._plan.settings.log.level,
            )
        ), descriptors

    def _nameserver(self) -> _Launch:
        udp, tcp = (
            tuple(one.fileno() for one in sockets) for sockets in (self._sockets.dns_udp, self._sockets.dns_tcp)
        )
        return lambda control_fd: self._plan.commands.nameserver(
            NameserverOptions(
                control_fd=control_fd,
                ticks_fd=self._ticks.file_descriptor,
                settings_fd=self._settings_fd,
                udp_fds=udp,
                tcp_fds=tcp,
                log_level=self._plan.settings.log.level,
            )
        ), (self._settings_fd, *udp, *tcp)

    def _make_link(self, link: MakeLink) -> None:
        pid = self._children[link.slot].pid
        is_nameserver = link.slot == NAMESERVER_SLOT
        message = NameserverLink(pid) if is_nameserver else ForwarderLink(link.slot - tick_slot(0), pid)
        agents, forwarders = socket.socketpair()
        with agents, forwarders:
            self._send(AGENT_SLOT, message, agents.fileno())
            self._send(link.slot, AgentLink(link.generation), forwarders.fileno())

    def _send(self, slot: int, message: ControlMessage, *descriptors: int) -> None:
        child = self._children.get(slot)
        if child is not None and not child.send(message, descriptors):
            self._supervisor.hung_up(slot, time.monotonic())

    def _close_channel(self, slot: int) -> None:
        child = self._children.get(slot)
        if child is not None and child.channel is not None:
            self._selector.unregister(child.channel)
            child.close_channel()

    def _close(self) -> None:
        """Leave nothing behind, however the loop ended."""
        for slot, child in self._children.items():
            child.kill()
            self._close_channel(slot)
        if self._heartbeat is not None:
            self._heartbeat.close()
        self._leases.close()
        sockets = self._sockets
        for one in (*sockets.listeners, *sockets.dns_udp, *sockets.dns_tcp):
            one.close()
        for each in (sockets.admin, sockets.gossip, sockets.heartbeat):
            if each is not None:
                each.close()
        self._selector.close()
        self._ticks.close()
        os.close(self._settings_fd)


@contextmanager
def _signals_wake(waker: socket.socket) -> Iterator[None]:
    """Have signals written to this socket as bytes, so that the loop takes them one after the other."""
    waker.setblocking(False)
    # More than fit are lost; a full buffer means that the loop has some to act on already.
    previous_fd = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    previous = {number: signal.signal(number, _noted) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_fd)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The wakeup descriptor carries the signal; without a handler Python would not write to it."""
