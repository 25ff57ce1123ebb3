"""A client's side of its log."""

import threading
import time
from dataclasses import asdict
from pathlib import Path

from lbmesh_chaos.load.logs import LogWriter
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.load.requests import Asked


class ClientLogWriter:
    """What one client writes down. Threads may share it."""

    def __init__(self, order: Order) -> None:
        """Raises OSError when it cannot be written."""
        self._writer = LogWriter(Path(order.log), asdict(order))
        self._lock = threading.Lock()

    def ended(self, asked: Asked, word: str, attempts: int = 1) -> None:
        """A request has ended, now."""
        told = (asked.told,) if asked.told else ()
        with self._lock:
            self._writer.add((asked.flow, asked.number, asked.sent_s, time.monotonic(), word, attempts, *told))

    def starved(self, stretch: tuple[float, float] | None) -> None:
        """A stretch, if there is one."""
        if stretch is not None:
            with self._lock:
                self._writer.add({"starved": stretch})

    def flush(self) -> None:
        """What was added since the last flush."""
        with self._lock:
            self._writer.flush()

    def close(self) -> None:
        """The order was carried out."""
        with self._lock:
            self._writer.add({"ended": time.monotonic()})
            self._writer.close()
