"""A real forwarder process and connections that switch to something else: WebSockets, any protocol, CONNECT."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import wsproto
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request, TextMessage

from lbmesh.model.traffic import Timeouts
from tests.support.forwarders import WAIT_S, ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, answering, running_origin, take_little
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

UPGRADE = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
CONNECT = b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PIECE = b"x" * 65536


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def logged(forwarder: ForwarderProcess, count: int = 1) -> list[dict[str, object]]:
    wait_for(lambda: len(forwarder.log_lines()) >= count, f"{count} lines in the access log")
    return forwarder.log_lines()


def switch(connection: OriginConnection) -> None:
    """Take the upgrade."""
    head = connection.read_head().lower()
    assert b"\r\nconnection: upgrade\r\n" in head
    assert b"\r\nupgrade: foo\r\n" in head
    connection.send(SWITCHED)


def echo(connection: OriginConnection) -> None:
    """Take the upgrade and say everything again, until the other side ends."""
    switch(connection)
    while data := connection.unread or connection.socket.recv(65536):
        connection.unread = b""
        connection.send(data)


def open_tunnel(connection: socket.socket, request: bytes = UPGRADE) -> bytes:
    """Ask for one; what came behind the head of the 101."""
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert {b"Connection: Upgrade", b"Upgrade: foo"} <= set(head.split(b"\r\n"))
    return rest


def read_exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = connection.recv(65536)
        assert data
        received += data
    return received


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def read_to_end_of_tunnel(connection: socket.socket) -> bytes:
    """Open one and leave it at once; what came through it."""
    rest = open_tunnel(connection)
    connection.shutdown(socket.SHUT_WR)
    return rest + read_to_end(connection)


# WebSocket


def serve_websocket(connection: OriginConnection) -> None:
    server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    server.receive_data(connection.read_head())
    while True:
        for event in server.events():
            match event:
                case Request():
                    assert event.target == "/chat?room=1"
                    connection.send(server.send(AcceptConnection(subprotocol=event.subprotocols[0])))
                case TextMessage():
                    connection.send(server.send(TextMessage(event.data.upper())))
                case BytesMessage():
                    connection.send(server.send(BytesMessage(event.data, message_finished=event.message_finished)))
                case CloseConnection():
                    connection.send(server.send(event.response()))
                    return
                case _:
                    raise AssertionError(event)
        server.receive_data(connection.socket.recv(65536))


def test_a_websocket(forwarder: ForwarderProcess) -> None:
    """A library's client and a library's server, through a balancer that knows nothing of frames."""
    blob = bytes(range(256)) * 4096
    with running_origin(serve_websocket) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        connection.sendall(client.send(Request(host="a", target="/chat?room=1", subprotocols=["soap", "wamp"])))
        received = b""
        accepted: list[str | None] = []
        texts: list[str] = []
        closed: list[int] = []
        while not closed:
            client.receive_data(connection.recv(65536))
            for event in client.events():
                match event:
                    case AcceptConnection():
                        accepted.append(event.subprotocol)
                        connection.sendall(client.send(TextMessage("hello")))
                    case TextMessage():
                        texts.append(event.data)
                        frames = client.send(BytesMessage(blob))
                        sender = threading.Thread(target=connection.sendall, args=(frames,))
                        sender.start()
                    case BytesMessage():
                        received += event.data
                        if event.message_finished and len(received) == len(blob):
                            sender.join()
                            connection.sendall(client.send(CloseConnection(1000)))
                    case CloseConnection():
                        closed.append(event.code)
                    case _:
                        raise AssertionError(event)
        assert (accepted, texts, closed) == (["soap"], ["HELLO"], [1000])
        assert received == blob
        assert read_to_end(connection) == b""
    line = logged(forwarder)[0]
    assert (line["status"], line["reason"], line["path"]) == (101, "", "/chat?room=1")
    bytes_in, bytes_out = line["bytes_in"], line["bytes_out"]
    assert isinstance(bytes_in, int)
    assert isinstance(bytes_out, int)
    assert min(bytes_in, bytes_out) > len(blob)


# The tunnel


def test_bytes_sent_too_early_are_not_lost(forwarder: ForwarderProcess) -> None:
    """Behind the request by the client, behind the 101 by the replica: in one segment with it."""

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(SWITCHED + b"welcome")
        assert connection.read_exactly(5) == b"early"

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        rest = open_tunnel(connection, UPGRADE + b"early")
        assert rest + read_to_end(connection) == b"welcome"


def test_each_side_ends_for_itself(forwarder: ForwarderProcess) -> None:
    """Half-close, the client first: the replica sees the end, and its answer to that comes through."""

    def behave(connection: OriginConnection) -> None:
        switch(connection)
        connection.send(b"you said " + connection.read_to_end())

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        rest = open_tunnel(connection)
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        assert rest + read_to_end(connection) == b"you said hello"
    line = logged(forwarder)[0]
    assert (line["reason"], line["bytes_in"], line["bytes_out"]) == ("", 5, 14)


def test_the_replica_may_end_first(forwarder: ForwarderProcess) -> None:
    received: list[bytes] = []

    def behave(connection: OriginConnection) -> None:
        switch(connection)
        connection.send(b"bye")
        connection.socket.shutdown(socket.SHUT_WR)
        received.append(connection.read_to_end())

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        assert open_tunnel(connection) + read_to_end(connection) == b"bye"
        connection.sendall(PIECE * 20 + b"the end")
        connection.close()
        wait_for(lambda: received, "the end at the replica")
    assert received == [PIECE * 20 + b"the end"]
    assert logged(forwarder)[0]["reason"] == ""


@pytest.mark.parametrize("slow_side", ["client", "replica"])
def test_who_does_not_take_stops_who_sends(forwarder: ForwarderProcess, slow_side: str) -> None:
    """Back-pressure: what the balancer takes in is bounded, and all of it arrives when it is taken again."""
    total = 160 * len(PIECE)
    stuck, go_on = threading.Event(), threading.Event()
    arrived: list[int] = []

    def pour(sender: socket.socket) -> None:
        sent = 0
        sender.settimeout(1.0)
        while sent < total:
            try:
                sent += sender.send(PIECE[: total - sent])
            except TimeoutError:
                if not stuck.is_set():
                    assert sent < total / 2
                stuck.set()
        sender.shutdown(socket.SHUT_WR)

    def drink(receiver: socket.socket, before: int = 0) -> None:
        assert stuck.wait(WAIT_S)
        count = before
        while data := receiver.recv(65536):
            count += len(data)
        arrived.append(count)

    def behave(connection: OriginConnection) -> None:
        switch(connection)
        if slow_side == "client":
            pour(connection.socket)
            connection.read_to_end()
        else:
            drink(connection.socket)
        assert go_on.wait(WAIT_S)

    with running_origin(behave, tight=True) as origin, socket.socket() as connection:
        take_little(connection)
        connection.settimeout(WAIT_S)
        connection.connect((forwarder.address.host, forwarder.address.port))
        forwarder.send_view(a_view([origin.address]))
        came_with_the_switch = open_tunnel(connection)
        if slow_side == "client":
            drink(connection, len(came_with_the_switch))
            connection.shutdown(socket.SHUT_WR)
        else:
            pour(connection)
        wait_for(lambda: arrived, "all of it")
        go_on.set()
    assert arrived == [total]


def test_a_tunnel_is_counted_and_holds_its_replica(forwarder: ForwarderProcess) -> None:
    with running_origin(echo) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        assert open_tunnel(connection) == b""
        connection.sendall(b"hello")
        assert read_exactly(connection, 5) == b"hello"
        figures = wait_for(
            lambda: (now := forwarder.latest_telemetry()).tunnels.bytes_out == 5 and now, "the tunnel's bytes"
        )
        assert (figures.tunnels.open, figures.tunnels.opened, figures.tunnels.bytes_in) == (1, 1, 5)
        assert (figures.active_requests, figures.connections) == (0, 1)
        assert [replica.in_flight for replica in figures.replicas] == [1]
        assert not forwarder.log_lines()
        connection.shutdown(socket.SHUT_WR)
        assert read_to_end(connection) == b""
        figures = wait_for(lambda: (now := forwarder.latest_telemetry()).tunnels.open == 0 and now, "its end")
        assert (figures.tunnels.opened, figures.connections) == (1, 0)
    assert [line["status"] for line in logged(forwarder)] == [101]


def test_the_log_tells_what_opening_a_tunnel_took(forwarder: ForwarderProcess) -> None:
    """And not what a connection took that was there already."""

    def behave(connection: OriginConnection) -> None:
        if b"/chat" not in connection.read_head():
            connection.answer(b"pooled")
            connection.read_head()
        connection.send(SWITCHED)

    with running_origin(behave) as origin:
        forwarder.send_view(a_view([origin.address]))
        with forwarder.connect() as connection:
            assert read_to_end_of_tunnel(connection) == b""
        with forwarder.connect() as connection:
            assert RawClient(connection).exchange(GET).body == b"pooled"
            assert read_to_end_of_tunnel(connection) == b""
    made, _, pooled = logged(forwarder, 3)
    connect_us, first_byte_us, duration_us = made["connect_us"], made["first_byte_us"], made["duration_us"]
    assert isinstance(connect_us, int)
    assert isinstance(first_byte_us, int)
    assert isinstance(duration_us, int)
    assert 0 < connect_us < first_byte_us < duration_us
    assert "connect_us" not in pooled
    assert "first_byte_us" in pooled


def test_nothing_follows_on_a_connection_that_was_a_tunnel(forwarder: ForwarderProcess) -> None:
    """Neither connection is used again: what is behind the tunnel is no HTTP."""

    def behave(connection: OriginConnection) -> None:
        head = connection.read_head()
        if b"/chat" not in head:
            connection.answer(b"a new one")
            return
        connection.send(SWITCHED)
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.read_to_end() == GET

    with running_origin(behave) as origin:
        forwarder.send_view(a_view([origin.address]))
        with forwarder.connect() as connection:
            rest = open_tunnel(connection)
            connection.sendall(GET)
            connection.shutdown(socket.SHUT_WR)
            assert rest + read_to_end(connection) == b""
        with forwarder.connect() as connection:
            assert RawClient(connection).exchange(GET).body == b"a new one"
        assert origin.connections == 2


def test_a_silent_tunnel_ends(forwarder: ForwarderProcess) -> None:
    with running_origin(echo) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=Timeouts(idle_s=60.0, tunnel_s=0.3)))
        assert open_tunnel(connection) + read_to_end(connection) == b""
        line = logged(forwarder)[0]
        assert (line["reason"], line["status"]) == ("tunnel_idle", 101)


def test_a_tunnel_of_which_half_is_left_may_be_silent_for_less(forwarder: ForwarderProcess) -> None:
    ended = threading.Event()

    def behave(connection: OriginConnection) -> None:
        switch(connection)
        assert connection.read_to_end() == b""
        assert ended.wait(WAIT_S)

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=Timeouts(idle_s=0.3, tunnel_s=3600.0)))
        assert open_tunnel(connection) == b""
        connection.shutdown(socket.SHUT_WR)
        assert read_to_end(connection) == b""
        ended.set()
    assert logged(forwarder)[0]["reason"] == "tunnel_idle"


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def test_a_client_that_breaks_the_tunnel_breaks_it_for_the_replica(forwarder: ForwarderProcess) -> None:
    broken = threading.Event()

    def behave(connection: OriginConnection) -> None:
        switch(connection)
        try:
            connection.read_to_end()
        except ConnectionResetError:
            broken.set()

    with running_origin(behave) as origin:
        forwarder.send_view(a_view([origin.address]))
        connection = forwarder.connect()
        open_tunnel(connection)
        reset(connection)
        assert broken.wait(WAIT_S)
    assert logged(forwarder)[0]["reason"] == "client_closed"


def test_a_replica_that_breaks_the_tunnel_breaks_it_for_the_client(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        switch(connection)
        assert connection.read_exactly(1) == b"x"
        reset(connection.socket)

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        open_tunnel(connection)
        connection.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            read_to_end(connection)
    assert logged(forwarder)[0]["reason"] == "upstream_reset"


def test_a_drain_gives_tunnels_its_whole_time_and_then_ends_them(forwarder: ForwarderProcess) -> None:
    with running_origin(echo) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        open_tunnel(connection)
        forwarder.drain(3.0)
        connection.sendall(b"still there?")
        assert read_exactly(connection, 12) == b"still there?"
        assert read_to_end(connection) == b""
        assert forwarder.process.wait(WAIT_S) == 0
    line = logged(forwarder)[0]
    assert (line["reason"], line["bytes_in"]) == ("drained", 12)


# Asking, and being declined


@pytest.mark.parametrize("status", [b"200 OK", b"426 Upgrade Required", b"403 Forbidden"])
def test_a_replica_may_decline(forwarder: ForwarderProcess, status: bytes) -> None:
    """A normal response, and both connections serve on."""

    def behave(connection: OriginConnection) -> None:
        while connection.read_head():
            connection.answer(b"no", status=status, fields=b"Connection: upgrade\r\nUpgrade: bar\r\n")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        for request in (UPGRADE, GET, UPGRADE):
            response = client.exchange(request)
            assert (response.status, response.body) == (int(status[:3]), b"no")
            assert response.fields.get(b"upgrade") == (b"bar" if response.status == 426 else None)
        assert origin.connections == 1


def test_the_next_request_may_be_there_already_when_the_replica_declines(forwarder: ForwarderProcess) -> None:
    with running_origin(answering(b"no")) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(UPGRADE + GET)
        client = RawClient(connection)
        assert [client.response().status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    ("request_head", "answer"),
    [
        (GET, SWITCHED),
        (UPGRADE, SWITCHED.replace(b"Upgrade: foo", b"Upgrade: bar")),
        (UPGRADE, SWITCHED.replace(b"Connection: Upgrade\r\n", b"")),
        (UPGRADE.replace(b"foo", b"h2c"), SWITCHED.replace(b"foo", b"h2c")),
        (UPGRADE.replace(b"1.1", b"1.0"), SWITCHED),
        (UPGRADE.replace(b"Connection: Upgrade\r\n", b""), SWITCHED),
        (UPGRADE[:-2] + b"Content-Length: 5\r\n\r\n1234", SWITCHED),
    ],
)
def test_a_switch_that_was_not_asked_for_is_a_502(
    forwarder: ForwarderProcess, request_head: bytes, answer: bytes
) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(answer + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        connection.read_to_end()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], retries=0))
        response = RawClient(connection).exchange(request_head)
        assert response.status == 502
        assert b"forged" not in response.body
    assert logged(forwarder)[0]["reason"] == "bad_response"


def test_an_upgrade_with_a_body(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        assert b"foo" in connection.read_head()
        assert connection.read_exactly(5) == b"12345"
        connection.send(SWITCHED + b"thanks")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(UPGRADE[:-2] + b"Content-Length: 5\r\n\r\n")
        assert open_tunnel(connection, b"12345") + read_to_end(connection) == b"thanks"
    assert logged(forwarder)[0]["bytes_in"] == 5


# CONNECT


def test_connect_reaches_a_service_that_takes_it(forwarder: ForwarderProcess) -> None:
    """The framing that the replica names does not count, and is not passed on (RFC 9110 §9.3.6)."""
    heads: list[bytes] = []

    def behave(connection: OriginConnection) -> None:
        heads.append(connection.read_head())
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Proxy: p\r\n\r\nwelcome")
        assert connection.read_exactly(5) == b"hello"

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], connect=True))
        connection.sendall(CONNECT + b"hello")
        head, _, rest = read_to_end(connection).partition(b"\r\n\r\n")
    assert rest == b"welcome"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"X-Proxy: p" in head
    assert b"content-length" not in head.lower()
    assert b"connection:" not in head.lower()
    assert heads[0].startswith(b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n")
    line = logged(forwarder)[0]
    assert (line["method"], line["path"], line["status"]) == ("CONNECT", "db.example:5432", 200)
    assert (line["bytes_in"], line["bytes_out"]) == (5, 7)


@pytest.mark.parametrize("fields", [b"", b"Connection: close\r\n"])
def test_a_replica_may_refuse_to_connect(forwarder: ForwarderProcess, fields: bytes) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        fields_out = b"Proxy-Authenticate: Basic\r\n" + fields
        connection.answer(b"who are you?", status=b"407 Proxy Authentication Required", fields=fields_out)
        connection.read_to_end()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], connect=True))
        client = RawClient(connection)
        connection.sendall(CONNECT)
        response = client.response()
        assert (response.status, response.body) == (407, b"who are you?")
        assert response.fields[b"proxy-authenticate"] == b"Basic"
        assert client.at_end()


def test_connect_is_refused_by_default(forwarder: ForwarderProcess) -> None:
    heads: list[bytes] = []
    with running_origin(answering(heads=heads)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        response = client.exchange(CONNECT)
        assert response.status == 405
        assert b"CONNECT" not in response.fields[b"allow"]
        assert client.at_end()
    assert not heads
    assert logged(forwarder)[0]["reason"] == "method_not_allowed"
