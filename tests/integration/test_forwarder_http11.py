"""A real forwarder process and the finer points of HTTP/1.1: early answers, versions, ends, pipelining, paths."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from lbmesh.model.limits import DISCARD_BYTES_MAX, INFORMATIONAL_RESPONSES_MAX, ForwarderLimits
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.traffic import Timeouts
from tests.support.forwarders import WAIT_S, ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, answering, refused_address, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECTING = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def logged(forwarder: ForwarderProcess, count: int = 1) -> list[dict[str, object]]:
    wait_for(lambda: len(forwarder.log_lines()) >= count, f"{count} lines in the access log")
    return forwarder.log_lines()


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def post(size: int, *fields: bytes) -> bytes:
    return b"\r\n".join((b"POST / HTTP/1.1", b"Host: a", b"Content-Length: %d" % size, *fields, b"", b""))


# Answers ahead of the end of their request (RFC 9112 §9.5, RFC 9110 §10.1.1)


def refuse_posts(connection: OriginConnection) -> None:
    """401 as soon as the head of a POST is there; then nothing more from this connection."""
    while head := connection.read_head():
        if not head.startswith(b"POST"):
            connection.answer(b"served")
            continue
        connection.answer(b"who?", status=b"401 Unauthorized")
        with suppress(ConnectionResetError):
            connection.read_to_end()
        return


def test_a_client_stays_after_an_early_answer_to_a_small_request(forwarder: ForwarderProcess) -> None:
    """The rest of its body is thrown away, and the next request behind it is served, over another connection."""
    with running_origin(refuse_posts) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        connection.sendall(post(1000) + b"x" * 100)
        response = client.response(b"POST")
        assert (response.status, response.body) == (401, b"who?")
        assert b"connection" not in response.fields
        connection.sendall(b"x" * 900 + GET)
        assert client.response().body == b"served"
        assert origin.connections == 2
    assert [line["status"] for line in logged(forwarder, 2)] == [401, 200]


@pytest.mark.parametrize("head", [post(DISCARD_BYTES_MAX + 2), CHUNKED_POST])
def test_a_client_with_more_to_send_is_told_to_close(forwarder: ForwarderProcess, head: bytes) -> None:
    with running_origin(refuse_posts) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        connection.sendall(head + b"1")
        response = client.response(b"POST")
        assert (response.status, response.fields.get(b"connection")) == (401, b"close")
        assert client.at_end()


def test_a_client_that_waits_for_100_is_told_to_close(forwarder: ForwarderProcess) -> None:
    """What it sends next could be its body or another request: nobody may have to guess."""
    with running_origin(refuse_posts) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        connection.sendall(post(len(GET), b"Expect: 100-continue"))
        response = client.response(b"POST")
        assert (response.status, response.informational) == (401, ())
        assert response.fields[b"connection"] == b"close"
        with suppress(ConnectionError):
            connection.sendall(GET + GET)
        assert client.at_end()
    assert len(logged(forwarder)) == 1


def test_the_rest_of_a_request_is_not_waited_for_for_ever(forwarder: ForwarderProcess) -> None:
    with running_origin(refuse_posts) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], limits=ForwarderLimits(keepalive_timeout_s=0.3)))
        client = RawClient(connection)
        connection.sendall(post(1000) + b"x")
        assert client.response(b"POST").status == 401
        assert client.at_end()


def test_a_request_that_ends_while_it_is_answered_costs_no_connection(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        while head := connection.read_head():
            if head.startswith(b"GET"):
                connection.answer(b"served")
                continue
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
            connection.send(b"got " + connection.read_exactly(2))

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        connection.sendall(post(2))
        assert b"\r\n\r\n" in connection.recv(65536, socket.MSG_PEEK)
        connection.sendall(b"it")
        assert client.response(b"POST").body == b"got it"
        assert client.exchange(GET).body == b"served"
        assert origin.connections == 1


# Expect


def test_a_replica_that_never_says_100(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        while connection.read_head():
            connection.answer(connection.read_exactly(5))

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        for _ in range(2):
            connection.sendall(EXPECTING)
            connection.sendall(b"12345")
            assert client.response(b"PUT").body == b"12345"


def test_a_client_that_waits_for_a_replica_of_http_1_0_is_told_to_go_on(forwarder: ForwarderProcess) -> None:
    """RFC 9110 §10.1.1: what the replica cannot say is said here, once its version is known."""

    def behave(connection: OriginConnection) -> None:
        head = connection.read_head()
        body = connection.read_exactly(5) if head.startswith(b"PUT") else b""
        connection.send(b"HTTP/1.0 200 OK\r\n\r\ngot " + body)

    with running_origin(behave) as origin:
        forwarder.send_view(a_view([origin.address]))
        with forwarder.connect() as connection:
            assert RawClient(connection).exchange(GET).body == b"got "
        with forwarder.connect() as connection:
            connection.sendall(EXPECTING)
            assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b"12345")
            assert RawClient(connection).response(b"PUT").body == b"got 12345"


# Interim responses (RFC 9110 §15.2)


def test_interim_responses_come_through_in_order(forwarder: ForwarderProcess) -> None:
    interim = [b"HTTP/1.1 103 Early Hints\r\nLink: <%d>\r\n\r\n" % n for n in range(INFORMATIONAL_RESPONSES_MAX)]

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"".join(interim[:8]))
        for one in interim[8:]:
            connection.send(one)
        connection.answer(b"final", fields=b"Connection: close\r\n")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET[:-2] + b"Connection: close\r\n\r\n")
        received = read_to_end(connection)
    assert received.startswith(b"".join(interim) + b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\nfinal")


def test_an_http_1_0_client_gets_no_interim_response(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n")
        connection.answer(b"final")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 OK\r\n")


# Versions, and who keeps a connection (RFC 9112 §9.3)

CLIENTS = {
    b"GET / HTTP/1.0\r\nHost: a\r\n\r\n": (b"close", False),
    b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n": (b"keep-alive", True),
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n": (None, True),
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n": (b"close", False),
}
REPLICAS = {
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok": (False, True),
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nok": (True, True),
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok": (True, True),
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok": (False, True),
    b"HTTP/1.0 200 OK\r\n\r\nok": (False, False),
    b"HTTP/1.1 200 OK\r\n\r\nok": (False, False),
}
"""Does the replica's connection stay, and is the end of the response known without it?"""


