"""A relay that passes bytes on without looking at them, and keeps what went towards the origin.

Behind the balancer it records what was forwarded. In the balancer's place it is what a careless one would be.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import h11

from lbmesh.model.address import Address


class Forwarded(NamedTuple):
    """One request on a recorded stream, as h11 reads it. `size` and `digest`: of its body, without framing."""

    request_id: str
    method: str
    target: str
    size: int
    digest: str


class Stream(NamedTuple):
    """What one recorded connection carried: whole requests, and why the rest is none ("" when nothing is left)."""

    requests: tuple[Forwarded, ...]
    rest: str


class Relay:
    """Listens on a port of the kernel's choice, connects to a Unix socket for each connection."""

    def __init__(self, origin: Path) -> None:
        self._origin = str(origin)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = Address("127.0.0.1", self._listening.getsockname()[1])
        self._recorded: list[bytearray] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            record = bytearray()
            self._recorded.append(record)
            try:
                far.connect(self._origin)
            except OSError:
                near.close()
                continue
            back = threading.Thread(target=_pass_on, args=(far, near, bytearray()))
            forth = threading.Thread(target=_both, args=(near, far, record, back))
            back.start()
            forth.start()
            self._threads.append(forth)

    def streams(self) -> list[Stream]:
        """What was recorded, read by h11."""
        return [read_stream(bytes(record)) for record in self._recorded]

    def close(self) -> None:
        """Accept no more, and wait until all that was accepted has ended by itself."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a relayed connection does not end"


def _pass_on(source: socket.socket, sink: socket.socket, record: bytearray) -> None:
    """One direction, to its end; the end is passed on, too."""
    with suppress(OSError):
        while data := source.recv(65536):
            record += data
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _both(near: socket.socket, far: socket.socket, record: bytearray, back: threading.Thread) -> None:
    _pass_on(near, far, record)
    back.join()
    near.close()
    far.close()


@contextmanager
def running_relay(origin: Path) -> Iterator[Relay]:
    """A relay to this Unix socket. Its connections must have ended when the block does."""
    relay = Relay(origin)
    try:
        yield relay
    finally:
        relay.close()


def read_stream(data: bytes) -> Stream:
    """Requests one after the other, by a reader that is not ours."""
    requests: list[Forwarded] = []
    while data:
        reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        reader.receive_data(data)
        try:
            head, body = _read_request(reader)
        except h11.RemoteProtocolError as error:
            return Stream(tuple(requests), f"{error}: {data[:200]!r}")
        if head is None:
            return Stream(tuple(requests), f"cut off: {data[:200]!r}")
        fields = dict(head.headers)
        requests.append(
            Forwarded(
                fields.get(b"x-request-id", b"").decode(),
                head.method.decode(),
                head.target.decode(),
                len(body),
                sha256(body).hexdigest(),
            )
        )
        data = bytes(reader.trailing_data[0])
    return Stream(tuple(requests), "")


def _read_request(reader: h11.Connection) -> tuple[h11.Request | None, bytes]:
    head, body = None, b""
    while True:
        event = reader.next_event()
        if isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return head, body
        else:
            return None, b""
