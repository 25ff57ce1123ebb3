"""A real forwarder process between real sockets: what goes through, byte for byte."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import h11
import pytest

from lbmesh.model.traffic import Timeouts
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, answering, refused_address, running_origin, silent_address
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

GET = b"GET /hello?x=1 HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")[1:]
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


def logged(forwarder: ForwarderProcess, count: int) -> list[dict[str, object]]:
    wait_for(lambda: len(forwarder.log_lines()) >= count, f"{count} lines in the access log")
    return forwarder.log_lines()


def test_connections_are_kept_on_both_sides(forwarder: ForwarderProcess) -> None:
    with running_origin(answering(b"hello")) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        for _ in range(3):
            response = client.exchange(GET)
            assert (response.status, response.body) == (200, b"hello")
        assert origin.connections == 1


def test_the_replica_is_told_who_asks(forwarder: ForwarderProcess) -> None:
    heads: list[bytes] = []
    with running_origin(answering(heads=heads)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        RawClient(connection).exchange(
            b"GET /a HTTP/1.1\r\nHost: Shop.example.com:8080\r\nX-Forwarded-For: 6.6.6.6\r\n"
            b"X-Forwarded-Proto: https\r\n"
            b"Via: 1.0 before\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 3\r\nTE: trailers\r\n"
            b"Upgrade: h2c\r\nAccept: */*\r\n\r\n"
        )
    fields = fields_of(heads[0])
    names = [name for name, _ in fields]
    assert heads[0].startswith(b"GET /a HTTP/1.1\r\n")
    assert (b"x-forwarded-for", b"127.0.0.1") in fields
    assert names.count(b"x-forwarded-for") == 1
    assert (b"x-forwarded-proto", b"http") in fields
    assert (b"x-forwarded-host", b"Shop.example.com:8080") in fields
    assert (b"host", b"Shop.example.com:8080") in fields
    assert [value for name, value in fields if name == b"via"] == [b"1.0 before", b"1.1 lbmesh"]
    assert names.count(b"x-request-id") == 1
    assert not {b"x-secret", b"keep-alive", b"te", b"upgrade", b"connection"} & set(names)


def test_a_client_may_bring_its_request_id(forwarder: ForwarderProcess) -> None:
    heads: list[bytes] = []
    with running_origin(answering(heads=heads)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        for _ in range(2):
            client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc-123\r\n\r\n")
        client.exchange(GET)
        client.exchange(GET)
    ids = [dict(fields_of(head))[b"x-request-id"] for head in heads]
    assert ids[:2] == [b"abc-123", b"abc-123"]
    assert len({*ids[2:]} - {b"abc-123"}) == 2
    assert [line["request_id"] for line in logged(forwarder, 4)] == [value.decode() for value in ids]


@pytest.mark.parametrize("size", [1, 1000, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_go_through_unchanged_both_ways(forwarder: ForwarderProcess, size: int, chunked: bool) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]

    def echo(connection: OriginConnection) -> None:
        head = connection.read_head()
        if chunked:
            assert b"chunked" in head
            received = connection.read_until(b"\r\n0\r\n\r\n")
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + received)
        else:
            connection.answer(connection.read_exactly(size))

    if chunked:
        pieces = [body[start : start + 70_001] for start in range(0, size, 70_001)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        request = b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + framed
    else:
        request = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + body
    with running_origin(echo) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        sender = threading.Thread(target=connection.sendall, args=(request,))
        sender.start()
        response = RawClient(connection).response(b"POST")
        sender.join()
    assert hashlib.sha256(response.body).digest() == hashlib.sha256(body).digest()
    assert response.status == 200


def test_a_client_that_does_not_read_stops_the_replica(forwarder: ForwarderProcess) -> None:
    """Back-pressure: what the balancer takes in is bounded, however large the response."""
    sent = 0
    stuck = threading.Event()

    def pour(connection: OriginConnection) -> None:
        nonlocal sent
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        connection.socket.settimeout(1.0)
        piece = b"x" * 65536
        try:
            while sent < 1_000_000_000:
                sent += connection.socket.send(piece)
        except TimeoutError:
            stuck.set()

    with running_origin(pour) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET)
        assert stuck.wait(20.0)
        assert sent < 50_000_000


def test_responses_without_a_body(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        while head := connection.read_head():
            if head.startswith(b"HEAD"):
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            elif b"/204" in head:
                connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            elif b"/304" in head:
                connection.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n")
            else:
                connection.answer(b"body")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        assert client.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").fields[b"content-length"] == b"1000"
        assert client.exchange(b"GET /204 HTTP/1.1\r\nHost: a\r\n\r\n").status == 204
        assert client.exchange(b"GET /304 HTTP/1.1\r\nHost: a\r\n\r\n").status == 304
        assert client.exchange(GET).body == b"body"
        assert origin.connections == 1


def test_informational_responses_are_passed_on(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        assert b"expect: 100-continue" in connection.read_head().lower()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = connection.read_exactly(5)
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n")
        connection.answer(body)

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"12345")
        response = RawClient(connection).response(b"PUT")
        assert (response.status, response.body, response.informational) == (200, b"12345", (103,))


def test_pipelined_requests_are_answered_in_order(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        while head := connection.read_head():
            connection.answer(head.split(b" ")[1])

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        connection.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(20)))
        assert [client.response().body for _ in range(20)] == [b"/%d" % number for number in range(20)]


def test_a_response_that_ends_with_the_connection(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        response = client.exchange(GET)
        assert response.body == b"until the end"
        assert response.fields[b"connection"] == b"close"
        assert client.at_end()


def test_an_http_1_0_client_gets_no_chunks(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        assert connection.read_head().startswith(b"GET / HTTP/1.1\r\n")
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        received = b""
        while data := connection.recv(65536):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    assert body == b"abcdefg"
    assert b"chunked" not in head.lower()


def test_a_half_closed_client_still_gets_its_answer(forwarder: ForwarderProcess) -> None:
    release = threading.Event()

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        assert release.wait(20.0)
        connection.answer(b"late")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET)
        connection.shutdown(1)
        release.set()
        assert RawClient(connection).response().body == b"late"


def test_an_answer_ahead_of_the_end_of_the_upload(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.answer(b"too much", status=b"413 Content Too Large", fields=b"Connection: close\r\n")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        client = RawClient(connection)
        response = client.response(b"POST")
        assert (response.status, response.body) == (413, b"too much")
        assert response.fields[b"connection"] == b"close"
        assert client.at_end()


def test_request_and_response_bodies_may_overlap(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
        for _ in range(3):
            connection.send(connection.read_exactly(2))

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
        received = b""
        for pair in (b"ab", b"cd", b"ef"):
            connection.sendall(pair)
            while not received.endswith(pair):
                received += connection.recv(65536)
        assert received.endswith(b"\r\n\r\nabcdef")


def test_a_refused_connection_is_tried_elsewhere(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        while connection.read_head():
            assert connection.read_exactly(2) == b"hi"
            connection.answer(b"alive")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([refused_address(), origin.address]))
        client = RawClient(connection)
        for _ in range(5):
            response = client.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
            assert (response.status, response.body) == (200, b"alive")
        assert {line["reason"] for line in logged(forwarder, 5)} == {""}


def test_when_every_replica_refuses_the_client_is_told(forwarder: ForwarderProcess) -> None:
    with forwarder.connect() as connection:
        forwarder.send_view(a_view([refused_address(), refused_address()]))
        response = RawClient(connection).exchange(GET)
        assert response.status == 503
        assert response.fields[b"retry-after"] == b"1"
        line = logged(forwarder, 1)[0]
        assert (line["reason"], line["status"], line["attempts"]) == ("connect_refused", 503, 3)
        assert str(line["request_id"]).encode() in response.body


def test_a_replica_that_swallows_connections_is_left_for_another(forwarder: ForwarderProcess) -> None:
    with running_origin(answering(b"alive")) as origin, silent_address() as silent:
        forwarder.send_view(a_view([silent, origin.address], timeouts=Timeouts(connect_s=0.2)))
        for _ in range(6):
            with forwarder.connect() as connection:
                assert RawClient(connection).exchange(GET).body == b"alive"


def test_a_replica_that_never_answers(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_to_end()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=Timeouts(response_s=0.3), retries=0))
        response = RawClient(connection).exchange(GET)
        assert response.status == 504
        assert logged(forwarder, 1)[0]["reason"] == "response_timeout"


def test_a_replica_that_never_answers_a_body_that_was_passed_on(forwarder: ForwarderProcess) -> None:
    """How long the client may be silent within its body says nothing of how long the answer to it may take."""

    def behave(connection: OriginConnection) -> None:
        connection.read_to_end()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=Timeouts(response_s=0.3, idle_s=600.0), retries=0))
        response = RawClient(connection).exchange(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )
        assert response.status == 504
        assert logged(forwarder, 1)[0]["reason"] == "response_timeout"


def test_a_timeout_does_not_strand_the_request_behind_it(forwarder: ForwarderProcess) -> None:
    """The second request is in the buffer already: no edge will come for it."""

    def behave(connection: OriginConnection) -> None:
        if b"/slow" in connection.read_head():
            connection.read_to_end()
        connection.answer(b"quick")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=Timeouts(response_s=1.0), retries=0))
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
        client = RawClient(connection)
        assert client.response().status == 504
        assert client.response().body == b"quick"


def test_no_replica_and_no_route(forwarder: ForwarderProcess) -> None:
    forwarder.send_view(a_view([]))
    with forwarder.connect() as connection:
        response = RawClient(connection).exchange(GET)
    assert (response.status, response.fields[b"retry-after"]) == (503, b"1")
    assert logged(forwarder, 1)[0]["reason"] == "no_replica"


def test_a_pooled_connection_that_the_replica_closed_costs_no_request(forwarder: ForwarderProcess) -> None:
    def once(connection: OriginConnection) -> None:
        connection.read_head()
        connection.answer(b"once")

    with running_origin(once) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        for number in range(20):
            method = b"GET" if number % 2 else b"POST"
            if method == b"POST":
                # Who closes just as a POST is on its way cannot be told from who has taken it.
                wait_for(lambda: origin.closed == origin.connections, "the close of what was pooled")
            response = client.exchange(b"%b / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" % method)
            assert response.status == 200
        assert origin.connections == 20


def test_a_post_whose_connection_breaks_is_not_sent_twice(forwarder: ForwarderProcess) -> None:
    heads: list[bytes] = []

    def behave(connection: OriginConnection) -> None:
        heads.append(connection.read_head())

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        response = RawClient(connection).exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert response.status == 502
        assert len(heads) == 1
        assert logged(forwarder, 1)[0]["reason"] == "upstream_closed"


def test_a_get_whose_connection_breaks_is_tried_elsewhere(forwarder: ForwarderProcess) -> None:
    def breaking(connection: OriginConnection) -> None:
        connection.read_head()

    with running_origin(breaking) as broken, running_origin(answering(b"alive")) as origin:
        forwarder.send_view(a_view([broken.address, origin.address]))
        for _ in range(10):
            with forwarder.connect() as connection:
                assert RawClient(connection).exchange(GET).body == b"alive"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
)
def test_a_malformed_response_is_a_502(forwarder: ForwarderProcess, answer: bytes) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(answer)

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], retries=0))
        response = RawClient(connection).exchange(GET)
        assert response.status == 502
        assert logged(forwarder, 1)[0]["reason"] == "bad_response"


def test_a_response_cut_off_is_not_taken_for_whole(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET)
        with pytest.raises((ConnectionResetError, h11.RemoteProtocolError)):
            RawClient(connection).response()
        assert logged(forwarder, 1)[0]["reason"] == "upstream_closed"


def test_surplus_bytes_never_reach_another_request(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
        )
        connection.read_to_end()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        assert [client.exchange(GET).body for _ in range(3)] == [b"ok"] * 3
        assert origin.connections == 3


def test_a_client_that_leaves_lets_go_of_the_replica(forwarder: ForwarderProcess) -> None:
    closed = threading.Event()

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            while True:
                connection.send(b"x" * 65536)
        except OSError:
            closed.set()
            raise

    with running_origin(behave) as origin:
        forwarder.send_view(a_view([origin.address]))
        with forwarder.connect() as connection:
            connection.sendall(GET)
            connection.recv(1000)
        assert closed.wait(20.0)
        assert logged(forwarder, 1)[0]["reason"] == "client_closed"


def test_the_log_tells_what_a_new_connection_took_and_nothing_of_a_pooled_one(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        for _ in range(2):
            assert client.exchange(GET).status == 200
    first, second = logged(forwarder, 2)
    assert isinstance(first["connect_us"], int)
    assert isinstance(first["duration_us"], int)
    assert 0 < first["connect_us"] < first["duration_us"]
    assert "connect_us" not in second


def test_the_log_tells_the_first_byte_from_the_last(forwarder: ForwarderProcess) -> None:
    """Where the response comes in pieces: else the first is the last."""
    told = threading.Event()

    def in_two(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        told.wait(20.0)
        connection.send(b"b")

    with running_origin(in_two) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET)
        received = b""
        while not received.endswith(b"\r\n\r\na"):
            data = connection.recv(65536)
            assert data
            received += data
        told.set()
        assert connection.recv(65536) == b"b"
    with running_origin(answering(b"ab")) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], number=2))
        assert RawClient(connection).exchange(GET).body == b"ab"
    first, second = logged(forwarder, 2)
    assert isinstance(first["first_byte_us"], int)
    assert isinstance(first["duration_us"], int)
    assert 0 < first["first_byte_us"] < first["duration_us"]
    assert "first_byte_us" not in second
