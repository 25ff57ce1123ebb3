"""Supervision, decided: which child to start, link, kill or drain, and when. Pure: time is an argument.

Events come in as method calls; what is to be done accumulates and is fetched with `take`. A node goes through

    running -> leaving (agent says goodbye) -> draining (forwarders finish) -> stopping (agent exits) -> ended

and from any of them to `ending`, when all children are killed. Only a running node starts children.
"""

import signal
from collections.abc import Iterator, Mapping
from enum import Enum

from lbmesh.control.processes import (
    AGENT_SLOT,
    ControlMessage,
    Drain,
    Drained,
    Leave,
    Left,
    Ready,
    Reload,
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
    FIRST_TICK_S,
    HUNG_S,
    LEAVE_S,
    STABLE_S,
    STALL_GRACE_S,
    STALL_S,
    START_FAILURES_MAX,
    UNREAPED_S,
)


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

    def __init__(self, workers: int, drain_timeout_s: float, now_s: float) -> None:
        self._agent = Child(AGENT_SLOT, now_s)
        self._forwarders = [Child(tick_slot(worker), now_s) for worker in range(workers)]
        self._drain_timeout_s = drain_timeout_s
        self._decisions: list[Decision] = []
        self._ticked_s = now_s
        self._judge_after_s = now_s
        self._phase_until_s = now_s
        self._generation = 0
        self._exit_code: int = ExitCode.DRAINED
        self._was_ready = False
        self._reloading = False
        self._reload_again = False
        self.phase = Phase.RUNNING

    def take(self) -> list[Decision]:
        """What is to be done now, in order."""
        decisions, self._decisions = self._decisions, []
        return decisions

    def watchdog_may_be_fed(self, now_s: float) -> bool:
        """False when a killed child does not go away: only a restart of the whole service can help."""
        return not any(
            child.pid is not None and child.killed_s is not None and now_s - child.killed_s > UNREAPED_S
            for child in self._children()
        )

    # Events from the children

    def started(self, slot: int, pid: int, now_s: float) -> None:
        """The child was started as this process: link it with those at the other side."""
        child = self._child(slot)
        child.pid, child.starting, child.started_s = pid, False, now_s
        self._log("info", "child started", child, pid=pid, generation=self._generation)
        if self._agent.pid is None:
            return
        for forwarder in self._forwarders if child is self._agent else (child,):
            if forwarder.pid is not None:
                self._decide(MakeLink(forwarder.slot, self._generation))

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
            case Reloaded(ok, errors):
                self._reloaded(ok, errors, now_s)
            case Left():
                # One that comes too late changes nothing: the agent stays, to answer until the drain is over.
                if self.phase is Phase.LEAVING:
                    self._drain(now_s)
            case Drained():
                child.exit_by_s = now_s + EXIT_S
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
        level = "info" if expected else "error"
        self._log(level, "child ended", child, ended=how_it_ended(return_code), pid=child.pid or 0)
        was_ready_s = None if child.ready_s is None else now_s - child.ready_s
        child.pid = child.ready_s = child.exit_by_s = child.killed_s = None
        if child is self._agent and self._reloading:
            self._reloaded(False, ("the agent died while it reloaded",), now_s)
        if expected:
            self._go_on(now_s)
            return
        if was_ready_s is not None and was_ready_s >= STABLE_S:
            child.failures = 0
        self._restart_later(child, how_it_ended(return_code), now_s)

    # Events from outside

    def reload(self, now_s: float) -> None:
        """The operator asks for the configuration to be read again."""
        if self.phase is not Phase.RUNNING:
            return
        if self._reloading:
            self._reload_again = True
        elif self._agent.pid is None:
            self._decide(
                Log(
                    "warning",
                    "no agent to reload: send SIGHUP again when it is back",
                    {"agent": "restarting"},
                )
            )
        else:
            self._reloading = True
            self._decide(Send(AGENT_SLOT, Reload()))
            if self._was_ready:
                self._decide(Notify(("RELOADING=1", f"MONOTONIC_USEC={int(now_s * 1e6)}")))

    def terminate(self, signal_number: int, now_s: float) -> None:
        """The operator ends the node: the first time with a drain, the second time at once."""
        name = signal.Signals(signal_number).name
        if self.phase is not Phase.RUNNING:
            self._decide(Log("warning", "ending at once", {"signal": name}))
            self._end_all(128 + signal_number, now_s)
            return
        self._decide(Log("info", "leaving", {"signal": name, "drain_timeout_s": self._drain_timeout_s}))
        self._decide(Notify(("STOPPING=1", "STATUS=leaving the mesh")))
        self.phase, self._phase_until_s = Phase.LEAVING, now_s + LEAVE_S
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
            elif self._is_hung(child, ages_s.get(child.slot), now_s):
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
        self._notify_status()

    def _is_hung(self, child: Child, age_s: float | None, now_s: float) -> bool:
        if now_s < self._judge_after_s:
            return False
        return now_s - child.started_s > FIRST_TICK_S if age_s is None else age_s > HUNG_S

    def _kill(self, child: Child, reason: str, now_s: float) -> None:
        child.killed_s = now_s
        self._log("error", "killing child", child, reason=reason, pid=child.pid or 0)
        self._decide(Kill(child.slot))

    # Leaving

    def _go_on(self, now_s: float) -> None:
        """Take the next step of leaving as soon as nothing is left to wait for, or its time is up."""
        if self.phase is Phase.LEAVING and (now_s >= self._phase_until_s or self._agent.pid is None):
            self._drain(now_s)
        if self.phase is Phase.DRAINING:
            for forwarder in self._forwarders:
                if now_s >= self._phase_until_s and forwarder.pid is not None and forwarder.killed_s is None:
                    self._kill(forwarder, "did not drain in time", now_s)
            if all(forwarder.is_gone(now_s) for forwarder in self._forwarders):
                self.phase = Phase.STOPPING
                self._agent.exit_by_s = now_s + EXIT_S
                self._decide(CloseChannel(AGENT_SLOT))
        is_last_phase = self.phase in (Phase.STOPPING, Phase.ENDING)
        if is_last_phase and all(child.is_gone(now_s) for child in self._children()):
            self.phase = Phase.ENDED
            self._decide(End(self._exit_code))

    def _drain(self, now_s: float) -> None:
        self.phase, self._phase_until_s = Phase.DRAINING, now_s + self._drain_timeout_s + DRAIN_MARGIN_S
        self._decide(Notify((f"STATUS=draining for at most {self._drain_timeout_s:g} s",)))
        self._decide(CloseListeners())
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

    def _reloaded(self, ok: bool, errors: tuple[str, ...], now_s: float) -> None:
        if ok:
            self._decide(Log("info", "reloaded", {}))
        else:
            self._decide(Log("error", "reload refused, the old configuration stands", {"errors": list(errors)}))
        self._reloading = False
        if self._was_ready:
            self._decide(Notify(("READY=1",)))
        if self._reload_again:
            self._reload_again = False
            self.reload(now_s)

    def _notify_ready(self) -> None:
        if not self._was_ready and all(child.ready_s is not None for child in self._children()):
            self._was_ready = True
            self._decide(Log("info", "node ready", {"generation": self._generation}))
            self._decide(Notify(("READY=1",)))
        self._notify_status()

    def _notify_status(self) -> None:
        agent = "ready" if self._agent.ready_s is not None else "not ready"
        ready = sum(forwarder.ready_s is not None for forwarder in self._forwarders)
        self._decide(Notify((f"STATUS=agent {agent}, {ready} of {len(self._forwarders)} forwarders ready",)))

    def _log(self, level: str, event: str, child: Child, **fields: LogField) -> None:
        self._decide(Log(level, event, {"child": child_name(child.slot), **fields}))

    def _decide(self, decision: Decision) -> None:
        self._decisions.append(decision)

    def _children(self) -> Iterator[Child]:
        yield self._agent
        yield from self._forwarders

    def _child(self, slot: int) -> Child:
        return self._agent if slot == AGENT_SLOT else self._forwarders[slot - 1]
