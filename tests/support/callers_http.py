"""A client that goes on calling, in a thread, while a test does its worst."""

import http.client
import threading
from collections import Counter
from types import TracebackType

from lbmesh.model.address import Address


class SteadyCaller:
    """Sends GETs one after the other on kept connections; `outcomes` counts statuses and errors.

    Whatever goes wrong is counted, and a new connection opened.
    """

    def __init__(self, address: Address, path: str = "/") -> None:
        self.outcomes: Counter[str] = Counter()
        self._address = address
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._call)

    def __enter__(self) -> "SteadyCaller":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)

    def _call(self) -> None:
        connection = self._connection()
        while not self._stop.is_set():
            try:
                connection.request("GET", self._path)
                response = connection.getresponse()
                response.read()
                self.outcomes[str(response.status)] += 1
                if response.will_close:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.outcomes[type(error).__name__] += 1
                connection.close()
                connection = self._connection()
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address.host, self._address.port, timeout=20)
