"""Supervision, decided: which child to start, link, kill or drain, and when. Pure: time is an argument.

Events come in as method calls; what is to be done accumulates and is fetched with `take`. A node goes through

    running -> leaving (agent says goodbye, forwarders serve on) -> draining (they finish) -> stopping (agent exits)
    -> ended

and from any of them to `ending`, when all children are killed. Only a running node starts children.
"""

import signal
from collections.abc import Iterator, Mapping
from enum import Enum

from lbmesh.control.processes import (
    AGENT_SLOT,
    NAMESERVER_SLOT,
    ControlMessage,
    Drain,
    Drained,
    KeysChanged,
    LameDuck,
    Leave,
    Left,
    Ready,
    Reloaded,
    tick_slot,
)
from lbmesh.sentinel.children import Child, how_it_ended, restart_delay_s
from lbmesh.sentinel.decisions import (
    CloseChannel,
    CloseListeners,
    Decision,
    End,
    ExitCode,
    Kill,
    Log,
    LogField,
    MakeLink,
    Notify,
    Send,
    Start,
    child_name,
)
from lbmesh.sentinel.limits import (
    DRAIN_MARGIN_S,
    EXIT_S,
    LAST_FORWARDER_DELAY_S,
    LEAVE_S,
    SAME_SIGNAL_S,
    STABLE_S,
    STALL_GRACE_S,
    STALL_S,
    START_FAILURES_MAX,
)
from lbmesh.sentinel.reloads import Reloads


class Phase(Enum):
    """Where the node stands."""

    RUNNING = "running"
    LEAVING = "leaving"
    DRAINING = "draining"
    STOPPING = "stopping"
    ENDING = "ending"
    ENDED = "ended"


