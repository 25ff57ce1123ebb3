"""The access log: one JSON object a line, collected in memory and written in batches off the hot path.

A log that cannot be written must never slow a request: when the writer falls behind, lines are dropped and counted.
"""

import os
import sys
from pathlib import Path
from time import monotonic

import structlog
import trio

FLUSH_S = 0.1
LINES_MAX = 100_000
"""Lines held while the writer is stuck; about 30 MB. More are dropped and counted."""

REMIND_S = 60.0
"""While the log cannot be written, this is said at once and then so often."""

log = structlog.get_logger(__name__)


class AccessLog:
    """Collects lines; `run` writes them. `destination`: "stdout", "off" or a file's path, reopened after rotation."""

    def __init__(self, destination: str) -> None:
        self.enabled = destination != "off"
        self.dropped = 0
        self._path = None if destination in ("stdout", "off") else Path(destination)
        self._lines: list[bytes] = []
        self._descriptor = -1
        self._cut_off = False
        self._trouble = _Trouble(destination)

    def write(self, line: bytes) -> None:
        """Take one line with its newline."""
        if len(self._lines) < LINES_MAX:
            self._lines.append(line)
        else:
            self.dropped += 1

    async def run(self) -> None:
        """Write what has come up every FLUSH_S, for ever; write the rest when cancelled.

        The file is opened at once, so that a wrong path is said before the first request.
        """
        try:
            if self.enabled:
                await trio.to_thread.run_sync(self._write_out, [])
            while True:
                await trio.sleep(FLUSH_S)
                if self._lines:
                    taken, self._lines = self._lines, []
                    await trio.to_thread.run_sync(self._write_out, taken)
        finally:
            if self.enabled:
                self._write_out(self._lines)
            if self._path is not None and self._descriptor >= 0:
                os.close(self._descriptor)

    def _write_out(self, lines: list[bytes]) -> None:
        """Blocking: runs in a thread. What a full disk cuts off in the middle of a line spoils that line only."""
        data = b"".join(lines)
        written = 0
        try:
            descriptor = self._open()
            if self._cut_off and data:
                os.write(descriptor, b"\n")
                self._cut_off = False
            while written < len(data):
                written += os.write(descriptor, memoryview(data)[written:])
        except OSError as error:
            self.dropped += data.count(b"\n", written)
            self._cut_off = self._cut_off or (written > 0 and data[written - 1 : written] != b"\n")
            self._trouble.met(error, self.dropped, monotonic())
        else:
            if data:
                self._trouble.over(self.dropped)

    def _open(self) -> int:
        if self._path is None:
            return sys.stdout.fileno()
        if self._descriptor >= 0 and self._rotated():
            os.close(self._descriptor)
            self._descriptor = -1
            self._cut_off = False
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        return self._descriptor

    def _rotated(self) -> bool:
        """True when the path no longer leads to the open file."""
        assert self._path is not None
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return True
        here = os.fstat(self._descriptor)
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev)


class _Trouble:
    """What the process's own log says of an access log that cannot be written: the change, then a reminder.

    `dropped`: how many lines were, since the process started.
    """

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._said_s: float | None = None
        self._dropped_before = 0

    def met(self, error: OSError, dropped: int, now_s: float) -> None:
        """Writing failed."""
        if self._said_s is not None and now_s - self._said_s < REMIND_S:
            return
        self._said_s = now_s
        log.error(
            "the access log cannot be written",
            destination=self._destination,
            problem=error.strerror or str(error),
            dropped=dropped - self._dropped_before,
            hint='make it writable, or write another path, "stdout" or "off" in log.access and restart',
        )

    def over(self, dropped: int) -> None:
        """Writing went well."""
        if self._said_s is not None or dropped > self._dropped_before:
            log.warning(
                "the access log is written again",
                destination=self._destination,
                dropped=dropped - self._dropped_before,
            )
        self._said_s, self._dropped_before = None, dropped
