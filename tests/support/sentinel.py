"""A sentinel as a test sees it: a real process with fake children, its journal, its log, its service manager."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import proc
from tests.support.json_lines import json_lines
from tests.support.wait import wait_for

_SUPPORT = Path(__file__).parent


class FakeNode:
    """A running `fake_node.py`."""

    def __init__(self, process: "subprocess.Popen[bytes]", directory: Path, manager: socket.socket) -> None:
        self.process = process
        self._directory = directory
        self._manager = manager
        self.notified: list[str] = []

    def journal(self, role: str = "", event: str = "") -> list[dict[str, Any]]:
        """What the fake children noted, in order."""
        lines = json_lines(self._directory / "journal")
        return [line for line in lines if role in ("", line["role"]) and event in ("", line["event"])]

    def log(self, event: str = "") -> list[dict[str, Any]]:
        """The sentinel's log lines."""
        return [line for line in json_lines(self._directory / "log") if event in ("", line["event"])]

    def wait_for_log(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The log lines with this event, once there are so many."""
        return wait_for(lambda: len(self.log(event)) >= count and self.log(event), f'{count} × "{event}" in the log')

    def wait_for_journal(self, role: str, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The journal's lines with this event, once there are so many."""
        return wait_for(
            lambda: len(self.journal(role, event)) >= count and self.journal(role, event),
            f"{count} × {event} of {role}",
        )

    def wait_for_notification(self, assignment: str) -> None:
        """Until the sentinel has told its service manager this."""
        wait_for(lambda: assignment in self.notifications(), f'notification "{assignment}"')

    def notifications(self) -> list[str]:
        """Everything told to the service manager so far, an assignment each."""
        while True:
            try:
                self.notified += self._manager.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.notified

    def listener_port(self) -> int:
        """The port of the first listener."""
        (line,) = self.wait_for_log("node starts")
        return int(line["listeners"][0].rpartition(":")[2])

    def end(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(30)


@contextmanager
def fake_node(
    directory: Path,
    *,
    workers: int = 1,
    drain_timeout_s: float = 5.0,
    listeners: Sequence[str] = ("127.0.0.1:0",),
    environment: Mapping[str, str] | None = None,
    inherited: Sequence[socket.socket] = (),
) -> Iterator[FakeNode]:
    """A node in a process group of its own, all of which is killed at the end."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.setblocking(False)
    (directory / "notify").unlink(missing_ok=True)
    manager.bind(str(directory / "notify"))
    command = [sys.executable, str(_SUPPORT / "fake_node.py"), str(directory), str(workers), str(drain_timeout_s)]
    command += listeners
    if inherited:
        descriptors = ",".join(str(one.fileno()) for one in inherited)
        command = [sys.executable, str(_SUPPORT / "activate.py"), descriptors, *command]
    with manager, (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stderr=log,
            env={
                **os.environ,
                "FAKE_JOURNAL": str(directory / "journal"),
                "NOTIFY_SOCKET": str(directory / "notify"),
                **(environment or {}),
            },
            pass_fds=[one.fileno() for one in inherited],
            start_new_session=True,
        )
        try:
            yield FakeNode(process, directory, manager)
        finally:
            kill_group(process.pid)
            process.wait(30)


def kill_group(group: int) -> None:
    """SIGKILL a process group, which may be gone."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def group_members(group: int) -> list[int]:
    """The living processes of a group, zombies left out."""
    return [one.pid for one in proc.living() if one.group == group]
