"""Clients that shake hands with a forwarder."""

import socket
import ssl
from pathlib import Path

import pytest

from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.handshake_queue import HANDSHAKES_PER_ROUND
from lbmesh.forwarder.reactor import READ
from lbmesh.forwarder.tls_client import open_client
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.tls import ListenerTls
from lbmesh.observe.access_log import AccessLog
from tests.support.certificates import Authority, client_context, key_pair
from tests.support.forwarders import a_view


def _client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client_context().wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


def test_a_round_takes_few_steps_of_handshakes_however_many_begin(tmp_path: Path) -> None:
    engine = Engine(access_log=AccessLog("off"), random=lambda: 0.5, id_prefix=b"0" * 16, wall_clock=lambda: 0.0)
    tls = ListenerTls((key_pair(Authority(tmp_path).issue("site.test")),))
    for _ in engine.adopt(a_view([], listener=ListenerPolicy(tls=tls))):
        continue
    assert engine.serving is not None
    clients, connections = [], []
    for _ in range(3 * HANDSHAKES_PER_ROUND):
        client, accepted = socket.socketpair()
        client.sendall(_client_hello())
        for each in (client, accepted):
            each.setblocking(False)
        connections.append(open_client(engine, accepted, "127.0.0.1", engine.serving.listener(0)))
        connections[-1].on_ready(READ)
        connections[-1].on_ready(READ)
        clients.append(client)
    for rounds in range(4):
        assert sum(_has_come(client) for client in clients) == min(rounds * HANDSHAKES_PER_ROUND, len(clients))
        engine.client_handshakes.on_ready(0)
    for connection in connections:
        connection.close()
    for client in clients:
        client.close()
    engine.reactor.wake()
    engine.reactor.drain()


def _has_come(client: socket.socket) -> bool:
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
