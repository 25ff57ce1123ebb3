"""A real forwarder behind proxies that it trusts, and behind others: what replicas and the log are told."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lbmesh.model.provenance import ForwardedField, ProvenancePolicy
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import Origin, answering, running_origin
from tests.support.raw_client import RawClient
from tests.support.routed import routed_view
from tests.support.wait import wait_for

X, F, REAL = ForwardedField.X_FORWARDED, ForwardedField.FORWARDED, ForwardedField.X_REAL_IP
LOOPBACK = ProvenancePolicy(("127.0.0.0/8", "10.0.0.0/8"))
ELSEWHERE = ProvenancePolicy(("10.0.0.0/8",))
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"


class Replica:
    """Heads that came to it."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    def told(self, number: int = -1) -> dict[str, list[str]]:
        """What a head says of the client."""
        lines = self.heads[number].decode().removesuffix("\r\n\r\n").split("\r\n")[1:]
        found: dict[str, list[str]] = {}
        for name, _, value in (line.partition(": ") for line in lines):
            if name.lower().startswith(("x-forwarded", "forwarded", "x-real")):
                found.setdefault(name, []).append(value)
        return found


@pytest.fixture
def replica() -> Replica:
    return Replica()


@pytest.fixture
def origin(replica: Replica) -> Iterator[Origin]:
    with running_origin(answering(heads=replica.heads)) as running:
        yield running


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def clients_of(forwarder: ForwarderProcess, count: int) -> list[tuple[object, object]]:
    """Client and peer of each line of the log."""
    wait_for(lambda: len(forwarder.log_lines()) >= count, f"{count} lines in the access log")
    return [(line.get("client"), line.get("peer")) for line in forwarder.log_lines()]


def test_a_trusted_proxy_is_believed(forwarder: ForwarderProcess, origin: Origin, replica: Replica) -> None:
    forwarder.send_view(a_view([origin.address], provenance=LOOPBACK))
    with forwarder.connect() as connection:
        RawClient(connection).exchange(
            GET + b"X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.2\r\nX-Forwarded-Proto: https\r\n"
            b"X-Forwarded-Host: shop.example.com\r\nx-forwarded-port: 443\r\nX-Forwarded-Prefix: /a\r\n"
            b"X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\r\n"
        )
    assert replica.told() == {
        "X-Forwarded-For": ["6.6.6.6, 203.0.113.7, 10.0.0.2, 127.0.0.1"],
        "X-Forwarded-Proto": ["https"],
        "X-Forwarded-Host": ["shop.example.com"],
        "X-Forwarded-Port": ["443"],
        "X-Forwarded-Prefix": ["/a"],
    }
    assert clients_of(forwarder, 1) == [("203.0.113.7", "127.0.0.1")]


@pytest.mark.parametrize("provenance", [ProvenancePolicy(), ELSEWHERE])
def test_others_are_not(
    forwarder: ForwarderProcess, origin: Origin, replica: Replica, provenance: ProvenancePolicy
) -> None:
    forwarder.send_view(a_view([origin.address], provenance=provenance))
    with forwarder.connect() as connection:
        RawClient(connection).exchange(
            GET + b"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"
            b"X-Forwarded-Port: 443\r\nX-Forwarded-Prefix: /a\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\r\n"
        )
    assert replica.told() == {
        "X-Forwarded-For": ["127.0.0.1"],
        "X-Forwarded-Proto": ["http"],
        "X-Forwarded-Host": ["a"],
    }
    assert clients_of(forwarder, 1) == [("127.0.0.1", None)]


def test_requests_of_one_connection_are_different_clients(
    forwarder: ForwarderProcess, origin: Origin, replica: Replica
) -> None:
    """A proxy sends many clients' requests over one connection, and what one said is never said of another."""
    forwarder.send_view(a_view([origin.address], provenance=LOOPBACK))
    one, two = (GET + b"X-Forwarded-For: 203.0.113.%d\r\n" % number for number in (1, 2))
    body = b"Content-Length: 1\r\n\r\nx"
    requests = [one + b"\r\n", two + body, one + b"\r\n", GET + b"\r\n", one + b"\r\n", two + b"\r\n"]
    with forwarder.connect() as connection:
        client = RawClient(connection)
        for request in requests:
            client.exchange(request)
        connection.sendall(b"".join(requests[:1] + requests[3:]))
        for _ in range(4):
            client.response()
        assert client.exchange(one + b"Content-Length: x\r\n\r\n").status == 400
    expected = ["203.0.113.1", "203.0.113.2", "203.0.113.1", None, "203.0.113.1", "203.0.113.2"]
    expected += expected[:1] + expected[3:]
    told = [replica.told(number)["X-Forwarded-For"] for number in range(10)]
    assert told == [[", ".join(filter(None, (client, "127.0.0.1")))] for client in expected]
    logged = [(client, "127.0.0.1") if client else ("127.0.0.1", None) for client in expected]
    assert clients_of(forwarder, 11) == [*logged, ("127.0.0.1", None)]


