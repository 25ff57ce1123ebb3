"""What happens in a lab: kept in order, written to a file of the lab, told to whoever watches."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import trio

EVENTS_MAX = 100_000
"""A drill of days does not fill the memory: what comes later is not kept."""


class Events:
    """Each has `at_s`, of the machine's monotonic clock, and `event`; the rest is its own."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", buffering=1)
        self._all: list[dict[str, Any]] = []
        self._more = trio.Event()
        self._offset_s = time.monotonic() - trio.current_time()

    def clock(self, trio_s: float) -> float:
        """A time of trio's as the machine's monotonic clock has it."""
        return trio_s + self._offset_s

    def tell(self, event: str, **about: object) -> None:
        """It happens now."""
        if len(self._all) >= EVENTS_MAX:
            return
        entry = {"at_s": time.monotonic(), "event": event, **about}
        self._all.append(entry)
        self._file.write(json.dumps(entry) + "\n")
        self._more.set()
        self._more = trio.Event()

    async def all(self) -> AsyncIterator[dict[str, Any]]:
        """From the first one on, for ever."""
        seen = 0
        while True:
            more = self._more
            while seen < len(self._all):
                yield self._all[seen]
                seen += 1
            await more.wait()
