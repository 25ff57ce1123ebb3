"""Speaking to a lab from outside: for the verbs, for drills, for tests. Blocking, one request at a time.

What was started and what was broken over a client is ended and undone when it is closed, or when its process dies.
"""

import contextlib
import json
import os
import select
import signal
import socket
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lbmesh_chaos.lab.start import labs, socket_name

_CHUNK = 64 * 1024
_DESCRIPTORS_MAX = 8
_CREDENTIALS = struct.Struct("3i")


class NoLabError(Exception):
    """There is no such lab, or it is gone; says what to do."""


class LabError(Exception):
    """The lab does not do what it was asked; says why."""


class LabClient:
    """One connection. `pid`: the lab's first process, as this process sees it."""

    def __init__(self, lab: str) -> None:
        """Raises NoLabError."""
        self.lab = lab
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(socket_name(lab))
        except OSError as error:
            self._socket.close()
            raise NoLabError(_advice(lab)) from error
        raw = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.pid: int = _CREDENTIALS.unpack(raw)[0]
        self._buffer = b""
        self._descriptors: list[int] = []
        self._ended: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """The lab undoes and ends what this client began. A thread that waits for the next event has NoLabError."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    @property
    def root(self) -> Path:
        """The lab's files as this process can read them: `root / "run/lab/…"` (see `paths`)."""
        return Path(f"/proc/{self.pid}/root")

    def state(self) -> dict[str, Any]:
        """The world as it is."""
        return self._ask({"do": "state"})[0]

    def apply(self, fault: str, arguments: Mapping[str, Any], seed: int = 0) -> int:
        """Do a fault; its number. Raises LabError, with a line for each thing that is wrong."""
        answer, _ = self._ask({"do": "apply", "fault": fault, "arguments": dict(arguments), "seed": seed})
        number: int = answer["fault"]
        return number

    def heal(self, fault: int) -> list[str]:
        """Undo a fault; what it left behind."""
        residue: list[str] = self._ask({"do": "heal", "fault": fault})[0]["residue"]
        return residue

    def heal_all(self) -> list[str]:
        """Undo every fault, whoever did it; what they left behind."""
        residue: list[str] = self._ask({"do": "heal-all"})[0]["residue"]
        return residue

    def residue(self) -> list[str]:
        """What is not as the lab made it, on any host."""
        residue: list[str] = self._ask({"do": "residue"})[0]["residue"]
        return residue

    def start(
        self,
        host: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        descriptors: tuple[int, int, int] = (0, 1, 2),
    ) -> int:
        """Start a program in a host, with this stdin, stdout and stderr; its id within the lab."""
        request = {"do": "start", "host": host, "command": list(command), "environment": dict(environment or {})}
        pid: int = self._ask(request, descriptors)[0]["pid"]
        return pid

    def wait(self, pid: int) -> int:
        """Wait until a program that this client started has ended; its status as a shell has it."""
        while pid not in self._ended:
            self._note(self._next())
        return self._ended.pop(pid)

    def stop(self, pid: int) -> None:
        """SIGTERM to a program that this client started."""
        self._ask({"do": "stop", "pid": pid})

    def run(self, host: str, command: Sequence[str], *, descriptors: tuple[int, int, int] = (0, 1, 2)) -> int:
        """Run a program in a host to its end; its status."""
        return self.wait(self.start(host, command, descriptors=descriptors))

    def output(self, host: str, command: Sequence[str]) -> tuple[int, str]:
        """Run a program in a host; its status, and what it printed on stdout and stderr."""
        with open(os.devnull, "rb") as nothing, os.fdopen(os.memfd_create("output"), "w+b", buffering=0) as file:
            status = self.run(host, command, descriptors=(nothing.fileno(), file.fileno(), file.fileno()))
            file.seek(0)
            return status, file.read().decode(errors="replace")

    def dial(self, host: str, address: str, port: int) -> socket.socket:
        """A TCP connection that comes from within a host, its loopback addresses among what it reaches."""
        _, (descriptor,) = self._ask({"do": "dial", "host": host, "address": address, "port": port})
        dialled = socket.socket(fileno=descriptor)
        # The lab had it without: that is a property of the open socket, not of the descriptor.
        dialled.setblocking(True)
        return dialled

    def namespaces(self, host: str) -> list[int]:
        """Descriptors of a host's namespaces, in the order in which to enter them."""
        return self._ask({"do": "enter", "host": host})[1]

    def watch(self) -> None:
        """From now on `next_event` has what happens, from the lab's beginning on. Ask nothing else of this client."""
        self._ask({"do": "watch"})

    def next_event(self, within_s: float | None = None) -> dict[str, Any]:
        """The next one; waits for it. Raises NoLabError when the lab ends, TimeoutError when nothing happens."""
        is_there = within_s is None or b"\n" in self._buffer or select.select([self._socket], [], [], within_s)[0]
        if not is_there:
            raise TimeoutError(f"nothing happens in the lab within {within_s} s")
        return self._next()

    def down(self) -> None:
        """End the lab, and wait until nothing of it runs. Asks nothing of it, as it may hang."""
        try:
            watched = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            signal.pidfd_send_signal(watched, signal.SIGKILL)
            # Readable when the process has ended, and PID 1 ends last of all in its namespace (pid_namespaces(7)).
            select.select([watched], [], [])
        finally:
            os.close(watched)

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> tuple[dict[str, Any], list[int]]:
        data = json.dumps(request).encode() + b"\n"
        try:
            sent = socket.send_fds(self._socket, [data], list(descriptors)) if descriptors else 0
            self._socket.sendall(data[sent:])
        except OSError as error:
            raise NoLabError(_advice(self.lab)) from error
        while self._note(answer := self._next()):
            pass
        received, self._descriptors = self._descriptors, []
        if not answer["ok"]:
            raise LabError(answer["error"])
        return answer, received

    def _note(self, answer: dict[str, Any]) -> bool:
        """Whether this is no answer, but the end of a program."""
        if "ended" not in answer:
            return False
        self._ended[answer["pid"]] = answer["ended"]
        return True

    def _next(self) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, _CHUNK, _DESCRIPTORS_MAX)
            except OSError as error:
                raise NoLabError(_advice(self.lab)) from error
            self._descriptors += descriptors
            if not data:
                raise NoLabError(f'the lab "{self.lab}" is gone')
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _advice(lab: str) -> str:
    known = [name for name in labs() if name != lab]
    there = f"; there is {', '.join(known)}" if known else ""
    return f'no lab "{lab}" is up{there}; `lbmesh lab up FILE` brings one up'
