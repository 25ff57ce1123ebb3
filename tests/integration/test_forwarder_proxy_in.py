"""A real forwarder whose listener wants a PROXY header first: from whom, in which pieces, and what comes of others."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbmesh.http1.proxy_header import write_proxy_header
from lbmesh.model.address import Address
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ProvenancePolicy, ProxyVersion
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.front_probes import ask_front
from tests.support.origins import Origin, OriginConnection, answering, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

HERE = ListenerPolicy(("127.0.0.0/8",))
ELSEWHERE = ListenerPolicy(("10.0.0.0/8",))
CLIENT, SERVICE = Address("203.0.113.7", 4711), Address("198.51.100.1", 80)
CLIENT6, SERVICE6 = Address("2001:db8::7", 4711), Address("2001:db8::1", 80)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
V2 = write_proxy_header(ProxyVersion.V2, CLIENT, SERVICE)
OVER_TLS = V2[:14] + b"\0\x14" + V2[16:] + b"\x20\0\x05\x01\0\0\0\0"


@pytest.fixture
def heads() -> list[bytes]:
    return []


@pytest.fixture
def origin(heads: list[bytes]) -> Iterator[Origin]:
    with running_origin(answering(heads=heads)) as running:
        yield running


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def told(head: bytes, name: bytes) -> bytes:
    [value] = [line.partition(b": ")[2] for line in head.split(b"\r\n") if line.startswith(name + b":")]
    return value


def logged(forwarder: ForwarderProcess, count: int) -> list[tuple[object, object]]:
    wait_for(lambda: len(forwarder.log_lines()) >= count, f"{count} lines in the access log")
    return [(line.get("client"), line.get("peer")) for line in forwarder.log_lines()]


def faults(forwarder: ForwarderProcess) -> int:
    return forwarder.latest_telemetry().proxy_header_faults


@pytest.mark.parametrize(
    ("header", "client", "scheme"),
    [
        (V2, "203.0.113.7", b"http"),
        (OVER_TLS, "203.0.113.7", b"https"),
        (write_proxy_header(ProxyVersion.V2, CLIENT6, SERVICE6), "2001:db8::7", b"http"),
        (write_proxy_header(ProxyVersion.V1, CLIENT, SERVICE), "203.0.113.7", b"http"),
        (write_proxy_header(ProxyVersion.V1, CLIENT6, SERVICE6), "2001:db8::7", b"http"),
        (write_proxy_header(ProxyVersion.V1, None, None), "127.0.0.1", b"http"),
        (write_proxy_header(ProxyVersion.V2, None, None), "127.0.0.1", b"http"),
    ],
)
def test_the_header_says_who_the_client_is(
    forwarder: ForwarderProcess, origin: Origin, heads: list[bytes], header: bytes, client: str, scheme: bytes
) -> None:
    forwarder.send_view(a_view([origin.address], listener=HERE))
    with forwarder.connect() as connection:
        talk = RawClient(connection)
        talk.exchange(header + GET)
        talk.exchange(GET)
        assert talk.exchange(b"GET / HTTP/1.1\r\n\r\n").status == 400
    assert [told(head, b"X-Forwarded-For") for head in heads] == [client.encode()] * 2
    assert [told(head, b"X-Forwarded-Proto") for head in heads] == [scheme] * 2
    assert logged(forwarder, 3) == [(client, None if client == "127.0.0.1" else "127.0.0.1")] * 3


@pytest.mark.parametrize("version", list(ProxyVersion))
def test_the_bytes_may_come_one_by_one(
    forwarder: ForwarderProcess, origin: Origin, heads: list[bytes], version: ProxyVersion
) -> None:
    forwarder.send_view(a_view([origin.address], listener=HERE))
    with forwarder.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in write_proxy_header(version, CLIENT, SERVICE) + GET:
            connection.send(bytes([byte]))
        assert RawClient(connection).response().status == 200
    assert told(heads[0], b"X-Forwarded-For") == b"203.0.113.7"


def test_http_without_a_header_is_told_so_in_plain_text(
    forwarder: ForwarderProcess, origin: Origin, heads: list[bytes]
) -> None:
    """Whoever sends it."""
    for number, listener in enumerate((HERE, ELSEWHERE), 1):
        forwarder.send_view(a_view([origin.address], listener=listener, number=number))
        with forwarder.connect() as connection:
            connection.sendall(GET)
            answer = OriginConnection(connection).read_to_end()
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"connections to this port begin with a PROXY header (no_proxy_header, request " in answer
        wait_for(lambda count=number: faults(forwarder) == count, "the fault to be counted")  # type: ignore[misc]
    assert heads == []
    assert [line["reason"] for line in forwarder.log_lines()] == ["no_proxy_header"] * 2
    wait_for(lambda: forwarder.latest_telemetry().connections == 0, "no connection to be left")


@pytest.mark.parametrize("listener", [HERE, ELSEWHERE])
def test_another_node_that_asks_whether_this_front_lives_hears_that_it_does(
    forwarder: ForwarderProcess, origin: Origin, listener: ListenerPolicy
) -> None:
    forwarder.send_view(a_view([origin.address], listener=listener))
    assert ask_front(forwarder.address) == (True, "answers")


def test_a_stranger_that_says_nothing_is_closed(forwarder: ForwarderProcess, origin: Origin) -> None:
    forwarder.send_view(a_view([origin.address], listener=ELSEWHERE))
    with forwarder.connect() as connection:
        assert RawClient(connection).at_end()
    wait_for(lambda: faults(forwarder) == 1, "the fault to be counted")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01",
        b"PROXY TCP4 203.0.113.7 198.51.100.1 04711 80\r\n" + GET,
        b"PROXY  " + GET,
        V2[:12] + b"\x31" + V2[13:] + GET,
    ],
)
def test_what_is_no_header_is_served_nothing(
    forwarder: ForwarderProcess, origin: Origin, heads: list[bytes], data: bytes
) -> None:
    forwarder.send_view(a_view([origin.address], listener=HERE))
    with forwarder.connect() as connection:
        connection.sendall(data)
        assert RawClient(connection).at_end()
    wait_for(lambda: faults(forwarder) == 1, "the fault to be counted")
    with forwarder.connect() as connection:
        assert RawClient(connection).exchange(V2 + GET).status == 200
    assert len(heads) == 1
    assert forwarder.latest_telemetry().connections <= 1


def test_nobody_else_may_send_a_header(forwarder: ForwarderProcess, origin: Origin, heads: list[bytes]) -> None:
    """Nor be served without one: whoever could choose would choose what he is taken for."""
    forwarder.send_view(a_view([origin.address], listener=ELSEWHERE))
    for data in (V2 + GET, b"PROXY UNKNOWN\r\n" + GET):
        with forwarder.connect() as connection:
            # It may be closed before all is sent.
            try:
                connection.sendall(data)
            except ConnectionError:
                continue
            assert RawClient(connection).at_end()
    wait_for(lambda: faults(forwarder) == 2, "the faults to be counted")
    assert heads == []


def test_a_header_is_never_sniffed_for(forwarder: ForwarderProcess, origin: Origin, heads: list[bytes]) -> None:
    forwarder.send_view(a_view([origin.address]))
    for header in (V2, write_proxy_header(ProxyVersion.V1, CLIENT, SERVICE)):
        with forwarder.connect() as connection:
            assert RawClient(connection).exchange(header + GET).status == 400
    assert heads == []
    assert logged(forwarder, 2) == [("127.0.0.1", None)] * 2


def test_a_second_header_is_no_request(forwarder: ForwarderProcess, origin: Origin, heads: list[bytes]) -> None:
    forwarder.send_view(a_view([origin.address], listener=HERE))
    with forwarder.connect() as connection:
        assert RawClient(connection).exchange(V2 + b"PROXY UNKNOWN\r\n" + GET).status == 400
    assert heads == []


def test_a_header_that_does_not_come_in_time(forwarder: ForwarderProcess, origin: Origin) -> None:
    view = a_view([origin.address], listener=HERE, limits=ForwarderLimits(head_timeout_s=0.1))
    forwarder.send_view(view)
    with forwarder.connect() as silent, forwarder.connect() as slow:
        slow.sendall(V2[:20])
        assert RawClient(slow).at_end()
        assert RawClient(silent).at_end()
    wait_for(lambda: faults(forwarder) == 2, "the faults to be counted")
    wait_for(lambda: forwarder.latest_telemetry().connections == 0, "no connection to be left")


def test_a_sender_that_only_looks_whether_we_are_there(forwarder: ForwarderProcess, origin: Origin) -> None:
    forwarder.send_view(a_view([origin.address], listener=HERE))
    forwarder.connect().close()
    with forwarder.connect() as connection:
        assert RawClient(connection).exchange(V2 + GET).status == 200
    wait_for(lambda: forwarder.latest_telemetry().connections == 0, "no connection to be left")
    assert faults(forwarder) == 0


def test_the_peer_whose_claims_count_is_the_one_in_the_header(
    forwarder: ForwarderProcess, origin: Origin, heads: list[bytes]
) -> None:
    """A network balancer sends headers; behind it a CDN, which is trusted, writes X-Forwarded-For, and others do."""
    trusted = ProvenancePolicy(("127.0.0.0/8", "203.0.113.0/24"))
    forwarder.send_view(a_view([origin.address], listener=HERE, provenance=trusted))
    request = GET[:-2] + b"X-Forwarded-For: 192.0.2.9\r\n\r\n"
    other = write_proxy_header(ProxyVersion.V1, Address("192.0.2.66", 1), SERVICE)
    for header in (V2, other):
        with forwarder.connect() as connection:
            RawClient(connection).exchange(header + request)
    assert [told(head, b"X-Forwarded-For") for head in heads] == [b"192.0.2.9, 203.0.113.7", b"192.0.2.66"]
    assert logged(forwarder, 2) == [("192.0.2.9", "203.0.113.7"), ("192.0.2.66", "127.0.0.1")]


def test_a_header_goes_on_to_replicas(forwarder: ForwarderProcess) -> None:
    heads: list[bytes] = []
    with running_origin(answering(heads=heads)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], listener=HERE, proxy_protocol=ProxyVersion.V1))
        RawClient(connection).exchange(V2 + GET)
    assert heads[0].startswith(b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 80\r\nGET / HTTP/1.1\r\n")


def test_a_drain_waits_for_no_header(forwarder: ForwarderProcess, origin: Origin) -> None:
    forwarder.send_view(a_view([origin.address], listener=HERE))
    with forwarder.connect() as connection:
        wait_for(lambda: forwarder.latest_telemetry().connections == 1, "the connection to be accepted")
        forwarder.drain(30.0)
        assert RawClient(connection).at_end()
        assert forwarder.process.wait(20.0) == 0