@pytest.mark.parametrize("request_head", CLIENTS)
def test_who_keeps_a_connection(forwarder: ForwarderProcess, request_head: bytes) -> None:
    said, stays = CLIENTS[request_head]
    answer = b""

    def behave(connection: OriginConnection) -> None:
        while connection.read_head():
            connection.send(answer)
            if not REPLICAS[answer][0]:
                return

    for number, (answer, (kept, framed)) in enumerate(REPLICAS.items(), 1):
        with running_origin(behave) as origin, forwarder.connect() as connection:
            forwarder.send_view(a_view([origin.address], number=number))
            client = RawClient(connection)
            response = client.exchange(request_head)
            assert response.body == b"ok"
            assert response.fields.get(b"connection") == (said if framed else b"close"), answer
            if not (stays and framed):
                assert client.at_end()
                continue
            assert client.exchange(request_head).body == b"ok"
            assert origin.connections == (1 if kept else 2), answer


def test_the_version_of_each_message_is_in_via(forwarder: ForwarderProcess) -> None:
    heads: list[bytes] = []

    def behave(connection: OriginConnection) -> None:
        heads.append(connection.read_head())
        connection.send(b"HTTP/1.0 200 OK\r\nVia: 1.1 inner\r\n\r\nok")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(b"GET / HTTP/1.0\r\nVia: 1.1 outer\r\n\r\n")
        answer = read_to_end(connection)
    assert re.findall(rb"Via: (.*)\r\n", heads[0]) == [b"1.1 outer", b"1.0 lbmesh"]
    assert re.findall(rb"Via: (.*)\r\n", answer) == [b"1.1 inner", b"1.0 lbmesh"]


def test_trailers_go_through_both_ways(forwarder: ForwarderProcess) -> None:
    heads: list[bytes] = []
    body = b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n"
    framing = b"Transfer-Encoding: chunked\r\nTrailer: X-Sum, X-Other\r\n"

    def behave(connection: OriginConnection) -> None:
        heads.append(connection.read_head())
        assert connection.read_exactly(len(body)) == body
        connection.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body)

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n" + framing + b"\r\n" + body
        )
        answer = read_to_end(connection)
    assert {b"TE: trailers", b"Connection: TE", b"Trailer: X-Sum, X-Other"} <= set(heads[0].split(b"\r\n"))
    assert b"Trailer: X-Sum, X-Other" in answer
    assert answer.endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("name", [b"Content-Length", b"Host", b"transfer_encoding", b"Connection", b"X-Forwarded-For"])
