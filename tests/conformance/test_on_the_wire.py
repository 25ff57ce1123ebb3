"""Every request case through a real forwarder: what is refused is answered, closed and never forwarded."""

import socket
from collections.abc import Iterator

import pytest

from lbmesh.http1.message import CHUNKED
from tests.conformance.request_cases import ACCEPTED, CONNECTING, REFUSED, Accepted, Refused
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, running_origin

LEFT_TO_THE_CLOCK = {"9112-3 an empty request line"}
"""Empty lines before a request are skipped (RFC 9112 §2.2), so that such a client is waited for."""


class Replica:
    """What reached the replica: heads, and bodies as they were framed."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def behave(self, connection: OriginConnection) -> None:
        while head := connection.read_head():
            body = b""
            if b"chunked" in head.lower():
                body = connection.read_until(b"0\r\n\r\n")
            elif b"content-length:" in head.lower():
                body = connection.read_exactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            self.received.append(head + body)
            connection.answer()


@pytest.fixture(scope="module")
def replica() -> Replica:
    return Replica()


@pytest.fixture(scope="module")
def forwarder(tmp_path_factory: pytest.TempPathFactory, replica: Replica) -> Iterator[ForwarderProcess]:
    with (
        running_origin(replica.behave) as origin,
        running_forwarder(tmp_path_factory.mktemp("wire"), a_view([origin.address])) as process,
    ):
        yield process


def everything_from(connection: socket.socket) -> bytes:
    """What the forwarder sends until it closes."""
    pieces = []
    while data := connection.recv(65536):
        pieces.append(data)
    return b"".join(pieces)


DECIDED = [case for case in REFUSED if case.clause not in LEFT_TO_THE_CLOCK]
DECIDED_IN_PIECES = [case for case in DECIDED if len(case.head) < 1000]


def is_refused(case: Refused, pieces: list[bytes], forwarder: ForwarderProcess, replica: Replica) -> None:
    before = len(replica.received)
    with forwarder.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        answer = everything_from(connection)
    status_line = b"HTTP/1.1 %d " % case.status
    assert answer.startswith(status_line)
    assert answer.count(status_line) == 1
    assert b"\r\nConnection: close\r\n" in answer
    assert len(replica.received) == before


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case.clause)
def test_refused(case: Refused, forwarder: ForwarderProcess, replica: Replica) -> None:
    is_refused(case, [case.head], forwarder, replica)


@pytest.mark.parametrize("case", DECIDED_IN_PIECES, ids=lambda case: case.clause)
def test_refused_when_it_comes_in_single_bytes(case: Refused, forwarder: ForwarderProcess, replica: Replica) -> None:
    is_refused(case, [case.head[at : at + 1] for at in range(len(case.head))], forwarder, replica)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.clause)
def test_accepted(case: Accepted, forwarder: ForwarderProcess, replica: Replica) -> None:
    body = b"3\r\nabc\r\n0\r\n\r\n" if case.body_length == CHUNKED else b"x" * case.body_length
    before = len(replica.received)
    with forwarder.connect() as connection:
        connection.sendall(case.head + body)
        connection.shutdown(socket.SHUT_WR)
        answer = everything_from(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    [received] = replica.received[before:]
    start_line, *fields = received.removesuffix(body).removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert start_line.split(b" ")[1:] == [case.target, b"HTTP/1.1"]
    assert received.endswith(b"\r\n\r\n" + body)
    values = [(name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in fields)]
    names = [name for name, _ in values]
    own = (b"host", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id")
    assert [names.count(name) for name in own] == [1, 1, 1, 1, 1]
    assert (b"host", case.host) in values
    assert (b"x-forwarded-host", case.host) in values
    version = b"1.0" if b" HTTP/1.0\r\n" in case.head else b"1.1"
    assert [value for name, value in values if name == b"via"] == [version + b" lbmesh"]
    assert not set(names) & (set(case.gone) - set(own))


@pytest.mark.parametrize("case", CONNECTING, ids=lambda case: case.clause)
def test_connect_to_a_service_that_does_not_take_it(
    case: Accepted, forwarder: ForwarderProcess, replica: Replica
) -> None:
    refused = Refused(case.clause, case.head, 405)
    is_refused(refused, [case.head], forwarder, replica)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("in_bytes", [False, True])
def test_empty_lines_before_a_request_are_skipped(
    count: int, in_bytes: bool, forwarder: ForwarderProcess, replica: Replica
) -> None:
    """RFC 9112 §2.2, before the first request and between two, however they are cut."""
    wire = (b"\r\n" * count + b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % count) * 2
    before = len(replica.received)
    with forwarder.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in [wire[at : at + 1] for at in range(len(wire))] if in_bytes else [wire]:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        answer = everything_from(connection)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert [head.split(b" ")[1] for head in replica.received[before:]] == [b"/%d" % count] * 2
