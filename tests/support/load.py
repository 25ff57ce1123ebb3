"""Clients that ask without pause and forgive nothing: any request that is not answered with 200 is a failure."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

from lbmesh.model.address import Address

PATIENCE_S = 30.0


@dataclass
class Load:
    """What the clients saw. `failures`: each in words."""

    address: Address
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep_asking(self, *, keeps_connection: bool) -> None:
        """One client, until told to stop."""
        connection = HTTPConnection(self.address.host, self.address.port, timeout=PATIENCE_S)
        fields = {} if keeps_connection else {"Connection": "close"}
        while not self._stop.is_set():
            try:
                connection.request("POST", "/", b"x", fields)
                response = connection.getresponse()
                response.read()
                outcome = "" if response.status == 200 else f"status {response.status}: {response.headers}"
            except (OSError, HTTPException) as error:
                outcome = repr(error)
                connection.close()
            with self._lock:
                self.answered += not outcome
                if outcome:
                    self.failures.append(outcome)
        connection.close()

    def stop(self) -> None:
        """Have the clients end after the request they are at."""
        self._stop.set()


@contextmanager
def under_load(address: Address, *, keeping: int = 3, closing: int = 3) -> Iterator[Load]:
    """So many clients at work while the block runs."""
    load = Load(address)
    threads = [
        threading.Thread(target=load.keep_asking, kwargs={"keeps_connection": number < keeping})
        for number in range(keeping + closing)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join(2 * PATIENCE_S)