def test_a_trailer_that_may_be_none(forwarder: ForwarderProcess, name: bytes) -> None:
    """RFC 9110 §6.5.1: the last chunk is held back, so that the replica never takes the request for whole."""
    received: list[bytes] = []

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        received.append(connection.read_to_end())

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert client.exchange(head + b"3\r\nabc\r\n0\r\n" + name + b": 5\r\n\r\n").status == 400
        wait_for(lambda: received, "the end at the replica")
    assert name not in received[0]
    assert not received[0].endswith(b"\r\n\r\n")


# Our own word in what goes out


def test_a_date_is_put_where_none_is(forwarder: ForwarderProcess) -> None:
    """RFC 9110 §6.6.1; also from the second response on, whose head is remembered."""
    with running_origin(answering()) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        dates = [client.exchange(GET).fields[b"date"].decode() for _ in range(3)]
        assert all(parsedate_to_datetime(date) for date in dates)
        wait_for(lambda: client.exchange(GET).fields[b"date"].decode() != dates[0], "another second")


@pytest.mark.parametrize("field", [b"Date: Sun, 06 Nov 1994 08:49:37 GMT", b"date:Sun, 06 Nov 1994 08:49:37 GMT"])
def test_a_date_that_is_there_stays_alone(forwarder: ForwarderProcess, field: bytes) -> None:
    with running_origin(answering(fields=field + b"\r\n")) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET + GET[:-2] + b"Connection: close\r\n\r\n")
        received = read_to_end(connection)
    assert received.lower().count(b"\r\ndate:") == received.count(field) == 2


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [(b"GET", b"", 503), (b"HEAD", b"", 503), (b"GET", b"Host: b\r\n", 400), (b"HEAD", b"Host: b\r\n", 400)],
)
def test_our_own_answers_are_dated_and_have_no_body_for_head(
    forwarder: ForwarderProcess, method: bytes, fields: bytes, status: int
) -> None:
    forwarder.send_view(a_view([]))
    with forwarder.connect() as connection:
        connection.sendall(method + b" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + fields + b"\r\n")
        head, end, body = read_to_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert end
    assert len(re.findall(rb"\r\nDate: ", head)) == 1
    assert bool(body) == (method == b"GET")


# Ends of connections


def test_a_client_that_resets_its_connection_ends_the_request_at_the_replica(forwarder: ForwarderProcess) -> None:
    arrived, left = threading.Event(), threading.Event()

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        arrived.set()
        with suppress(ConnectionResetError):
            connection.read_to_end()
        left.set()

    with running_origin(behave) as origin:
        forwarder.send_view(a_view([origin.address]))
        connection = forwarder.connect()
        connection.sendall(GET)
        assert arrived.wait(WAIT_S)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()
        assert left.wait(WAIT_S)
    assert logged(forwarder)[0]["reason"] == "client_closed"


@pytest.mark.parametrize("abort_on_close", [False, True])
def test_a_client_that_closes_while_it_waits(forwarder: ForwarderProcess, abort_on_close: bool) -> None:
    """By default half a close is no end. Where it is, the replica is let go of before it has answered."""
    arrived, go_on = threading.Event(), threading.Event()
    seen: list[bool] = []

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        arrived.set()
        if abort_on_close:
            seen.append(connection.read_to_end() == b"")
        else:
            assert go_on.wait(WAIT_S)
            connection.answer(b"late")

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], abort_on_close=abort_on_close))
        connection.sendall(GET)
        assert arrived.wait(WAIT_S)
        connection.shutdown(socket.SHUT_WR)
        if abort_on_close:
            assert read_to_end(connection) == b""
            wait_for(lambda: seen, "the end at the replica")
        else:
            go_on.set()
            assert RawClient(connection).response().body == b"late"
    assert logged(forwarder)[0]["reason"] == ("client_closed" if abort_on_close else "")


def test_a_refused_client_that_sends_on_still_reads_why(forwarder: ForwarderProcess) -> None:
    """RFC 9112 §9.6: closing with bytes unread would reset the connection, and the answer would be lost."""
    with forwarder.connect() as connection:
        forwarder.send_view(a_view([]))
        connection.sendall(b"POST / HTTP/9.9\r\nHost: a\r\n\r\n")
        wait_for(lambda: forwarder.log_lines(), "the refusal")
        for _ in range(8):
            connection.sendall(b"x" * 65536)
        assert read_to_end(connection).startswith(b"HTTP/1.1 505 ")


