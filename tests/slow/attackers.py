"""Attackers: many sockets on one thread, each moved a little at every tick, with bounded counts and an end."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from lbmesh.model.address import Address
from tests.support.origins import take_little

TICK_S = 0.05

Move = Callable[[socket.socket, int], None]
"""What an attacker does to one connection at a tick; the number counts the ticks."""


class Attack:
    """`count` connections. One that the balancer ends is replaced if `again`. `ended`: how many it has ended."""

    def __init__(self, address: Address, count: int, move: Move, *, again: bool, tight: bool) -> None:
        self.ended = 0
        self._address = address
        self._move = move
        self._again = again
        self._tight = tight
        self._stop = threading.Event()
        self._open: list[socket.socket | None] = [self._connect() for _ in range(count)]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def standing(self) -> int:
        """How many connections are not ended."""
        return sum(each is not None for each in self._open)

    def _connect(self) -> socket.socket:
        connection = socket.socket()
        if self._tight:
            take_little(connection)
        connection.connect((self._address.host, self._address.port))
        connection.setblocking(False)
        return connection

    def _run(self) -> None:
        tick = 0
        while not self._stop.wait(TICK_S):
            for place, connection in enumerate(self._open):
                if connection is None:
                    continue
                try:
                    self._move(connection, tick)
                except BlockingIOError:
                    continue
                except OSError:
                    connection.close()
                    self.ended += 1
                    self._open[place] = self._connect() if self._again else None
            tick += 1

    def stop(self) -> None:
        """End it, and all its connections."""
        self._stop.set()
        self._thread.join(30)
        for connection in self._open:
            if connection is not None:
                connection.close()


@contextmanager
def attacking(
    address: Address, count: int, move: Move, *, again: bool = False, tight: bool = False
) -> Iterator[Attack]:
    """An attack that goes on for the length of the block. `tight`: with the smallest receive buffer."""
    attack = Attack(address, count, move, again=again, tight=tight)
    try:
        yield attack
    finally:
        attack.stop()


def _must_be_open(connection: socket.socket) -> bytes:
    """What has come, b"" when nothing has. Raises ConnectionError when the connection is at its end."""
    data = b""
    with suppress(BlockingIOError):
        data = connection.recv(65536)
        if not data:
            raise ConnectionError("closed")
    return data


def resting(connection: socket.socket, tick: int) -> None:
    """Connects and says nothing."""
    del tick
    _must_be_open(connection)


def resting_after_a_request(connection: socket.socket, tick: int) -> None:
    """Makes one request, and keeps the connection."""
    if tick == 0:
        connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    _must_be_open(connection)


def slow_head(connection: socket.socket, tick: int) -> None:
    """A head that never ends, a line at a time."""
    connection.send(b"X-%d: y\r\n" % tick if tick else b"GET / HTTP/1.1\r\nHost: a\r\n")
    _must_be_open(connection)


def slow_body(connection: socket.socket, tick: int) -> None:
    """A body that comes byte by byte."""
    connection.send(b"x" if tick else b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
    _must_be_open(connection)


def slow_chunks(connection: socket.socket, tick: int) -> None:
    """The same in chunks of one byte."""
    connection.send(b"1\r\nx\r\n" if tick else b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    _must_be_open(connection)


def slow_reading(size: int) -> Move:
    """Asks for much, and takes so many bytes of it at a time."""

    def move(connection: socket.socket, tick: int) -> None:
        if tick == 0:
            connection.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        elif not connection.recv(size):
            raise ConnectionError("closed")

    return move
