"""HAProxy in front of a real forwarder, and behind one: the two agree on who the client is."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbmesh.http1.proxy_header import write_proxy_header
from lbmesh.model.address import Address
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ProvenancePolicy, ProxyVersion
from lbmesh.model.service import HealthCheck
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.haproxy import PROGRAM, running_haproxy
from tests.support.origins import answering, running_origin
from tests.support.probing import ask
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs haproxy (Debian package haproxy)")

CLIENT = "127.0.0.2"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SAYS_WHO = 'http-request return status 200 content-type text/plain lf-string "%[src],%[src_port],%[dst],%[dst_port]"'
HERE = ListenerPolicy(("127.0.0.1/32",))


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def connect_from(source: str, address: Address) -> socket.socket:
    connection = socket.create_connection((address.host, address.port), 20.0, (source, 0))
    connection.settimeout(20.0)
    return connection


@pytest.mark.parametrize(
    "words",
    [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2-ssl-cn",
        "send-proxy-v2 proxy-v2-options crc32c",
        "send-proxy-v2 proxy-v2-options crc32c,ssl,authority,unique-id",
    ],
)
def test_haproxy_sends(forwarder: ForwarderProcess, tmp_path: Path, words: str) -> None:
    heads: list[bytes] = []
    rules = f"default_backend lb\nbackend lb\n    server lb {forwarder.address} {words}"
    with running_origin(answering(heads=heads)) as origin, running_haproxy(tmp_path, rules=rules) as front:
        forwarder.send_view(a_view([origin.address], listener=HERE))
        for _ in range(2):
            with connect_from(CLIENT, front) as connection:
                assert RawClient(connection).exchange(GET).status == 200
        wait_for(lambda: len(forwarder.log_lines()) == 2, "two lines in the access log")
        assert forwarder.latest_telemetry().proxy_header_faults == 0
    assert all(b"X-Forwarded-For: 127.0.0.2\r\n" in head for head in heads)
    assert {(line["client"], line["peer"]) for line in forwarder.log_lines()} == {(CLIENT, "127.0.0.1")}


@pytest.mark.parametrize("words", ["send-proxy", "send-proxy-v2"])
def test_haproxy_checks(forwarder: ForwarderProcess, tmp_path: Path, words: str) -> None:
    heads: list[bytes] = []
    rules = (
        f"default_backend lb\nbackend lb\n    option httpchk\n    server lb {forwarder.address} {words} check inter 100"
    )
    with running_origin(answering(heads=heads)) as origin, running_haproxy(tmp_path, rules=rules):
        forwarder.send_view(a_view([origin.address], listener=HERE))
        wait_for(lambda: len(heads) > 2, "checks to come")
    assert all(b"X-Forwarded-For: 127.0.0.1\r\n" in head for head in heads)


@pytest.mark.parametrize("version", list(ProxyVersion))
def test_haproxy_receives(forwarder: ForwarderProcess, tmp_path: Path, version: ProxyVersion) -> None:
    with running_haproxy(tmp_path, bind="accept-proxy", rules=SAYS_WHO) as replica:
        forwarder.send_view(a_view([replica], proxy_protocol=version))
        for _ in range(2):
            with connect_from(CLIENT, forwarder.address) as connection:
                here = connection.getsockname()
                client = RawClient(connection)
                for _ in range(2):
                    said = client.exchange(GET).body.decode().split(",")
                    assert said == [CLIENT, str(here[1]), "127.0.0.1", str(forwarder.address.port)]


@pytest.mark.parametrize("version", list(ProxyVersion))
@pytest.mark.parametrize(
    ("source", "destination"),
    [
        (Address("203.0.113.7", 0), Address("198.51.100.1", 80)),
        (Address("2001:db8::7", 4711), Address("2001:db8::1", 65535)),
        (Address("2001:db8::7", 0), Address("198.51.100.1", 80)),
    ],
)
def test_haproxy_reads_what_is_written(
    tmp_path: Path, version: ProxyVersion, source: Address, destination: Address
) -> None:
    header = write_proxy_header(version, source, destination)
    with (
        running_haproxy(tmp_path, bind="accept-proxy", rules=SAYS_WHO) as replica,
        connect_from(CLIENT, replica) as connection,
    ):
        said = RawClient(connection).exchange(header + GET).body.decode()
    seen_source, source_port, seen_destination, destination_port = said.split(",")
    assert (seen_source, int(source_port or "0")) == (source.host, source.port)
    assert int(destination_port) == destination.port
    assert seen_destination.removeprefix("::ffff:") == destination.host


@pytest.mark.parametrize("version", list(ProxyVersion))
def test_haproxy_is_probed(tmp_path: Path, version: ProxyVersion) -> None:
    with running_haproxy(tmp_path, bind="accept-proxy", rules=SAYS_WHO) as replica:
        assert ask(replica, HealthCheck(proxy_protocol=version)).success
        assert not ask(replica, HealthCheck()).success


def test_haproxy_writes_x_forwarded_for(forwarder: ForwarderProcess, tmp_path: Path) -> None:
    """As HAProxy does it, in a line of its own after what the client had written there."""
    heads: list[bytes] = []
    rules = f"option forwardfor\n    default_backend lb\nbackend lb\n    server lb {forwarder.address}"
    with running_origin(answering(heads=heads)) as origin, running_haproxy(tmp_path, rules=rules) as front:
        forwarder.send_view(a_view([origin.address], provenance=ProvenancePolicy(("127.0.0.1/32",))))
        with connect_from(CLIENT, front) as connection:
            RawClient(connection).exchange(GET[:-2] + b"X-Forwarded-For: 6.6.6.6\r\n\r\n")
    assert b"X-Forwarded-For: 6.6.6.6, 127.0.0.2, 127.0.0.1\r\n" in heads[0]
    wait_for(lambda: len(forwarder.log_lines()) == 1, "a line in the access log")
    assert forwarder.log_lines()[0]["client"] == CLIENT