class Supervisor:
    """One node's supervision."""

    def __init__(
        self,
        workers: int,
        drain_timeout_s: float,
        lame_duck_s: float,
        now_s: float,
        *,
        with_nameserver: bool = False,
    ) -> None:
        self._agent = Child(AGENT_SLOT, now_s)
        self._forwarders = [Child(tick_slot(worker), now_s) for worker in range(workers)]
        self._nameservers = [Child(NAMESERVER_SLOT, now_s)] if with_nameserver else []
        self._drain_timeout_s = drain_timeout_s
        self._lame_duck_s = lame_duck_s
        self._lame_duck_until_s = now_s
        self._decisions: list[Decision] = []
        self._ticked_s = now_s
        self._judge_after_s = now_s
        self._phase_until_s = now_s
        self._generation = 0
        self._exit_code: int = ExitCode.DRAINED
        self._was_ready = False
        self._told_to_end = (0, now_s)
        self._reloads = Reloads()
        self.phase = Phase.RUNNING

    def take(self) -> list[Decision]:
        """What is to be done now, in order."""
        decisions, self._decisions = self._decisions, []
        return decisions

    def watchdog_may_be_fed(self, now_s: float) -> bool:
        """False when a killed child does not go away: only a restart of the whole service can help."""
        return not any(child.is_stuck(now_s) for child in self._children())

    # Events from the children

    def started(self, slot: int, pid: int, now_s: float) -> None:
        """The child was started as this process: link it with those at the other side."""
        child = self._child(slot)
        child.pid, child.starting, child.started_s = pid, False, now_s
        self._log("info", "child started", child, pid=pid, generation=self._generation)
        for linked in (*self._forwarders, *self._nameservers) if child is self._agent else (child,):
            if linked.pid is not None and self._agent.pid is not None:
                self._decide(MakeLink(linked.slot, self._generation))

    def start_failed(self, slot: int, problem: str, now_s: float) -> None:
        """The operating system refused to start the child."""
        child = self._child(slot)
        child.starting = False
        self._log("error", "child cannot be started", child, problem=problem)
        self._restart_later(child, f"could not be started: {problem}", now_s)

    def received(self, slot: int, message: ControlMessage, now_s: float) -> None:
        """A control message came from the child."""
        child = self._child(slot)
        match message:
            case Ready():
                child.ready_s = now_s
                self._log("info", "child ready", child, after_s=round(now_s - child.started_s, 3))
                self._notify_ready()
                if child is self._agent and self.phase is Phase.RUNNING:
                    self._decide(*self._reloads.begin(agent_ready=True))
            case Reloaded(ok, errors):
                self._decide(*self._reloads.answered(ok, errors, node_ready=self._was_ready))
            case KeysChanged():
                self._log("info", "the key ring changed", child)
            case Left():
                # One that comes too late changes nothing: the agent stays, to answer until the drain is over.
                if self.phase is Phase.LEAVING:
                    self._phase_until_s = now_s
                    self._go_on(now_s)
            case Drained():
                child.owes_drain, child.exit_by_s = False, now_s + EXIT_S
            case _:
                self._log("warning", "unexpected control message", child, message=repr(message))

    def hung_up(self, slot: int, now_s: float) -> None:
        """The child's end of the control channel is closed or clogged: it exits now, or is made to."""
        child = self._child(slot)
        if child.pid is not None and child.exit_by_s is None:
            child.exit_by_s = now_s + EXIT_S

    def exited(self, slot: int, return_code: int, now_s: float) -> None:
        """The child was reaped. `return_code`: its exit status, or minus the signal that killed it."""
        child = self._child(slot)
        expected = self.phase is not Phase.RUNNING
        self._log(
            "info" if expected else "error", "child ended", child, ended=how_it_ended(return_code), pid=child.pid or 0
        )
        was_ready_s = None if child.ready_s is None else now_s - child.ready_s
        child.pid = child.ready_s = child.exit_by_s = child.killed_s = None
        if child is self._agent:
            self._decide(*self._reloads.agent_died(node_ready=self._was_ready))
        if expected:
            self._go_on(now_s)
            return
        if was_ready_s is not None and was_ready_s >= STABLE_S:
            child.failures = 0
        self._restart_later(child, how_it_ended(return_code), now_s)

    # Events from outside

    def reload(self, now_s: float) -> None:
        """The operator asks for the configuration to be read again."""
        if self.phase is Phase.RUNNING:
            agent_ready = self._agent.ready_s is not None
            self._decide(*self._reloads.ask(now_s, agent_ready=agent_ready, node_ready=self._was_ready))

    def terminate(self, signal_number: int, now_s: float) -> None:
        """The operator ends the node: the first time with a drain, the second time at once."""
        name = signal.Signals(signal_number).name
        if self.phase is not Phase.RUNNING:
            first, told_s = self._told_to_end
            if signal_number == first and now_s - told_s < SAME_SIGNAL_S:
                return
            self._decide(Log("warning", "ending at once", {"signal": name}))
            self._end_all(128 + signal_number, now_s)
            return
        self._decide(Log("info", "leaving", {"signal": name, "drain_timeout_s": self._drain_timeout_s}))
        self._decide(Notify(("STOPPING=1", "STATUS=leaving the mesh")))
        self.phase, self._phase_until_s = Phase.LEAVING, now_s + LEAVE_S
        self._lame_duck_until_s = now_s + self._lame_duck_s
        self._told_to_end = (signal_number, now_s)
        for forwarder in self._forwarders:
            forwarder.owes_drain = forwarder.pid is not None
            if forwarder.pid is not None:
                self._decide(Send(forwarder.slot, LameDuck()))
        if self._agent.pid is not None:
            self._decide(Send(AGENT_SLOT, Leave()))
        self._go_on(now_s)

    def tick(self, now_s: float, ages_s: Mapping[int, float | None]) -> None:
        """Time passes. `ages_s`: by slot, how old the child's tick is; None when it never ticked."""
        if now_s - self._ticked_s > STALL_S:
            self._judge_after_s = now_s + STALL_GRACE_S
            self._decide(Log("warning", "the sentinel stood still", {"for_s": round(now_s - self._ticked_s, 3)}))
        self._ticked_s = now_s
        for child in self._children():
            if child.pid is None or child.killed_s is not None:
                continue
            if child.exit_by_s is not None and now_s >= child.exit_by_s:
                self._kill(child, "did not exit", now_s)
            elif now_s >= self._judge_after_s and child.is_hung(ages_s.get(child.slot), now_s):
                self._kill(child, "hangs", now_s)
        if self.phase is Phase.RUNNING:
            self._start_one(now_s)
        else:
            self._go_on(now_s)

    # Starting and restarting

    def _start_one(self, now_s: float) -> None:
        """One a tick, because each costs the sentinel about a millisecond in which it does nothing else."""
        for child in self._children():
            if child.pid is None and not child.starting and now_s >= child.due_s:
                # The old agent is reaped, or this would not be reached: two never publish at the same time.
                self._generation += child is self._agent
                child.starting = True
                self._decide(Start(child.slot, self._generation))
                return

    def _restart_later(self, child: Child, ended: str, now_s: float) -> None:
        child.failures += 1
        if not self._was_ready and child.failures >= START_FAILURES_MAX:
            self._log(
                "error",
                "giving up: a child cannot start",
                child,
                ended=ended,
                hint="its own message, if it had one, stands above; if not, the installation is broken: "
                "reinstall lbmesh, and check that this Python can import it and what it depends on",
            )
            self._end_all(ExitCode.CHILD_CANNOT_START, now_s)
            return
        child.due_s = now_s + restart_delay_s(child.failures)
        if all(forwarder.pid is None for forwarder in self._forwarders):
            for forwarder in self._forwarders:
                forwarder.due_s = min(forwarder.due_s, now_s + LAST_FORWARDER_DELAY_S)
        self._notify_status()

    def _kill(self, child: Child, reason: str, now_s: float) -> None:
        child.killed_s = now_s
        self._log("error", "killing child", child, reason=reason, pid=child.pid or 0)
        self._decide(Kill(child.slot))

    # Leaving

    def _go_on(self, now_s: float) -> None:
        """Take the next step of leaving as soon as nothing is left to wait for, or its time is up."""
        has_left = now_s >= self._phase_until_s or self._agent.pid is None
        if self.phase is Phase.LEAVING and has_left and now_s >= self._lame_duck_until_s:
            self._drain(now_s)
        if self.phase is Phase.DRAINING:
            for forwarder in self._forwarders:
                if now_s >= self._phase_until_s and forwarder.pid is not None and forwarder.killed_s is None:
                    self._kill(forwarder, "did not drain in time", now_s)
            if all(forwarder.is_gone(now_s) for forwarder in self._forwarders):
                if any(forwarder.owes_drain for forwarder in self._forwarders):
                    self._exit_code = ExitCode.NOT_DRAINED
                self.phase = Phase.STOPPING
                # The nameserver has told resolvers of the other nodes until now.
                for child in (self._agent, *self._nameservers):
                    child.exit_by_s = now_s + EXIT_S
                    self._decide(CloseChannel(child.slot))
        is_last_phase = self.phase in (Phase.STOPPING, Phase.ENDING)
        if is_last_phase and all(child.is_gone(now_s) for child in self._children()):
            self.phase = Phase.ENDED
            self._decide(End(self._exit_code))

    def _drain(self, now_s: float) -> None:
        self.phase, self._phase_until_s = Phase.DRAINING, now_s + self._drain_timeout_s + DRAIN_MARGIN_S
        self._decide(Notify((f"STATUS=draining for at most {self._drain_timeout_s:g} s",)), CloseListeners())
        for forwarder in self._forwarders:
            if forwarder.pid is not None:
                self._decide(Send(forwarder.slot, Drain(self._drain_timeout_s)))

    def _end_all(self, code: int, now_s: float) -> None:
        self.phase, self._exit_code = Phase.ENDING, code
        self._decide(Notify(("STOPPING=1",)))
        for child in self._children():
            if child.pid is not None and child.killed_s is None:
                self._kill(child, "the node ends at once", now_s)
        self._go_on(now_s)

    # Saying so

    def _notify_ready(self) -> None:
        if not self._was_ready and all(child.ready_s is not None for child in self._children()):
            self._was_ready = True
            self._decide(Log("info", "node ready", {"generation": self._generation}), Notify(("READY=1",)))
        self._notify_status()

    def _notify_status(self) -> None:
        agent = "ready" if self._agent.ready_s is not None else "not ready"
        ready = sum(forwarder.ready_s is not None for forwarder in self._forwarders)
        self._decide(Notify((f"STATUS=agent {agent}, {ready} of {len(self._forwarders)} forwarders ready",)))

    def _log(self, level: str, event: str, child: Child, **fields: LogField) -> None:
        self._decide(Log(level, event, {"child": child_name(child.slot), **fields}))

    def _decide(self, *decisions: Decision) -> None:
        self._decisions += decisions

    def _children(self) -> Iterator[Child]:
        yield self._agent
        yield from self._forwarders
        yield from self._nameservers

    def _child(self, slot: int) -> Child:
        return next(child for child in self._children() if child.slot == slot)
