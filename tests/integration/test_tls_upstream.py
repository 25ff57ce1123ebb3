"""HTTPS to replicas: whom a real forwarder trusts, what it shows, and how each way of failing is told."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lbmesh.model.tls import ServiceTls, TlsVersion
from lbmesh.model.traffic import Timeouts
from tests.support.certificates import Authority, key_pair, server_context
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, answering, behind_tls, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

NAME = "shop.internal"
GET = b"GET /hello HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("upstream"))


@pytest.fixture
def trusting(authority: Authority) -> ServiceTls:
    return ServiceTls(server_name=NAME, ca_certificates=authority.text)


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def reason_of(forwarder: ForwarderProcess, context: ssl.SSLContext, tls: ServiceTls) -> tuple[int, str]:
    """The status and the reason of a request to a replica with this certificate."""
    with running_origin(behind_tls(context, answering())) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], tls=tls, retries=0))
        response = RawClient(connection).exchange(GET)
        wait_for(lambda: len(forwarder.log_lines()) == 1, "a line in the access log")
    return response.status, str(forwarder.log_lines()[0]["reason"])


def test_connections_are_kept_and_sessions_resumed(
    forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls
) -> None:
    resumed: list[bool] = []

    def two_requests(connection: OriginConnection) -> None:
        for _ in range(2):
            assert connection.read_head()
            connection.answer(b"hello")

    context = server_context(authority.issue(NAME))
    with running_origin(behind_tls(context, two_requests, resumed)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], tls=trusting))
        client = RawClient(connection)
        for _ in range(4):
            assert client.exchange(GET).body == b"hello"
        wait_for(lambda: len(resumed) == 2, "two connections")
    assert resumed == [False, True]


def test_whom_the_certificate_must_be_for_is_by_default_the_address(
    forwarder: ForwarderProcess, authority: Authority
) -> None:
    by_address = ServiceTls(ca_certificates=authority.text)
    assert reason_of(forwarder, server_context(authority.issue("127.0.0.1")), by_address) == (200, "")


@pytest.mark.parametrize("names", [["other.internal"], ["127.0.0.1"], []])
def test_a_certificate_for_another_name_is_refused(
    forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls, names: list[str]
) -> None:
    assert reason_of(forwarder, server_context(authority.issue(*names)), trusting) == (502, "bad_certificate")


def test_an_authority_that_is_not_named_is_not_trusted(
    forwarder: ForwarderProcess, tmp_path: Path, trusting: ServiceTls
) -> None:
    other = Authority(tmp_path, "other").issue(NAME)
    assert reason_of(forwarder, server_context(other), trusting) == (502, "bad_certificate")


def test_an_expired_certificate_is_refused(
    forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls
) -> None:
    expired = authority.issue(NAME, end=datetime(2024, 2, 29, tzinfo=UTC))
    assert reason_of(forwarder, server_context(expired), trusting) == (502, "bad_certificate")


def test_without_verification_any_certificate_will_do(forwarder: ForwarderProcess, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "other").issue("x.internal")
    assert reason_of(forwarder, server_context(stranger), ServiceTls(verify=False)) == (200, "")


def test_http_1_1_is_offered(forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls) -> None:
    chosen: list[str | None] = []

    def note(connection: OriginConnection) -> None:
        assert isinstance(connection.socket, ssl.SSLSocket)
        chosen.append(connection.socket.selected_alpn_protocol())
        answering()(connection)

    context = server_context(authority.issue(NAME), ["h2", "http/1.1"])
    with running_origin(behind_tls(context, note)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], tls=trusting))
        assert RawClient(connection).exchange(GET).status == 200
    assert chosen == ["http/1.1"]


def test_an_old_version_is_refused(forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls) -> None:
    context = server_context(authority.issue(NAME))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    newer = replace(trusting, min_version=TlsVersion.TLS_1_3)
    assert reason_of(forwarder, context, newer) == (502, "tls_handshake")


def test_the_balancer_shows_its_own_certificate_when_asked(
    forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls
) -> None:
    context = server_context(authority.issue(NAME))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    own = replace(trusting, key_pair=key_pair(authority.issue("balancer.internal")))
    assert reason_of(forwarder, context, own) == (200, "")


@pytest.mark.parametrize(
    "behave",
    [
        lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda connection: connection.send(os.urandom(100)),
        lambda connection: connection.socket.recv(1),
    ],
    ids=["plain", "garbage", "closed"],
)
def test_a_replica_without_tls_is_tried_no_more_when_another_can_serve(
    forwarder: ForwarderProcess,
    authority: Authority,
    trusting: ServiceTls,
    behave: Callable[[OriginConnection], None],
) -> None:
    """A failed handshake is like a failed connect: nothing was sent, so even a POST goes elsewhere."""
    sound = behind_tls(server_context(authority.issue(NAME)), answering(b"hello"))
    with running_origin(behave) as broken, running_origin(sound) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([broken.address, origin.address], tls=trusting))
        client = RawClient(connection)
        for _ in range(8):
            request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
            assert client.exchange(request).body == b"hello"


def _swallow(connection: OriginConnection) -> None:
    connection.read_to_end()


def test_the_connect_timeout_covers_the_handshake(forwarder: ForwarderProcess, trusting: ServiceTls) -> None:
    with running_origin(_swallow) as origin, forwarder.connect() as connection:
        view = a_view([origin.address], tls=trusting, retries=0, timeouts=Timeouts(connect_s=0.2))
        forwarder.send_view(view)
        assert RawClient(connection).exchange(GET).status == 503
        wait_for(lambda: len(forwarder.log_lines()) == 1, "a line in the access log")
    assert forwarder.log_lines()[0]["reason"] == "connect_timeout"


def test_a_body_that_ends_without_a_farewell_is_not_whole(
    forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls
) -> None:
    def cut(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\npart of it")
        connection.socket.shutdown(socket.SHUT_RDWR)

    context = server_context(authority.issue(NAME))
    with running_origin(behind_tls(context, cut)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], tls=trusting))
        connection.sendall(GET)
        with pytest.raises(ConnectionResetError):
            OriginConnection(connection).read_to_end()
        wait_for(lambda: len(forwarder.log_lines()) == 1, "a line in the access log")
    assert forwarder.log_lines()[0]["reason"] == "upstream_closed"


def test_a_body_that_ends_with_a_farewell_is_whole(
    forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls
) -> None:
    def whole(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    context = server_context(authority.issue(NAME))
    with running_origin(behind_tls(context, whole)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], tls=trusting))
        connection.sendall(GET)
        assert OriginConnection(connection).read_to_end().endswith(b"all of it")


def test_large_bodies_pass_both_ways(forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls) -> None:
    sent = os.urandom(5_000_000)

    def echo(connection: OriginConnection) -> None:
        connection.read_head()
        connection.answer(connection.read_exactly(len(sent)))

    context = server_context(authority.issue(NAME))
    with running_origin(behind_tls(context, echo)) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], tls=trusting))
        request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(sent)
        assert RawClient(connection).exchange(request + sent).body == sent


def test_a_change_to_tls_leaves_no_plain_connection_in_use(
    forwarder: ForwarderProcess, authority: Authority, trusting: ServiceTls
) -> None:
    firsts: list[bytes] = []

    def either(connection: OriginConnection) -> None:
        first = connection.socket.recv(1, socket.MSG_PEEK)
        firsts.append(first)
        if first == b"\x16":
            behind_tls(server_context(authority.issue(NAME)), answering(b"tls"))(connection)
        else:
            answering(b"plain")(connection)

    with running_origin(either) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        assert client.exchange(GET).body == b"plain"
        forwarder.send_view(a_view([origin.address], tls=trusting, number=2))
        assert client.exchange(GET).body == b"tls"
        forwarder.send_view(a_view([origin.address], number=3))
        assert client.exchange(GET).body == b"plain"
    assert firsts == [b"G", b"\x16", b"G"]
