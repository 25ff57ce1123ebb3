"""The heartbeat's shell: its socket and its probes around the core, driven by the sentinel's loop."""

import selectors
import socket
import time
from collections.abc import Callable

from lbmesh.control.processes import ControlMessage, HeartbeatFigures, Partners
from lbmesh.failover.datagram import DATAGRAM_BYTES
from lbmesh.failover.heartbeats import Heartbeats
from lbmesh.failover.words import NO_PARTNER, Gone, Output, Vitals
from lbmesh.sentinel.decisions import LogField
from lbmesh.sentinel.front_probe import FrontProbes
from lbmesh.sentinel.limits import HEARTBEAT_FIGURES_S, HEARTBEATS_PER_ROUND, REJECTIONS_LOGGED_S
from lbmesh.sentinel.log import LogWriter


class HeartbeatShell:
    """`tell_agent` gets what the agent must know. `vitals`: how this node fares, asked at each step."""

    def __init__(
        self,
        udp: socket.socket,
        session: bytes,
        selector: selectors.BaseSelector,
        *,
        tell_agent: Callable[[ControlMessage], None],
        vitals: Callable[[float], Vitals],
        log: LogWriter,
    ) -> None:
        self.session = session
        self._socket = udp
        self._core = Heartbeats(session)
        self._probes = FrontProbes(selector, self._probe_ended)
        self._tell_agent = tell_agent
        self._vitals = vitals
        self._log = log
        self._told_s = time.monotonic()
        self._logged_s = float("-inf")
        self._logged_rejected = 0
        self._selector = selector
        self._is_attentive = False

    @property
    def port(self) -> int:
        """Where partners reach it."""
        port: int = self._socket.getsockname()[1]
        return port

    def set_partners(self, message: Partners) -> None:
        """The agent says with whom to exchange heartbeats."""
        self._do(self._core.set_partners(time.monotonic(), message.name, message.table))

    def step(self) -> None:
        """Take what has arrived, then do what is due. To be called in each round of the loop."""
        drained = self._drain()
        now_s = time.monotonic()
        self._probes.expire(now_s)
        self._do(self._core.tick(now_s, self._vitals(now_s), drained=drained))
        if now_s - self._told_s >= HEARTBEAT_FIGURES_S:
            self._told_s = now_s
            self._tell_agent(HeartbeatFigures(dict(self._core.counters)))
            self._log_rejected(now_s)

    def next_deadline(self) -> float:
        """When to call `step` at the latest, to be asked before each sleep. Tells the selector whether a datagram is to
        end the sleep.
        """
        attentive = self._core.is_attentive(time.monotonic())
        if attentive != self._is_attentive:
            self._is_attentive = attentive
            if attentive:
                self._selector.register(self._socket, selectors.EVENT_READ, _wake)
            else:
                self._selector.unregister(self._socket)
        return min(self._core.next_deadline(), self._probes.next_deadline())

    def close(self) -> None:
        """Give up the probes under way; the socket is closed with the others."""
        self._probes.close()

    def _drain(self) -> bool:
        """Take what has arrived; False when there is more than a round may take."""
        for _ in range(HEARTBEATS_PER_ROUND):
            try:
                datagram = self._socket.recv(DATAGRAM_BYTES + 1)
            except BlockingIOError:
                return True
            except ConnectionError:
                continue
            self._core.receive(time.monotonic(), datagram)
        return False

    def _do(self, output: Output) -> None:
        for address, datagram in output.datagrams:
            try:
                self._socket.sendto(datagram, (address.host, address.port))
            except OSError:
                self._core.counters["unsent"] += 1
        for word in output.words:
            is_gone = isinstance(word, Gone)
            if word.reason == NO_PARTNER:
                event = "a partner that was gone is none any more"
            else:
                self._core.counters["gone" if is_gone else "back"] += 1
                event = "a partner is gone" if is_gone else "a partner is back"
            fields: dict[str, LogField] = {"partner": word.name, "reason": word.reason, "for_s": round(word.for_s, 3)}
            self._log.write("warning" if is_gone else "info", event, fields)
            self._tell_agent(word)
        for probe in output.probes:
            self._core.counters["probes"] += 1
            self._probes.start(probe)

    def _probe_ended(self, number: int, alive: bool, how: str) -> None:
        self._core.probe_ended(number, alive=alive, detail=how)

    def _log_rejected(self, now_s: float) -> None:
        """A flood of datagrams must not become one of log lines. Those of an unknown session are in order: a partner
        that has just started, or has not yet heard that this node has.
        """
        rejected = {name: count for name, count in self._core.counters.items() if name.startswith("rejected_")}
        total = sum(count for name, count in rejected.items() if name != "rejected_unknown_session")
        if total > self._logged_rejected and now_s - self._logged_s >= REJECTIONS_LOGGED_S:
            self._logged_s, self._logged_rejected = now_s, total
            self._log.write("warning", "datagrams at the heartbeat's port changed nothing", {**rejected})


def _wake() -> None:
    """A datagram is here: the step that follows each sleep takes it."""