# Pipelining (RFC 9112 §9.3.2)


def test_pipelined_answers_keep_their_order_whatever_they_are(forwarder: ForwarderProcess) -> None:
    """A slow first one, bodies, a failure of the replica and one of ours: each waits for those before it."""
    slow = threading.Event()

    def behave(connection: OriginConnection) -> None:
        while head := connection.read_head():
            path = head.split(b" ")[1]
            if path == b"/slow":
                assert slow.wait(WAIT_S)
            if path == b"/broken":
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")
                return
            body = connection.read_exactly(5) if head.startswith(b"POST") else b""
            if b"chunked" in head:
                body = connection.read_until(b"0\r\n\r\n")
            connection.answer(path + b" " + body)

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], retries=0))
        connection.sendall(
            b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
            b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /"
            b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n"
            b"PUT /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n"
            b"HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n"
            b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        slow.set()
        client = RawClient(connection)
        assert client.response().body == b"/slow "
        assert client.response(b"POST").body == b"/body GET /"
        assert client.response().status == 502
        assert client.response(b"PUT").body == b"/chunks 3\r\nGET\r\n0\r\n\r\n"
        assert client.response(b"HEAD").body == b""
        last = client.response()
        assert (last.body, last.fields[b"connection"]) == (b"/last ", b"close")
        assert client.at_end()
    assert [line["path"] for line in logged(forwarder, 6)] == [
        "/slow", "/body", "/broken", "/chunks", "/head", "/last",
    ]  # fmt: skip


def test_nothing_behind_a_refusal_is_answered(forwarder: ForwarderProcess) -> None:
    """Where one message's end is in doubt, there is no next one."""
    heads: list[bytes] = []
    with running_origin(answering(heads=heads)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET + b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" + GET)
        received = read_to_end(connection)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", received) == [b"200", b"400"]
    assert len(heads) == 1


# Paths (RFC 3986 §6.2.2)


def test_no_spelling_leads_past_a_path_rule(forwarder: ForwarderProcess) -> None:
    heads: list[bytes] = []
    with running_origin(answering(b"open", heads=heads)) as origin:
        view = a_view([origin.address])
        closed = replace(view.services[0], name="closed", replicas=())
        rules = (
            Route(("*",), ("/",), (WeightedService("app"),)),
            Route(("*",), ("/admin",), (WeightedService("closed"),)),
        )
        forwarder.send_view(replace(view, routes=rules, services=(*view.services, closed)))
        for path, status in (
            (b"/x/%2e%2e/y", 200),
            (b"/group%2Fproject", 200),
            (b"/x/../admin", 503),
            (b"/%61dmin", 503),
            (b"//admin", 503),
            (b"/x%2f..%2fadmin", 400),
            (b"/x/..;/admin", 400),
            (b"/x/%252e%252e/admin", 400),
        ):
            with forwarder.connect() as connection:
                response = RawClient(connection).exchange(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
            assert response.status == status, path
    assert [head.split(b" ")[1] for head in heads] == [b"/x/%2e%2e/y", b"/group%2Fproject"]
    assert {line["reason"] for line in logged(forwarder, 8)} == {"", "no_replica", "ambiguous_path"}


def test_a_request_without_an_authority_takes_the_route_for_any_host(forwarder: ForwarderProcess) -> None:
    with running_origin(answering(b"any")) as origin, forwarder.connect() as connection:
        view = a_view([origin.address])
        forwarder.send_view(replace(view, routes=(*view.routes, Route(("a",), ("/",), (WeightedService("app"),)))))
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_to_end(connection).endswith(b"any")


def test_timeouts_hold_while_a_client_waits_for_100(forwarder: ForwarderProcess) -> None:
    """Neither side says a word: the balancer does not hang."""

    def behave(connection: OriginConnection) -> None:
        connection.read_to_end()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=Timeouts(idle_s=0.3)))
        assert RawClient(connection).exchange(EXPECTING).status == 408


def test_no_retry_hides_that_a_client_waits_for_100(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        assert b"Expect: 100-continue" in connection.read_head()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.answer(connection.read_exactly(5))

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([refused_address(), refused_address(), origin.address]))
        connection.sendall(EXPECTING)
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"12345")
        assert RawClient(connection).response(b"PUT").body == b"12345"
