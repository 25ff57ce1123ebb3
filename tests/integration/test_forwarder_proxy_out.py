"""A real forwarder before replicas that want a PROXY header: first, whole, right, and never on a shared connection."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lbmesh.http1.proxy_header import ProxyHeader, read_proxy_header
from lbmesh.model.address import Address
from lbmesh.model.provenance import ProvenancePolicy, ProxyVersion
from lbmesh.model.service import HealthCheck
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, running_origin
from tests.support.probing import ask
from tests.support.raw_client import RawClient

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
VERSIONS = list(ProxyVersion)


class Receiver:
    """A replica that reads a header, if it is to, and then requests. `arrivals`: the headers, and the requests after
    each, by connection.
    """

    def __init__(self) -> None:
        self.arrivals: list[tuple[ProxyHeader | None, list[bytes]]] = []

    def behave(self, connection: OriginConnection) -> None:
        first = connection.read_head()
        while (header := read_proxy_header(first)) is None:
            first += connection.read_exactly(1)
        size = header.size if isinstance(header, ProxyHeader) else 0
        connection.unread = first[size:] + connection.unread
        requests: list[bytes] = []
        self.arrivals.append((header if isinstance(header, ProxyHeader) else None, requests))
        while head := connection.read_head():
            requests.append(head)
            connection.answer()


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


@pytest.mark.parametrize("version", VERSIONS)
def test_each_request_has_a_connection_that_begins_with_its_client(
    forwarder: ForwarderProcess, version: ProxyVersion
) -> None:
    receiver = Receiver()
    sources = []
    with running_origin(receiver.behave) as origin:
        forwarder.send_view(a_view([origin.address], proxy_protocol=version))
        for _ in range(2):
            with forwarder.connect() as connection:
                client = RawClient(connection)
                for _ in range(2):
                    assert client.exchange(GET + b"\r\n").status == 200
                    sources.append(Address(*connection.getsockname()))
    headers = [header for header, _ in receiver.arrivals]
    assert [header and (header.source, header.destination) for header in headers] == [
        (source, forwarder.address) for source in sources
    ]
    assert [len(requests) for _, requests in receiver.arrivals] == [1] * 4


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client", ["203.0.113.7", "2001:db8::7"])
def test_the_client_of_a_trusted_proxy(forwarder: ForwarderProcess, version: ProxyVersion, client: str) -> None:
    """Its port is not known. A header has one family, so an IPv4 address beside an IPv6 one is written as IPv6."""
    receiver = Receiver()
    with running_origin(receiver.behave) as origin, forwarder.connect() as connection:
        trusted = ProvenancePolicy(("127.0.0.1/32",))
        forwarder.send_view(a_view([origin.address], proxy_protocol=version, provenance=trusted))
        RawClient(connection).exchange(GET + b"X-Forwarded-For: %b\r\n\r\n" % client.encode())
    [(header, _)] = receiver.arrivals
    assert header is not None
    assert (header.source, header.destination) == (Address(client, 0), forwarder.address)


def test_a_large_body_follows_the_header(forwarder: ForwarderProcess) -> None:
    body = bytes(3_000_000)
    received = []

    def behave(connection: OriginConnection) -> None:
        received.append(connection.read_until(b"\r\n"))
        connection.read_head()
        received.append(connection.read_exactly(len(body)))
        connection.answer()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], proxy_protocol=ProxyVersion.V1))
        connection.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert RawClient(connection).response().status == 200
    assert received[0].startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
    assert received[1] == body


def test_a_reload_begins_connections_anew(forwarder: ForwarderProcess) -> None:
    """A connection that stood in the pool without a header, or was told of one client, serves no other afterwards."""
    receiver = Receiver()
    versions = [None, ProxyVersion.V2, ProxyVersion.V1, None]
    with running_origin(receiver.behave) as origin, forwarder.connect() as connection:
        client = RawClient(connection)
        for number, version in enumerate(versions, 1):
            forwarder.send_view(a_view([origin.address], number=number, proxy_protocol=version))
            client.exchange(GET + b"\r\n")
            client.exchange(GET + b"\r\n")
    told = [(header is not None, len(requests)) for header, requests in receiver.arrivals]
    assert told == [(False, 2), (True, 1), (True, 1), (True, 1), (True, 1), (False, 2)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_probe_says_that_it_is_the_balancer_s_own(version: ProxyVersion) -> None:
    receiver = Receiver()
    with running_origin(receiver.behave) as origin:
        assert ask(origin.address, HealthCheck(proxy_protocol=version)).success
    [(header, [request])] = receiver.arrivals
    assert header is not None
    assert request.startswith(b"GET / HTTP/1.1\r\n")
    if version is ProxyVersion.V2:
        assert header.source is None
    else:
        assert header.source is not None
        assert (header.source.host, header.destination) == ("127.0.0.1", origin.address)