def test_forwarded_and_x_real_ip_if_asked_for(forwarder: ForwarderProcess, origin: Origin, replica: Replica) -> None:
    forwarder.send_view(a_view([origin.address], provenance=ProvenancePolicy((), X, (F, REAL))))
    with forwarder.connect() as connection:
        client = RawClient(connection)
        for host in (b"a", b"a", b"b:80"):
            client.exchange(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nForwarded: for=6.6.6.6\r\n\r\n")
    for number, asked in enumerate(("a", "a", "b:80")):
        assert replica.told(number) == {
            "Forwarded": [f'for=127.0.0.1;host="{asked}";proto=http;by=_lb-test'],
            "X-Real-IP": ["127.0.0.1"],
        }


def test_a_proxy_that_writes_forwarded(forwarder: ForwarderProcess, origin: Origin, replica: Replica) -> None:
    forwarder.send_view(a_view([origin.address], provenance=ProvenancePolicy(("127.0.0.1/32",), F, (F, X))))
    with forwarder.connect() as connection:
        RawClient(connection).exchange(
            GET + b'Forwarded: for=6.6.6.6, for="[2001:db8::7]:80";proto=https\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n'
        )
    assert replica.told() == {
        "Forwarded": ['for=6.6.6.6, for="[2001:db8::7]:80";proto=https, for=127.0.0.1;host="a";proto=http;by=_lb-test'],
        "X-Forwarded-For": ["6.6.6.6, 2001:db8::7, 127.0.0.1"],
        "X-Forwarded-Proto": ["https"],
        "X-Forwarded-Host": ["a"],
    }
    assert clients_of(forwarder, 1) == [("2001:db8::7", "127.0.0.1")]


def test_a_reload_holds_for_connections_that_are_open(
    forwarder: ForwarderProcess, origin: Origin, replica: Replica
) -> None:
    request = GET + b"X-Forwarded-For: 203.0.113.7\r\n\r\n"
    policies = [ELSEWHERE, LOOPBACK, ELSEWHERE, ProvenancePolicy((), X, (X, REAL)), ProvenancePolicy()]
    with forwarder.connect() as connection:
        client = RawClient(connection)
        for number, provenance in enumerate(policies, 1):
            forwarder.send_view(a_view([origin.address], number=number, provenance=provenance))
            client.exchange(request)
            client.exchange(request)
    told = [replica.told(number)["X-Forwarded-For"] for number in range(10)]
    alone, behind = ["127.0.0.1"], ["203.0.113.7, 127.0.0.1"]
    assert told == [alone, alone, behind, behind, *[alone] * 6]
    assert ["X-Real-IP" in replica.told(number) for number in range(10)] == [*[False] * 6, True, True, False, False]
    peers = [peer for _, peer in clients_of(forwarder, 10)]
    assert peers == [None, None, "127.0.0.1", "127.0.0.1", *[None] * 6]


def test_rules_of_routes_go_by_the_client(forwarder: ForwarderProcess, origin: Origin, replica: Replica) -> None:
    """Who may, over which scheme it was asked, and edits of what proxies said beside that: replaced, never doubled."""
    routes = (
        '[[route]]\nservices = [{ name = "app" }]\nredirect = { scheme = "https" }\n'
        '[[route]]\nservices = [{ name = "app" }]\npaths = ["/in"]\nallow = ["203.0.113.0/24"]\n'
        '[route.request_headers]\nset = { X-Real-IP = "{client_ip}", X-Forwarded-Prefix = "/in" }\n'
        'remove = ["X-Forwarded-Port"]\n'
    )
    policy = ProvenancePolicy(("127.0.0.1/32",), X, (X, REAL))
    forwarder.send_view(replace(routed_view(routes, {"app": origin.address}), provenance=policy))
    claims = (
        b"Host: a\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Port: 443\r\n"
        b"X-Forwarded-Prefix: /out\r\nX-Forwarded-Server: edge\r\n\r\n"
    )
    with forwarder.connect() as connection:
        client = RawClient(connection)
        asked = [
            (b"/in", b"203.0.113.7", b"https"),
            (b"/in", b"192.0.2.1", b"https"),
            (b"/in", b"203.0.113.8", b"https"),
            (b"/", b"203.0.113.7", b"http"),
            (b"/", b"203.0.113.7", b"https"),
        ]
        statuses = [
            client.exchange(b"GET " + path + b" HTTP/1.1\r\n" + claims % (address, scheme)).status
            for path, address, scheme in asked
        ]
    assert statuses == [200, 403, 200, 308, 200]
    for number, address in enumerate(("203.0.113.7", "203.0.113.8")):
        assert replica.told(number) == {
            "X-Forwarded-Server": ["edge"],
            "X-Forwarded-Prefix": ["/in"],
            "X-Forwarded-For": [f"{address}, 127.0.0.1"],
            "X-Forwarded-Proto": ["https"],
            "X-Forwarded-Host": ["a"],
            "X-Real-IP": [address],
        }
