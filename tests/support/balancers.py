"""Stand-ins for balancers on loopback, each with one way to behave: answer, refuse, swallow, freeze, break
off.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

HOST = "127.0.0.1"
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: close sends a reset."""

Reply = Callable[[socket.socket, str, bytes], bool]
"""Given the connection, the request line and the body, answers; True keeps the connection open."""


def address_of(bound: socket.socket) -> str:
    """The socket's own address as the transport wants it."""
    host, port = bound.getsockname()
    return f"{host}:{port}"


def plain_reply(status: int, text: str) -> Reply:
    """Always this answer."""

    def reply(connection: socket.socket, line: str, _: bytes) -> bool:
        body = b"" if line.startswith("HEAD ") else text.encode()
        head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(text)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return True

    return reply


def break_mid_head(connection: socket.socket, _line: str, _body: bytes) -> bool:
    """Half a head, then a reset."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return False


def close_without_answer(_connection: socket.socket, _line: str, _body: bytes) -> bool:
    """The end of the stream where an answer should be."""
    return False


class Balancer:
    """A threaded HTTP/1.1 server with one kind of reply. `seen` has a request line per request that
    arrived.
    """

    def __init__(self, reply: Reply, tls: ssl.SSLContext | None = None) -> None:
        self._reply = reply
        self._tls = tls
        self._listener = socket.create_server((HOST, 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="test-balancer")]
        self.address = address_of(self._listener)
        self.seen: list[str] = []
        self.bodies: list[bytes] = []
        self.accepted = 0
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening, cut every connection, wait for the threads."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), name="test-balancer")
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            connection = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
        except OSError:
            plain.close()
            return
        with connection, connection.makefile("rb") as reader, suppress(OSError, ValueError):
            while line := reader.readline().decode().strip():
                length = 0
                while field := reader.readline().strip():
                    name, _, value = field.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                body = reader.read(length)
                self.seen.append(line)
                self.bodies.append(body)
                if not self._reply(connection, line, body):
                    return


@contextmanager
def balancer(reply: Reply | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Balancer]:
    """One that answers 200 with its own address, or as `reply` says."""
    running = Balancer(reply or plain_reply(200, "fine"), tls)
    try:
        yield running
    finally:
        running.close()


@contextmanager
def refusing() -> Iterator[str]:
    """An address that refuses: bound, so that nobody else gets the port, but not listening."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        yield address_of(bound)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A listener that nobody serves, and its address."""

    address: str
    listener: socket.socket

    def thaw(self) -> bytes:
        """Take the oldest connection and read all that was sent, to its end."""
        connection, _ = self.listener.accept()
        with connection:
            return b"".join(iter(lambda: connection.recv(65536), b""))


@contextmanager
def frozen() -> Iterator[Frozen]:
    """A stopped process's listener: the kernel takes connections, nobody reads them."""
    with socket.create_server((HOST, 0), backlog=128) as listener:
        listener.settimeout(10)
        yield Frozen(address_of(listener), listener)


@contextmanager
def silent() -> Iterator[str]:
    """An address that swallows SYNs: a full accept queue, which Linux answers with nothing at all."""
    with socket.create_server((HOST, 0), backlog=0) as listener:
        fillers = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                fillers.append(filler)
            yield address_of(listener)
        finally:
            for filler in fillers:
                filler.close()
