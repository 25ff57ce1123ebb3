"""A real forwarder that has more to do than it can: whole answers or plain refusals, and all is well afterwards."""

import selectors
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbmesh.model.limits import ForwarderLimits
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import answering, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

pytestmark = pytest.mark.alone

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CLIENTS = 400
HARDLY_ANY_S = 0.001
"""Of patience: with so many clients every request waits longer for its turn."""


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


class Crowd:
    """Clients that each ask again as soon as they are answered, and come back when they are turned away."""

    def __init__(self, forwarder: ForwarderProcess) -> None:
        self._forwarder = forwarder
        self._selector = selectors.DefaultSelector()
        self.outcomes: Counter[bytes] = Counter()
        for _ in range(CLIENTS):
            self._connect()

    def _connect(self) -> None:
        connection = self._forwarder.connect()
        connection.sendall(GET)
        self._selector.register(connection, selectors.EVENT_READ)

    def go_on(self) -> None:
        """A round of answers."""
        for key, _ in self._selector.select(1.0):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            answer = connection.recv(65536)
            is_closing = b"Connection: close" in answer
            assert answer.startswith(b"HTTP/1.1 200") != is_closing, answer
            self.outcomes[answer[9:12]] += 1
            if is_closing:
                assert b"(overloaded" in answer
                assert b"Retry-After: 1" in answer
                self._selector.unregister(connection)
                connection.close()
                self._connect()
            else:
                connection.sendall(GET)

    def close(self) -> None:
        """All leave."""
        for key in tuple(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def crowd_until_refused(forwarder: ForwarderProcess) -> Counter[bytes]:
    """What the clients saw until one was refused."""
    crowd = Crowd(forwarder)
    try:

        def refused() -> bool:
            crowd.go_on()
            return bool(crowd.outcomes[b"503"])

        wait_for(refused, "a refusal")
        return crowd.outcomes
    finally:
        crowd.close()


def test_what_waits_too_long_is_refused_and_all_else_is_answered(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin:
        forwarder.send_view(a_view([origin.address], limits=ForwarderLimits(overload_s=HARDLY_ANY_S)))
        outcomes = crowd_until_refused(forwarder)
        assert outcomes.keys() == {b"200", b"503"}
        wait_for(lambda: forwarder.latest_telemetry().lag_s == 0.0, "the end of the overload")
        refused = sum(row.count for row in forwarder.latest_telemetry().requests if row.reason == "overloaded")
        assert refused >= outcomes[b"503"]
        with forwarder.connect() as connection:
            assert RawClient(connection).exchange(GET).status == 200
        wait_for(lambda: forwarder.latest_telemetry().active_requests == 0, "rest")


def test_switched_off_nobody_is_refused(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin:
        forwarder.send_view(a_view([origin.address], limits=ForwarderLimits(overload_s=0.0)))
        crowd = Crowd(forwarder)
        while sum(crowd.outcomes.values()) < 20 * CLIENTS:
            crowd.go_on()
        crowd.close()
        assert crowd.outcomes.keys() == {b"200"}
