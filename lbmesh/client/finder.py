"""Keeps a directory fresh without holding requests up: what is known is used while a thread looks again.

The thread is one for each source, lives only as long as its question, and is begun by a request that comes when an
answer is due: a transport that is not used asks nothing.
"""

import threading
import time
from collections.abc import Mapping

from lbmesh.client.directory import Directory, Slot
from lbmesh.client.policy import Policy
from lbmesh.client.sources import Ask
from lbmesh.model.address import Address


class Finder:
    """Thread-safe. `asks`: by the slot's name, for each one that is not fixed."""

    def __init__(self, directory: Directory, asks: Mapping[str, Ask], policy: Policy) -> None:
        self._directory = directory
        self._asks = asks
        self._policy = policy
        self.start_afresh()

    def start_afresh(self) -> None:
        """No thread is under way, nor holds the lock: at the start, and in the child of a fork."""
        self._news = threading.Condition()
        self._running: set[str] = set()

    @property
    def home(self) -> tuple[Address, ...]:
        """What is known now, in the order to go by."""
        return self._directory.home

    def is_ready(self) -> bool:
        """Begin the look-ups that are due; True when what is known will do meanwhile."""
        if not self._asks:
            return True
        with self._news:
            now = time.monotonic()
            for slot in self._directory.due(now, self._policy.refresh_s):
                if slot.name not in self._running:
                    slot.asked_at = now
                    self._running.add(slot.name)
                    threading.Thread(
                        target=self._look, args=(slot,), name=f"lbmesh-client-look-up {slot.name}", daemon=True
                    ).start()
            return not self._must_wait()

    def wait(self, timeout_s: float | None) -> bool:
        """Until something is known that is fresh enough, or every look-up has ended; False when the time is up."""
        with self._news:
            return self._news.wait_for(lambda: not self._must_wait(), timeout_s)

    def describe(self) -> str:
        """Why nothing is known."""
        with self._news:
            return self._directory.describe()

    def _must_wait(self) -> bool:
        return bool(self._running) and self._directory.is_stale(time.monotonic(), self._policy.stale_s)

    def _look(self, slot: Slot) -> None:
        try:
            found = self._asks[slot.name]()
        except Exception as error:  # a bug there must not have requests wait for a thread that is gone
            found = f"the look-up failed: {error!r}"
        with self._news:
            if isinstance(found, str):
                slot.failed(found)
            else:
                slot.answered(found, time.monotonic())
                self._directory.arrange()
            self._running.discard(slot.name)
            self._news.notify_all()
