"""A real forwarder process and clients that send what must not be forwarded, or too slowly, or too much."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbmesh.model.limits import HEAD_BYTES_MAX, ForwarderLimits
from lbmesh.model.traffic import Timeouts
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, answering, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

LONG = b"x" * HEAD_BYTES_MAX


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def logged(forwarder: ForwarderProcess) -> dict[str, object]:
    wait_for(forwarder.log_lines, "line in the access log")
    return forwarder.log_lines()[0]


@pytest.mark.parametrize(
    ("request_bytes", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "bad_request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, "bad_request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "not_implemented"),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400, "bad_request"),
        (b"GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "not_implemented"),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, "method_not_allowed"),
        (b"GET /" + LONG[:20_000] + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "target_too_long"),
        (b"GET /" + LONG, 414, "target_too_long"),
        (b"GET /" + LONG + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "target_too_long"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", 200, "final_recipient"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + LONG + b"\r\n\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + LONG, 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, "head_too_large"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400, "tls_on_plain_port"),
    ],
)
def test_refused_closed_and_never_forwarded(
    forwarder: ForwarderProcess, request_bytes: bytes, status: int, reason: str
) -> None:
    heads: list[bytes] = []
    with running_origin(answering(heads=heads)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        response = client.exchange(request_bytes)
        assert response.status == status
        assert client.at_end()
        line = logged(forwarder)
        assert (line["status"], line["reason"]) == (status, reason)
        assert line["detail"]
        assert not heads


@pytest.mark.parametrize(
    "body",
    [b"5\r\nhelloX\r\n0\r\n\r\n", b"-5\r\nhello\r\n", b"5\nhello\r\n", b"0x5\r\nhello\r\n", b"5 \r\n", b"F" * 300],
)
def test_malformed_chunks_end_the_request(forwarder: ForwarderProcess, body: bytes) -> None:
    received: list[bytes] = []

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        received.append(connection.read_to_end())

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        response = client.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        assert response.status == 400
        assert client.at_end()
        line = logged(forwarder)
        assert line["reason"] == "bad_request"
        assert "chunk" in str(line["detail"])
    assert b"0\r\n\r\n" not in b"".join(received)


def test_a_head_that_dribbles_in_is_timed_out(forwarder: ForwarderProcess) -> None:
    with forwarder.connect() as connection:
        forwarder.send_view(a_view([], limits=ForwarderLimits(head_timeout_s=0.3)))
        client = RawClient(connection)
        assert client.exchange(b"GET / HTTP/1.1\r\nHost:").status == 408
        assert client.at_end()
        assert logged(forwarder)["reason"] == "head_timeout"


def test_an_idle_connection_is_closed(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], limits=ForwarderLimits(keepalive_timeout_s=0.3)))
        client = RawClient(connection)
        assert client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
        assert client.at_end()


def test_a_body_that_stops_is_timed_out(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_to_end()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=Timeouts(idle_s=0.3)))
        client = RawClient(connection)
        response = client.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nonly this")
        assert response.status == 408
        assert logged(forwarder)["reason"] == "client_idle"


def test_a_response_that_stops_is_cut_off(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
        connection.read_to_end()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=Timeouts(idle_s=0.3)))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert RawClient(connection).at_end()
        assert logged(forwarder)["reason"] == "upstream_idle"


def test_more_clients_than_allowed_wait_their_turn(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin:
        forwarder.send_view(a_view([origin.address], limits=ForwarderLimits(connections_max=2)))
        first = [RawClient(forwarder.connect()) for _ in range(2)]
        for client in first:
            assert client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
        late = RawClient(forwarder.connect())
        late.socket.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert forwarder.latest_telemetry().connections <= 2
        for client in first:
            client.close()
        assert late.response().status == 200
        late.close()


def test_a_bad_request_leaves_the_others_alone(forwarder: ForwarderProcess) -> None:
    with running_origin(answering(b"fine")) as origin, forwarder.connect() as good, forwarder.connect() as bad:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(good)
        assert client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
        assert RawClient(bad).exchange(b"\x00\x01\x02\r\n\r\n").status == 400
        assert client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").body == b"fine"


def test_one_request_is_one_record_however_its_head_came(forwarder: ForwarderProcess) -> None:
    """The connection lingers after the answer; its head, which came in pieces, must not be timed out then."""
    with running_origin(answering()) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(b"GET / HTTP/1.1\r\nHo")
        wait_for(lambda: forwarder.latest_telemetry().connections == 1, "the connection")
        connection.sendall(b"st: a\r\nConnection: close\r\n\r\n")
        client = RawClient(connection)
        assert client.response().status == 200
        wait_for(lambda: forwarder.latest_telemetry().connections == 0, "the end of lingering")
        assert [line["status"] for line in forwarder.log_lines()] == [200]


def test_a_forwarder_that_stood_still_blames_nobody(forwarder: ForwarderProcess) -> None:
    """What arrived during the pause is read before deadlines are judged."""
    asked, answered = threading.Event(), threading.Event()

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        asked.set()
        assert stopped.wait(20.0)
        connection.answer(b"in time")
        answered.set()

    stopped = threading.Event()
    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=Timeouts(response_s=2.0), retries=0))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(20.0)
        forwarder.process.send_signal(signal.SIGSTOP)
        stopped.set()
        assert answered.wait(20.0)
        time.sleep(2.5)  # the pause itself: longer than the deadline
        forwarder.process.send_signal(signal.SIGCONT)
        assert RawClient(connection).response().body == b"in time"
