"""The sentinel's log: the same lines as `observe.logging`, without the weight of what writes them there."""

import json
import os
import select
from collections.abc import Mapping
from datetime import UTC, datetime

from lbmesh.sentinel.decisions import LogField

_LEVELS = ("debug", "info", "warning", "error")


class LogWriter:
    """JSON lines to a file or a journal, readable lines to a terminal.

    Never waits: a reader that has stopped reading loses lines, and must not stop the node's supervision.
    """

    def __init__(self, level: str = "info", descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._is_terminal = os.isatty(descriptor)
        self._least = _LEVELS.index(level)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, level: str, event: str, fields: Mapping[str, LogField]) -> None:
        """One line. `fields` go after the ones that every line has."""
        if _LEVELS.index(level) < self._least:
            return
        now = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
        line = {"time": now, "level": level, "process": "sentinel", "event": event, **fields}
        text = _readable(line) if self._is_terminal else json.dumps(line, ensure_ascii=False)
        self._put(text.encode("utf-8", "replace") + b"\n")

    def info(self, event: str, **fields: LogField) -> None:
        """One line about the ordinary course of things."""
        self.write("info", event, fields)

    def warning(self, event: str, **fields: LogField) -> None:
        """One line about what the node got over."""
        self.write("warning", event, fields)

    def error(self, event: str, **fields: LogField) -> None:
        """One line about what somebody should look at."""
        self.write("error", event, fields)

    def _put(self, line: bytes) -> None:
        """A pipe that polls as writable takes PIPE_BUF bytes without waiting (pipe(7))."""
        for start in range(0, len(line), select.PIPE_BUF):
            try:
                if not any(events & select.POLLOUT for _, events in self._poll.poll(0)):
                    return
                os.write(self._descriptor, line[start : start + select.PIPE_BUF])
            except OSError:
                return


def _readable(line: Mapping[str, LogField]) -> str:
    rest = " ".join(f"{key}={value}" for key, value in line.items() if key not in ("time", "level", "event"))
    return f"{line['time']} [{line['level']:<7}] {line['event']:<30} {rest}"
