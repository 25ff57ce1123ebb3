"""Reads the logs of a whole mesh as they are written. Every line gets the time at which it arrived here, whichever
system wrote it; how late that is can be said of lines that carry a fine time of their own.
"""

import os
import selectors
import threading
import time
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

from tests.bench.gossip.sightings import Pictures, Sighting
from tests.bench.gossip.systems import System

_READ_BYTES = 1 << 16
_TAIL_LINES = 20


@dataclass(slots=True)
class Log:
    """One process's output. `ended` is set when the last of it has been read."""

    observer: str
    descriptor: int
    rest: bytes = b""
    tail: deque[bytes] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))
    ended: threading.Event = field(default_factory=threading.Event)


class Recorder:
    """A thread that turns the logs of one mesh into sightings. `lock` guards what is public here."""

    def __init__(self, system: System, members: tuple[str, ...]) -> None:
        self._system = system
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"logs of {system.name}", daemon=True)
        self.lock = threading.Lock()
        self.pictures = Pictures(members)
        self.sightings: list[Sighting] = []
        self.delays_s: list[float] = []
        """How long each line took from its own time stamp to here."""
        self._thread.start()

    def follow(self, observer: str, descriptor: int) -> Log:
        """Read this from now on; it is closed at its end."""
        os.set_blocking(descriptor, False)
        log = Log(observer, descriptor)
        self._selector.register(descriptor, selectors.EVENT_READ, log)
        return log

    def since(self, at_s: float) -> list[Sighting]:
        """All that arrived from then on, in order."""
        with self.lock:
            return self.sightings[bisect_left(self.sightings, at_s, key=lambda one: one.at_s) :]

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()

    def _work(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(timeout=0.2):
                self._read(key.data)

    def _read(self, log: Log) -> None:
        at_s, clock_s = time.monotonic(), time.time()
        data = os.read(log.descriptor, _READ_BYTES)
        if not data:
            self._selector.unregister(log.descriptor)
            os.close(log.descriptor)
            log.ended.set()
            return
        *lines, log.rest = (log.rest + data).split(b"\n")
        log.tail.extend(lines)
        for line in lines:
            said = self._system.read(line)
            if said is None:
                continue
            sighting = Sighting(at_s, log.observer, said.subject, said.state)
            with self.lock:
                self.sightings.append(sighting)
                self.pictures.apply(sighting)
                if said.stamped_s is not None:
                    self.delays_s.append(clock_s - said.stamped_s)
