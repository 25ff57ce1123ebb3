"""A connection to a replica over TLS, between kernels that take little at a time."""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lbmesh.config.key_pair import make_key_pair
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.handshake_queue import HANDSHAKES_PER_ROUND
from lbmesh.forwarder.reactor import WRITE
from lbmesh.forwarder.replica_state import ReplicaState, ReplicaTls
from lbmesh.forwarder.tls_contexts import service_context
from lbmesh.forwarder.tls_upstream import TlsUpstreamConnection
from lbmesh.model.address import Address
from lbmesh.model.service import Replica, ReplicaId
from lbmesh.model.tls import KeyPair, ServiceTls
from lbmesh.observe.access_log import AccessLog
from tests.support.certificates import Authority, key_pair, server_context

NAME = "shop.internal"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SMALL = 1
"""Bytes asked for: a kernel gives the least it has, some thousands."""


class Request:
    """Who has a request, and what it was told."""

    request = REQUEST

    def __init__(self) -> None:
        self.told: list[str] = []

    def connected(self) -> None:
        self.told.append("connected")

    def request_sent(self) -> None:
        self.told.append("sent")

    def upstream_progress(self) -> None:
        self.told.append("progress")

    def attempt_failed(self, failure: object, detail: str) -> None:
        self.told.append(f"failed: {failure} {detail}")


class Peer:
    """A replica that takes what has come when the test says so."""

    def __init__(self, authority: Authority) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.address = Address(*self._listening.getsockname())
        context = server_context(authority.issue(NAME))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._socket: socket.socket | None = None
        self.is_secured = False
        self.received = b""

    def take(self) -> None:
        if self._socket is None:
            self._socket, _ = self._listening.accept()
            self._socket.setblocking(False)
        with suppress(BlockingIOError):
            self._incoming.write(self._socket.recv(65536))
        with suppress(ssl.SSLWantReadError):
            if not self.is_secured:
                self._tls.do_handshake()
                self.is_secured = True
            self.received += self._tls.read(65536)
        if self._outgoing.pending:
            self._socket.sendall(self._outgoing.read())

    def close(self) -> None:
        self._listening.close()
        if self._socket is not None:
            self._socket.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def peer(authority: Authority) -> Iterator[Peer]:
    made = Peer(authority)
    yield made
    made.close()


def an_engine() -> Engine:
    return Engine(access_log=AccessLog("off"), random=lambda: 0.5, id_prefix=b"0" * 16, wall_clock=lambda: 0.0)


def a_replica(address: Address, context: ssl.SSLContext) -> ReplicaState:
    return ReplicaState(ReplicaId("shop", address), Replica(address, "zone-a"), tls=ReplicaTls(context, NAME))


def long_pair(authority: Authority) -> KeyPair:
    """With a chain that no such kernel takes at once."""
    pair = key_pair(authority.issue("balancer.internal"))
    return make_key_pair(pair.cert, pair.key, pair.chain_pem + authority.text * 200, pair.key_pem)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_request_does_not_overtake_the_end_of_its_handshake(
    authority: Authority, peer: Peer, version: ssl.TLSVersion
) -> None:
    engine = an_engine()
    tls = ServiceTls(ca_certificates=authority.text, key_pair=long_pair(authority))
    context = service_context(replace(tls, server_name=NAME))
    context.maximum_version = version
    connection = TlsUpstreamConnection(engine, a_replica(peer.address, context))
    with socket.socket(fileno=os.dup(connection.descriptor)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    request: Any = Request()
    connection.connect(request)
    waited_with_a_handshake = False
    for _ in range(2000):
        engine.reactor.drain()
        waited_with_a_handshake = waited_with_a_handshake or (not peer.is_secured and bool(connection.outgoing))
        peer.take()
        if peer.received and not connection.outgoing:
            break
    connection.close()
    engine.reactor.wake()
    engine.reactor.drain()
    assert waited_with_a_handshake
    assert peer.received == REQUEST
    assert request.told[:2] == ["connected", "sent"], "what waits of a handshake is none of the request's progress"
    assert not [said for said in request.told if said.startswith("failed")]


def test_a_round_takes_few_steps_of_handshakes_however_many_begin(authority: Authority) -> None:
    engine, context = an_engine(), service_context(ServiceTls(ca_certificates=authority.text))
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    replica = a_replica(Address(*listening.getsockname()), context)
    connections = [TlsUpstreamConnection(engine, replica) for _ in range(3 * HANDSHAKES_PER_ROUND)]
    request: Any = Request()
    ends = []
    for connection in connections:
        connection.connect(request)
        ends.append(listening.accept()[0])
        ends[-1].setblocking(False)
        connection.on_ready(WRITE)
    for rounds in range(4):
        assert sum(_has_come(end) for end in ends) == min(rounds * HANDSHAKES_PER_ROUND, len(ends))
        engine.replica_handshakes.on_ready(0)
    for connection in connections:
        connection.close()
    for end in (*ends, listening):
        end.close()
    engine.reactor.wake()
    engine.reactor.drain()


def _has_come(end: socket.socket) -> bool:
    try:
        return bool(end.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
