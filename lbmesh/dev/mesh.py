"""The running mesh: a process for every balancer and replica, and what can be done to them."""

import errno
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import assert_never

import trio

from lbmesh.dev.configuration import balancer_config, write_key_files
from lbmesh.dev.failure import CannotRunError
from lbmesh.dev.launcher import PROGRAM
from lbmesh.dev.processes import ProcessGroup, adopting_orphans
from lbmesh.dev.verbs import EVERYTHING, Order, Reply, Verb
from lbmesh.dev.world import Balancer, Replica, Subject, World

REAP_PERIOD_S = 0.1
END_TIMEOUT_S = 5.0
"""How long a killed process may take to be gone; only one stuck in the kernel takes longer."""

GONE_POLL_S = 0.005

LOG_TAIL_LINES = 12


class Condition(StrEnum):
    """What a process is doing, as far as we know."""

    RUNS = "runs"
    CUT = "cut"
    KILLED = "killed"
    ENDED = "ended by itself"


class DevMesh:
    """All processes of a world. `on_end` is told of one that ended without being asked to."""

    def __init__(self, world: World, place: Path, on_end: Callable[[str, str], None]) -> None:
        self.world = world
        self._place = place
        self._on_end = on_end
        self._groups: dict[str, ProcessGroup] = {}
        self._conditions: dict[str, Condition] = {}
        write_key_files(world, place, secrets.token_bytes(32))

    def start_all(self) -> None:
        """Start everything, replicas first. Raises OSError when the system refuses."""
        for replica in self.world.replicas:
            self._start(replica)
        for balancer in self.world.balancers:
            self._start(balancer)

    def condition(self, name: str) -> Condition:
        """Of one process."""
        return self._conditions[name]

    def log_tail(self, name: str) -> str:
        """The end of what a process has written, for a message."""
        lines = self._log(name).read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    async def obey(self, order: Order) -> Reply:
        """Do what was asked, and say what became of it."""
        match order.verb:
            case Verb.NAMES:
                return Reply(True, tuple(self._names()))
            case Verb.HEAL if order.name == EVERYTHING:
                hurt = [one for one in self.world.subjects if self._conditions[one.name] is not Condition.RUNS]
                return Reply(True, tuple([await self._tell(order.verb, one) for one in hurt]) or ("everything runs",))
            case Verb.KILL | Verb.CUT | Verb.HEAL:
                subjects = self.world.meant_by(order.name)
                if not subjects:
                    return Reply(False, (self.world.explain_unknown(order.name),))
                return Reply(True, tuple([await self._tell(order.verb, one) for one in subjects]))
            case _:
                assert_never(order.verb)

    async def watch(self) -> None:
        """Notice processes that end by themselves, until cancelled."""
        while True:
            for name, group in self._groups.items():
                if group.reap() and self._conditions[name] in (Condition.RUNS, Condition.CUT):
                    self._conditions[name] = Condition.ENDED
                    self._on_end(name, _tell_status(group.how_it_ended))
            await trio.sleep(REAP_PERIOD_S)

    async def end_all(self) -> None:
        """Kill everything, frozen or not. Raises CannotRunError when something outlasts even that."""
        for group in self._groups.values():
            group.signal(signal.SIGKILL)
        for name, group in self._groups.items():
            await _wait_gone(name, group)

    async def _tell(self, verb: Verb, subject: Subject) -> str:
        return f"{subject.name}: {await self._do(verb, subject)}"

    async def _do(self, verb: Verb, subject: Subject) -> str:
        name = subject.name
        condition, group = self._conditions[name], self._groups[name]
        match verb, condition:
            case Verb.KILL, Condition.RUNS | Condition.CUT:
                self._conditions[name] = Condition.KILLED
                group.signal(signal.SIGKILL)
                await _wait_gone(name, group)
                return "killed"
            case Verb.CUT, Condition.RUNS:
                self._conditions[name] = Condition.CUT
                group.signal(signal.SIGSTOP)
                return "frozen"
            case Verb.HEAL, Condition.CUT:
                self._conditions[name] = Condition.RUNS
                group.signal(signal.SIGCONT)
                return "runs again"
            case Verb.HEAL, Condition.KILLED | Condition.ENDED:
                await _wait_gone(name, group)
                self._start(subject)
                return "started again"
            case _:
                return f"left as it is: it {_PHRASES[condition]}"

    def _start(self, subject: Subject) -> None:
        match subject:
            case Balancer():
                group = self._start_balancer(subject)
            case Replica():
                group = self._start_replica(subject)
            case _:
                assert_never(subject)
        self._groups[subject.name] = group
        self._conditions[subject.name] = Condition.RUNS

    def _start_balancer(self, balancer: Balancer) -> ProcessGroup:
        config = self._place / f"{balancer.name}.toml"
        config.write_text(balancer_config(balancer, self.world, self._place))
        return ProcessGroup(
            (*PROGRAM, "dev", "internal-balancer", "--parent", str(os.getpid()), "--config", str(config)),
            self._log(balancer.name),
        )

    def _start_replica(self, replica: Replica) -> ProcessGroup:
        with _listening(replica) as listener:
            command = (
                *(*PROGRAM, "dev", "internal-replica"),
                *("--parent", str(os.getpid())),
                *("--name", replica.name),
                *("--zone", replica.zone),
                *("--listen-fd", str(listener.fileno())),
                *("--journal", str(self._place / f"{replica.name}.orders")),
            )
            return ProcessGroup(command, self._log(replica.name), listener.fileno())

    def _log(self, name: str) -> Path:
        return self._place / f"{name}.log"

    def _names(self) -> list[str]:
        lines = []
        for zone in self.world.zones:
            lines.append(zone)
            for one in self.world.meant_by(zone):
                lines.append(f"  {one.name:<8}{one.address!s:<20}{self._conditions[one.name]}")
        return lines


_PHRASES = {
    Condition.RUNS: "runs",
    Condition.CUT: "is frozen",
    Condition.KILLED: "is killed",
    Condition.ENDED: "has ended by itself",
}


@asynccontextmanager
async def running_mesh(world: World, place: Path, on_end: Callable[[str, str], None]) -> AsyncIterator[DevMesh]:
    """The mesh, started; all its processes are gone at the end, whatever happens inside."""
    with adopting_orphans():
        mesh = DevMesh(world, place, on_end)
        try:
            mesh.start_all()
            yield mesh
        finally:
            with trio.CancelScope(shield=True):
                await mesh.end_all()


def _listening(replica: Replica) -> socket.socket:
    """The replica's socket, bound here for a clear error. Only the replica keeps it: it refuses when that dies."""
    try:
        return socket.create_server((replica.address.host, replica.address.port), backlog=128)
    except OSError as error:
        what = "somebody took its port meanwhile: start again" if error.errno == errno.EADDRINUSE else error.strerror
        raise CannotRunError(f"{replica.name} cannot listen on {replica.address}: {what}") from error


async def _wait_gone(name: str, group: ProcessGroup) -> None:
    # SIGCHLD would tell of our own child, but not when the last of its orphans has come to us.
    for _ in range(round(END_TIMEOUT_S / GONE_POLL_S)):
        if group.reap():
            return
        await trio.sleep(GONE_POLL_S)
    raise CannotRunError(f"{name} (process group {group.pid}) does not end, though killed")


def _tell_status(status: int | None) -> str:
    if status is None:
        return "ended"
    code = os.waitstatus_to_exitcode(status)
    return f"exited with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
