"""Whoever is in the middle of a body is confirmed what it sent: it may hold back the rest until then.

Towards replicas Linux does not show the difference; `make bench ARGS=bodies` does (down, chunked).
"""

import socket
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from lbmesh.forwarder.client import ClientConnection
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.reactor import PAUSE_S
from lbmesh.model.address import Address
from lbmesh.observe.access_log import AccessLog
from tests.support.forwarders import a_view
from tests.support.tcp_pair import tcp_pair
from tests.support.wait import PATIENCE_S

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Ends:
    """A client and a replica on either side of a forwarder's connections, which have carried one exchange."""

    def __init__(self, listening: socket.socket) -> None:
        self.engine = Engine(
            access_log=AccessLog("off"), random=lambda: 0.5, id_prefix=b"0" * 16, wall_clock=lambda: 0.0
        )
        host, port = listening.getsockname()
        for _ in self.engine.adopt(a_view([Address(host, port)])):
            continue
        assert self.engine.serving is not None
        self.client, here = tcp_pair()
        ClientConnection(self.engine, here, "127.0.0.1", self.engine.serving.listener(0))
        self.towards_client = here
        self.client.sendall(GET)
        self.step_until(lambda: bool(self.engine.counters.active))
        self.replica, _ = listening.accept()
        self.step_until(lambda: bool(arrived(self.replica)))
        self.replica.recv(65536)
        self.replica.sendall(WHOLE)
        self.step_until(lambda: bool(arrived(self.client)))
        self.client.recv(65536)

    def step_until(self, condition: Callable[[], bool]) -> None:
        """Have the forwarder do what there is to do until this is so, quicker than the kernel confirms by itself."""
        gives_up_s = monotonic() + PATIENCE_S
        while not condition():
            assert monotonic() < gives_up_s, "the forwarder did not do what it was to do"
            self.engine.reactor.drain(PAUSE_S)


def arrived(connection: socket.socket) -> bytes:
    """What is there, which stays there."""
    try:
        return connection.recv(65536, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


def confirms_at_once(connection: socket.socket) -> bool:
    """Linux says so while it does not wait for an answer that could carry the confirmation."""
    return bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))


@pytest.fixture
def ends() -> Iterator[Ends]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Ends(listening)
        with made.client, made.replica:
            yield made
        made.step_until(lambda: not made.engine.counters.connections)
        made.engine.reactor.close_all()


def test_a_client_in_the_middle_of_its_upload(ends: Ends) -> None:
    assert not confirms_at_once(ends.towards_client)
    ends.client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    ends.step_until(lambda: arrived(ends.replica).endswith(b"ab"))
    assert confirms_at_once(ends.towards_client)
