"""Origin servers whose behaviour each test writes itself, on real sockets."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import randint

from lbmesh.model.address import Address

WAIT_S = 20.0


SEGMENT_BYTES = 536
"""The smallest segment every host must take (RFC 9293 §3.7.1); the peer's kernel sizes its send buffer by it."""


def take_little(unbound: socket.socket) -> None:
    """Make both kernels hold little of what the peer sends: the least there is here, and less than 64 KiB there.

    It is bound to a loopback address that no test before has had: the peer's kernel sizes its send buffer also by what
    it remembers of an address (`ip tcp_metrics`), and after a fast transfer that is ten times as much.
    """
    unbound.bind((f"127.{randint(1, 254)}.{randint(1, 254)}.{randint(1, 254)}", 0))
    unbound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    unbound.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)


class OriginConnection:
    """One accepted connection, with just enough HTTP to write a behaviour in a few lines."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(WAIT_S)
        self.socket = connection
        self.unread = b""

    def read_until(self, marker: bytes) -> bytes:
        """Bytes up to and with `marker`; b"" when the peer closed first."""
        while marker not in self.unread:
            data = self.socket.recv(65536)
            if not data:
                return b""
            self.unread += data
        end = self.unread.index(marker) + len(marker)
        taken, self.unread = self.unread[:end], self.unread[end:]
        return taken

    def read_head(self) -> bytes:
        """One request head; b"" when there is none any more."""
        return self.read_until(b"\r\n\r\n")

    def read_exactly(self, size: int) -> bytes:
        """So many bytes, or fewer when the peer closed."""
        pieces = [self.unread[:size]]
        self.unread = self.unread[size:]
        missing = size - len(pieces[0])
        while missing:
            data = self.socket.recv(min(missing, 65536))
            if not data:
                break
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)

    def read_to_end(self) -> bytes:
        """Everything until the peer closes."""
        pieces = [self.unread]
        while data := self.socket.recv(65536):
            pieces.append(data)
        return b"".join(pieces)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def answer(self, body: bytes = b"ok", *, fields: bytes = b"", status: bytes = b"200 OK") -> None:
        """A response with a Content-Length."""
        self.send(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), fields, body))


Behaviour = Callable[[OriginConnection], None]


class Origin:
    """A listening server; each connection runs `behaviour` in a thread and is closed after it.

    `heads`: every request head that `answering` read. `connections`: how many were accepted. `closed`: how many of
    them it has closed itself.
    """

    def __init__(self, behaviour: Behaviour, *, tight: bool = False) -> None:
        self.connections = self.closed = 0
        self.errors: list[BaseException] = []
        self._behaviour = behaviour
        self._listening = socket.socket()
        if tight:
            take_little(self._listening)
        else:
            self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        self.address = Address(*self._listening.getsockname())
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        accepting = threading.Thread(target=self._accept)
        accepting.start()
        self._threads.append(accepting)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._behaviour(OriginConnection(connection))
        except OSError:
            pass
        except AssertionError as error:
            self.errors.append(error)
        finally:
            self._open.discard(connection)
            connection.close()
            self.closed += 1

    def close(self) -> None:
        """End every connection and thread; may be called again. An assertion that failed in a behaviour fails here."""
        if self._listening.fileno() >= 0:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(WAIT_S)
        if self.errors:
            raise self.errors[0]


@contextmanager
def running_origin(behaviour: Behaviour, *, tight: bool = False) -> Iterator[Origin]:
    """An origin that ends with the block. `tight`: see `take_little`."""
    origin = Origin(behaviour, tight=tight)
    try:
        yield origin
    finally:
        origin.close()


def answering(body: bytes = b"ok", *, fields: bytes = b"", heads: list[bytes] | None = None) -> Behaviour:
    """Answer every request of every connection alike, with the connection kept."""

    def behave(connection: OriginConnection) -> None:
        while head := connection.read_head():
            if heads is not None:
                heads.append(head)
            connection.answer(body, fields=fields)

    return behave


def refused_address() -> Address:
    """An address where nothing listens: connecting is refused. (Bound while the process lives, so nobody gets it.)"""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    _HOLDERS.append(holder)
    return Address("127.0.0.1", holder.getsockname()[1])


_HOLDERS: list[socket.socket] = []


@contextmanager
def silent_address() -> Iterator[Address]:
    """An address that swallows SYNs: a listener whose backlog is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        fillers = []
        try:
            for _ in range(8):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listening.getsockname())
                fillers.append(filler)
            yield Address("127.0.0.1", listening.getsockname()[1])
        finally:
            for filler in fillers:
                filler.close()


def behind_tls(context: ssl.SSLContext, behave: Behaviour, resumed: list[bool] | None = None) -> Behaviour:
    """The behaviour, over TLS on a duplicate of the socket, so that it can be shut down from outside."""

    def secured(connection: OriginConnection) -> None:
        with (
            suppress(ssl.SSLError, ValueError),
            context.wrap_socket(connection.socket.dup(), server_side=True, suppress_ragged_eofs=False) as over,
        ):
            if resumed is not None:
                resumed.append(bool(over.session_reused))
            behave(OriginConnection(over))
            over.unwrap()

    return secured
