"""The programs of the hosts: how each is started, which processes are its own, whether it is ready."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trio

from lbmesh.model.address import Address
from lbmesh_chaos.lab import clocks, paths
from lbmesh_chaos.lab.processes import Child, Processes, state_of
from lbmesh_chaos.lab.ready import Question, answers
from lbmesh_chaos.model.faults import Part
from lbmesh_chaos.model.world import ADMIN_PORT, DNS_PORT, REPLICA_PORT, Host, Program, Role, World

READY_WITHIN_S = 60.0
"""A world of three zones took 14 s on two cores that had six other things to do."""
_READY_EVERY_S = 0.05
_PYTHON = (sys.executable, "-P", "-m")
"""-P: as for lbmesh's own children, what lies in some directory must not become a module."""
_MARK = "LBMESH_LAB_PROGRAM"
"""In the environment of a program, and so of all its children, also of those that outlive it: HOST/PROGRAM."""
_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_PART_WORDS = {
    Part.AGENT: b"internal-agent",
    Part.FORWARDERS: b"internal-forwarder",
    Part.FORWARDER: b"internal-forwarder",
}


class NotReadyError(Exception):
    """A program ended, or did not answer in time; with its last words."""


PYTHON = "{python}"
"""In a world file's command: the Python that the lab itself runs under."""


@dataclass(slots=True)
class Running:
    """A program of a host, and its first process; that of its last start, once it has ended."""

    host: Host
    program: Program
    asks: Question | None
    child: Child | None = None
    starts: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether its first process is there, stopped or not."""
        return self.child is not None and self.child.status is None

    @property
    def mark(self) -> str:
        """What its processes have in their environment."""
        return f"{self.host.name}/{self.program.name}"


@dataclass(slots=True)
class Programs:
    """All programs of the world. `told`: hears of each start and each end."""

    world: World
    processes: Processes
    told: Callable[..., None]
    all: list[Running] = field(init=False)

    def __post_init__(self) -> None:
        self.all = [Running(host, *each) for host in self.world.hosts for each in standard(host)]
        self.all += [Running(host, each, None) for host in self.world.hosts for each in host.programs]

    def of(self, host: str) -> list[Running]:
        """A host's, its role's own first."""
        return [one for one in self.all if one.host.name == host]

    def start(self, running: Running) -> None:
        """Start one that does not run. Raises OSError."""
        host = running.host.name
        log = os.open(paths.log(host, running.program.name), _LOG_FLAGS, 0o644)
        try:
            running.child = self.processes.start(
                [sys.executable if word == PYTHON else word for word in running.program.command],
                host=host,
                environment={_MARK: running.mark, **self._environment(host)},
                stdout=log,
                stderr=log,
            )
        finally:
            os.close(log)
        running.starts += 1
        self.told("program starts", host=host, program=running.program.name, pid=running.child.pid)

    def start_missing(self, host: str) -> None:
        """Start each program of a host that does not run. Raises OSError."""
        for running in self.of(host):
            if not running.is_alive:
                self.start(running)

    def _environment(self, host: str) -> dict[str, str]:
        clock = clocks.environment(host) if host in self.world.clocks else {}
        return {"TMPDIR": str(paths.host_dir(host)), "HOME": str(paths.host_dir(host)), **clock}

    async def become_ready(self, running: Running, within_s: float = READY_WITHIN_S) -> None:
        """Wait until it answers. Raises NotReadyError. A program that the file added is ready when it is executed."""
        with trio.move_on_after(within_s):
            while running.is_alive:
                if await self._is_ready(running):
                    return
                await trio.sleep(_READY_EVERY_S)
        name = running.program.name
        ended = running.child is not None and running.child.status is not None
        how = f"ended with {running.child.status}" if running.child and ended else f"is not ready after {within_s:g} s"
        words = _last_words(paths.log(running.host.name, name))
        raise NotReadyError(f"{name} on {running.host.name} {how}" + (f"; it said: {words}" if words else ""))

    async def _is_ready(self, running: Running) -> bool:
        if running.asks is not None:
            return await answers(paths.network(running.host.name), running.asks)
        # Then nsenter has found its namespaces, and the command.
        return running.child is not None and _command(running.child.pid) != paths.ENTERING

    def pids(self, host: str, part: Part = Part.ALL) -> list[int]:
        """The processes of a host's programs, the first process of each before its children."""
        running = self.of(host)
        first = [one.child.pid for one in running if one.child is not None and one.is_alive]
        if part is Part.SENTINEL:
            return first[:1]
        marks = tuple(f"{_MARK}={one.mark}".encode() for one in running)
        found = [pid for pid in _everyone() if _is_marked(pid, marks)]
        if part is Part.ALL:
            return [*first, *(pid for pid in found if pid not in first)]
        children = [pid for pid in found if _PART_WORDS[part] in _read(pid, "cmdline").split(b"\0")]
        return children[:1] if part is Part.FORWARDER else children

    def amiss(self, host: str) -> Iterator[str]:
        """What does not run, or is stopped."""
        for one in self.of(host):
            if not one.is_alive:
                yield f"{one.program.name} does not run on {host}"
        for pid in self.pids(host):
            if state_of(pid) == "T":
                yield f"process {pid} of {host} is stopped"
        if any(one.host.role is Role.BALANCER for one in self.of(host)):
            for part in (Part.AGENT, Part.FORWARDERS):
                if not self.pids(host, part):
                    yield f"the balancer {host} has no {part}"


def standard(host: Host) -> Iterator[tuple[Program, Question]]:
    """What a role brings, and how it is asked whether it is ready."""
    words: tuple[str, ...]
    match host.role:
        case Role.BALANCER:
            words = ("lbmesh", "run", "-c", str(paths.balancer_config(host.name)))
            yield Program("lbmesh", (*_PYTHON, *words)), Question("127.0.0.1", ADMIN_PORT, "/readyz")
        case Role.REPLICA:
            words = ("lbmesh_chaos.load.origin", *origin_arguments(host))
            yield Program("origin", (*_PYTHON, *words)), Question(host.address, REPLICA_PORT, "/healthz")
        case Role.RESOLVER:
            words = ("lbmesh_chaos.lab.name_server", str(Address(host.address, DNS_PORT)), str(paths.names(host.name)))
            yield Program("dns", (*_PYTHON, *words)), Question(host.address, DNS_PORT, "")
        case _:
            return


def origin_arguments(host: Host) -> tuple[str, ...]:
    """Where the origin listens, what it is called, and its files."""
    return (
        *("--host", host.address, "--port", str(REPLICA_PORT)),
        *("--replica", host.name, "--zone", host.zone),
        *("--log", str(paths.requests(host.name)), "--behaviour", str(paths.behaviour(host.name))),
    )


def _everyone() -> list[int]:
    return sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit() and entry != "1")


def _is_marked(pid: int, marks: tuple[bytes, ...]) -> bool:
    return any(entry in marks for entry in _read(pid, "environ").split(b"\0"))


def _command(pid: int) -> str:
    """What a process was started as, or is since it called execve(2)."""
    return _read(pid, "comm").decode(errors="replace").strip()


def _read(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return json.dumps(lines[-1][-400:]) if lines else ""
