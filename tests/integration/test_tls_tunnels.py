"""Tunnels through a real forwarder over TLS, at the front, to the replica, or both."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lbmesh.forwarder.tunnel import RESET_ON_CLOSE
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.tls import ListenerTls, ServiceTls
from tests.support.certificates import Authority, client_context, key_pair, server_context
from tests.support.forwarders import a_view, running_forwarder
from tests.support.origins import Behaviour, OriginConnection, behind_tls, running_origin
from tests.support.wait import wait_for

NAME = "shop.test"
UPGRADE = b"GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
SIDES = pytest.mark.parametrize(
    ("at_front", "to_replica"), [(True, False), (False, True), (True, True)], ids=["front", "replica", "both"]
)


class Caller:
    """A client that can end its own direction and go on reading, over TLS or in plain."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        self._socket = connection
        self._unread = b""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=NAME) if context else None
        while self._tls:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._incoming.write(connection.recv(65536))

    def _flush(self) -> None:
        self._socket.sendall(self._outgoing.read())

    def send(self, data: bytes) -> None:
        if self._tls is None:
            self._socket.sendall(data)
            return
        for start in range(0, len(data), 16384):
            self._tls.write(data[start : start + 16384])
            self._flush()

    def end(self) -> None:
        """Say that no more comes."""
        if self._tls is None:
            self._socket.shutdown(socket.SHUT_WR)
            return
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()

    def break_off(self) -> None:
        """End without a word of TLS."""
        self._socket.shutdown(socket.SHUT_WR)

    def read_head(self) -> bytes:
        """What comes behind it is kept."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.receive()
        head, _, self._unread = received.partition(b"\r\n\r\n")
        return head

    def receive(self) -> bytes:
        """Some bytes; none at an end that was announced. Raises OSError at any other."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        while self._tls:
            try:
                return self._tls.read(65536)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                data = self._socket.recv(65536)
                if not data:
                    raise ConnectionResetError("an end that was not announced") from None
                self._incoming.write(data)
        return self._socket.recv(65536)

    def read_exactly(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            data = self.receive()
            assert data, "the tunnel ended"
            received += data
        return received

    def read_to_end(self) -> bytes:
        received = b""
        while data := self.receive():
            received += data
        return received


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tunnels"))


@contextmanager
def tunnel(
    directory: Path, authority: Authority, behave: Behaviour, *, at_front: bool, to_replica: bool
) -> Iterator[Caller]:
    """One that is open already."""

    def switch(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(SWITCHED)
        behave(connection)

    replica = behind_tls(server_context(authority.issue(NAME)), switch) if to_replica else switch
    policy = ListenerPolicy(tls=ListenerTls((key_pair(authority.issue(NAME)),)) if at_front else None)
    trust = ServiceTls(server_name=NAME, ca_certificates=authority.text) if to_replica else None
    with running_origin(replica) as origin, running_forwarder(directory) as forwarder:
        forwarder.send_view(a_view([origin.address], listener=policy, tls=trust))
        with forwarder.connect() as connection:
            caller = Caller(connection, client_context(authority.file) if at_front else None)
            caller.send(UPGRADE)
            assert caller.read_head().startswith(b"HTTP/1.1 101 ")
            yield caller
        wait_for(lambda: forwarder.latest_telemetry().connections == 0, "nothing to be left of it")


def echo(connection: OriginConnection) -> None:
    while data := connection.socket.recv(65536):
        connection.send(data)


@SIDES
def test_bytes_pass_both_ways_beyond_every_buffer(
    tmp_path: Path, authority: Authority, at_front: bool, to_replica: bool
) -> None:
    sent = os.urandom(6_000_000)

    def say_it_after(connection: OriginConnection) -> None:
        connection.send(connection.read_exactly(len(sent)))

    with tunnel(tmp_path, authority, say_it_after, at_front=at_front, to_replica=to_replica) as caller:
        caller.send(sent)
        assert caller.read_exactly(len(sent)) == sent


@SIDES
def test_one_direction_ends_and_the_other_goes_on(
    tmp_path: Path, authority: Authority, at_front: bool, to_replica: bool
) -> None:
    """An announced end of TLS is the end of a stream in plain, and the reverse (RFC 8446, 6.1)."""

    def answer_at_the_end(connection: OriginConnection) -> None:
        connection.send(b"heard: " + connection.read_to_end())

    with tunnel(tmp_path, authority, answer_at_the_end, at_front=at_front, to_replica=to_replica) as caller:
        caller.send(b"one, ")
        caller.send(b"two")
        caller.end()
        assert caller.read_to_end() == b"heard: one, two"


@SIDES
def test_what_breaks_at_the_replica_does_not_end_in_order_at_the_client(
    tmp_path: Path, authority: Authority, at_front: bool, to_replica: bool
) -> None:
    """Over TLS an end that was not announced is a break; in plain only a reset is."""
    gate = threading.Event()

    def break_off(connection: OriginConnection) -> None:
        connection.send(b"part of it")
        assert gate.wait(20)
        if to_replica:
            connection.socket.shutdown(socket.SHUT_RDWR)
        else:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            connection.socket.close()

    with tunnel(tmp_path, authority, break_off, at_front=at_front, to_replica=to_replica) as caller:
        assert caller.read_exactly(10) == b"part of it"
        gate.set()
        with pytest.raises(OSError, match=r"reset|not announced"):
            caller.read_to_end()


@SIDES
def test_a_tunnel_at_rest_is_woken_from_either_side(
    tmp_path: Path, authority: Authority, at_front: bool, to_replica: bool
) -> None:
    with tunnel(tmp_path, authority, echo, at_front=at_front, to_replica=to_replica) as caller:
        for number in range(50):
            caller.send(b"%05d" % number)
            assert caller.read_exactly(5) == b"%05d" % number


@pytest.mark.parametrize("to_replica", [False, True])
def test_a_client_that_breaks_off_does_not_end_in_order_at_the_replica(
    tmp_path: Path, authority: Authority, to_replica: bool
) -> None:
    """Anyone on the way can make an end that is not announced."""
    heard: list[bytes | OSError] = []

    def listen(connection: OriginConnection) -> None:
        try:
            heard.append(connection.read_to_end())
        except OSError as broken:
            heard.append(broken)

    with tunnel(tmp_path, authority, listen, at_front=True, to_replica=to_replica) as caller:
        caller.send(b"part of it")
        caller.break_off()
        wait_for(lambda: heard, "the replica to hear of it")
    assert isinstance(heard[0], OSError)
