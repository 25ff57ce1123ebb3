"""The children of the lab's first process: started, reaped, waited for. As it is PID 1, orphans are its children."""

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import trio

from lbmesh_chaos.lab import paths

OUTPUT_BYTES_MAX = 64 * 1024
"""Of what a command of the lab's own printed; more is not read."""


class CommandError(Exception):
    """A command of the lab's own (ip, nft, mount, …) was refused; says which, and with what words."""


@dataclass(slots=True, eq=False)
class Child:
    """One process. `status` is None while it runs; then as a shell has it: 128 and the signal's number for a signal."""

    pid: int
    status: int | None = None
    ended: trio.Event = field(default_factory=trio.Event)

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there: nobody else reaps it, so its id is nobody else's."""
        if self.status is None:
            os.kill(self.pid, number)

    async def wait(self) -> int:
        """Its status, once it has ended."""
        await self.ended.wait()
        assert self.status is not None
        return self.status


class Processes:
    """All of them by their ids."""

    def __init__(self) -> None:
        self._running: dict[int, Child] = {}

    async def reap(self) -> None:
        """For ever."""
        with trio.open_signal_receiver(signal.SIGCHLD) as arrivals:
            self._reap_all()
            async for _ in arrivals:
                self._reap_all()

    def _reap_all(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._running.pop(pid, None)
            if child is not None:
                code = os.waitstatus_to_exitcode(status)
                child.status = code if code >= 0 else 128 - code
                child.ended.set()

    def start(
        self,
        command: Sequence[str],
        *,
        host: str | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int,
        stderr: int,
    ) -> Child:
        """Start a command in a session of its own, in a host or beside them. Without stdin, there is nothing to read.

        Raises OSError when there is no such command.
        """
        argv = [*(paths.entering(host) if host else ()), *command]
        # One by one, each from its copy: dup2 must not overwrite what a later one still needs.
        opened = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) if stdin is None else os.dup(stdin)
        copies = [opened, os.dup(stdout), os.dup(stderr)]
        try:
            pid = os.posix_spawnp(
                argv[0],
                argv,
                {**os.environ, **(environment or {})},
                file_actions=[(os.POSIX_SPAWN_DUP2, copy, target) for target, copy in enumerate(copies)],
                setsid=True,
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
            )
        finally:
            for copy in copies:
                os.close(copy)
        # Nothing is reaped between the start and this line: both are one step of the one thread.
        child = self._running[pid] = Child(pid)
        return child

    async def run(self, command: Sequence[str], *, host: str | None = None, text: str = "") -> str:
        """What a command prints. Raises CommandError unless it exits with 0."""
        with _scratch(text) as stdin, _scratch() as output:
            child = self.start(command, host=host, stdin=stdin.fileno(), stdout=output.fileno(), stderr=output.fileno())
            try:
                status = await child.wait()
            except trio.Cancelled:
                child.signal(signal.SIGKILL)
                raise
            said = os.pread(output.fileno(), OUTPUT_BYTES_MAX, 0).decode(errors="replace")
        if status:
            where = f" in {host}" if host else ""
            raise CommandError(f"`{' '.join(command)}`{where} ended with {status}: {said.strip() or 'no words'}")
        return said

    async def run_all(self, commands: Sequence[tuple[Sequence[str], str | None, str]]) -> None:
        """Commands, each with its host and its input, at the same time. Raises CommandError, the first one."""
        failed: list[CommandError] = []

        async def run(command: Sequence[str], host: str | None, text: str) -> None:
            try:
                await self.run(command, host=host, text=text)
            except CommandError as error:
                failed.append(error)

        async with trio.open_nursery() as nursery:
            for one in commands:
                nursery.start_soon(run, *one)
        if failed:
            raise failed[0]


def _scratch(text: str = "") -> BinaryIO:
    """A file in memory: unlike a pipe, it never makes anybody wait."""
    file = os.fdopen(os.memfd_create("lab"), "w+b", buffering=0)
    file.write(text.encode())
    file.seek(0)
    return file


def state_of(pid: int) -> str:
    """A process's state, one letter as /proc has it (proc(5)): "T" is stopped; "" when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
