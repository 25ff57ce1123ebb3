"""TLS at the front of a real forwarder: what clients get, what replicas are told, and who does not get that far."""

import hashlib
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lbmesh.http1.proxy_header import write_proxy_header
from lbmesh.model.address import Address
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ProxyVersion
from lbmesh.model.tls import ClientAuth, ListenerTls, TlsVersion, UnknownName
from lbmesh.model.view import View
from tests.support.certificates import Authority, client_context, key_pair
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.front_probes import ask_front
from tests.support.origins import Origin, OriginConnection, answering, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

NAME = "shop.example.com"
GET = b"GET /hello HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("front"))


@pytest.fixture(scope="module")
def front(authority: Authority) -> ListenerTls:
    return ListenerTls((key_pair(authority.issue(NAME)),))


def over_tls(origin: Origin, tls: ListenerTls, *, number: int = 1, limits: ForwarderLimits = ForwarderLimits()) -> View:
    return a_view([origin.address], number=number, listener=ListenerPolicy(tls=tls), limits=limits)


@contextmanager
def serving(
    directory: Path,
    tls: ListenerTls,
    behave: Callable[[OriginConnection], None] | None = None,
    limits: ForwarderLimits = ForwarderLimits(),
) -> Iterator[ForwarderProcess]:
    with (
        running_origin(behave or answering(b"hello")) as origin,
        running_forwarder(directory, over_tls(origin, tls, limits=limits)) as forwarder,
    ):
        yield forwarder


def secured(
    forwarder: ForwarderProcess,
    context: ssl.SSLContext,
    name: str | None = NAME,
    session: ssl.SSLSession | None = None,
) -> ssl.SSLSocket:
    return context.wrap_socket(forwarder.connect(), server_hostname=name, session=session, suppress_ragged_eofs=False)


def names_seen(connection: ssl.SSLSocket) -> set[str]:
    """Whom the certificate that was shown is for."""
    certificate = connection.getpeercert() or {}
    alternatives: Sequence[tuple[str, str]] = certificate.get("subjectAltName", ())  # type: ignore[assignment]
    return {value for _, value in alternatives}


def failures(forwarder: ForwarderProcess, reason: str) -> int:
    return dict(forwarder.latest_telemetry().handshake_failures).get(reason, 0)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_requests_are_served_over_either_version(
    tmp_path: Path, authority: Authority, front: ListenerTls, version: ssl.TLSVersion
) -> None:
    heads: list[bytes] = []
    with serving(tmp_path, front, answering(b"hello", heads=heads)) as forwarder:
        context = client_context(authority.file, minimum_version=version, maximum_version=version)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with secured(forwarder, context) as connection:
            client = RawClient(connection)
            for _ in range(3):
                assert client.exchange(GET).body == b"hello"
            assert connection.selected_alpn_protocol() == "http/1.1"
            said = {TLS_1_2: ("TLSv1.2", "1.2"), TLS_1_3: ("TLSv1.3", "1.3")}[version]
            assert connection.version() == said[0]
        wait_for(lambda: len(forwarder.log_lines()) == 3, "three lines in the access log")
        assert {line["tls"] for line in forwarder.log_lines()} == {said[1]}
    assert b"\r\nX-Forwarded-Proto: https\r\n" in heads[0]


def test_an_old_version_is_not_spoken(tmp_path: Path, authority: Authority, front: ListenerTls) -> None:
    with serving(tmp_path, replace(front, min_version=TlsVersion.TLS_1_3)) as forwarder:
        with pytest.raises(ssl.SSLError):
            secured(forwarder, client_context(authority.file, maximum_version=TLS_1_2))
        wait_for(lambda: failures(forwarder, "unsupported_version") == 1, "the failure to be counted")


def test_only_the_ciphers_that_are_named_are_spoken(tmp_path: Path, authority: Authority, front: ListenerTls) -> None:
    context = client_context(authority.file, maximum_version=TLS_1_2)
    with serving(tmp_path, replace(front, ciphers="ECDHE+CHACHA20")) as forwarder:
        with secured(forwarder, context) as connection:
            assert (connection.cipher() or ("",))[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
        context.set_ciphers("ECDHE+AESGCM")
        with pytest.raises(ssl.SSLError):
            secured(forwarder, context)
        wait_for(lambda: failures(forwarder, "no_shared_cipher") == 1, "the failure to be counted")


def test_the_certificate_is_chosen_by_name(tmp_path: Path, authority: Authority) -> None:
    pairs = [key_pair(authority.issue(*names)) for names in (["first.test"], ["a.test", "*.a.test"], ["x.a.test"])]
    tls = ListenerTls(tuple(pairs))
    trusting = client_context(authority.file)
    trusting.check_hostname = False
    with serving(tmp_path, tls) as forwarder:
        for asked, shown in [
            ("first.test", "first.test"),
            ("A.test", "a.test"),
            ("b.a.test", "a.test"),
            ("X.a.TEST", "x.a.test"),
            ("deep.b.a.test", "first.test"),
            ("unknown.test", "first.test"),
            (None, "first.test"),
        ]:
            with secured(forwarder, trusting, asked) as connection:
                assert shown in names_seen(connection), asked


def test_an_unknown_name_can_be_refused(tmp_path: Path, front: ListenerTls) -> None:
    with serving(tmp_path, replace(front, unknown_name=UnknownName.REFUSE)) as forwarder:
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            secured(forwarder, client_context(), "other.test")
        for welcome in (NAME, None):
            with secured(forwarder, client_context(), welcome) as connection:
                assert RawClient(connection).exchange(GET).status == 200
        wait_for(lambda: failures(forwarder, "unknown_name") == 1, "the failure to be counted")


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_sessions_are_resumed_also_after_a_renewal(
    tmp_path: Path, authority: Authority, front: ListenerTls, version: ssl.TLSVersion
) -> None:
    context = client_context(authority.file, minimum_version=version, maximum_version=version)
    with running_origin(answering()) as origin, running_forwarder(tmp_path, over_tls(origin, front)) as forwarder:
        with secured(forwarder, context) as connection:
            assert not connection.session_reused
            RawClient(connection).exchange(GET)
            session = connection.session
        with secured(forwarder, context, session=session) as connection:
            assert connection.session_reused
            RawClient(connection).exchange(GET)
            session = connection.session
        renewed = ListenerTls((key_pair(authority.issue(NAME)),))
        forwarder.send_view(over_tls(origin, renewed, number=2))
        with secured(forwarder, context, session=session) as connection:
            assert connection.session_reused
            RawClient(connection).exchange(GET)
            session = connection.session
        with secured(forwarder, context) as connection:
            shown = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
        assert shown == renewed.key_pairs[0].fingerprint
        wait_for(lambda: forwarder.latest_telemetry().handshakes_resumed == 2, "two handshakes resumed")
        forwarder.send_view(over_tls(origin, replace(renewed, min_version=TlsVersion(_text(version))), number=3))
        if version is TLS_1_3:
            with secured(forwarder, context, session=session) as connection:
                assert not connection.session_reused


def _text(version: ssl.TLSVersion) -> str:
    return {TLS_1_2: "1.2", TLS_1_3: "1.3"}[version]


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_client_certificate_is_demanded_and_told(
    tmp_path: Path, authority: Authority, front: ListenerTls, version: ssl.TLSVersion
) -> None:
    heads: list[bytes] = []
    tls = replace(front, client_auth=ClientAuth.REQUIRE, client_ca_certificates=authority.text)
    context = client_context(authority.file, minimum_version=version, maximum_version=version)
    own = authority.issue("client.test")
    forged = (
        GET[:-2] + b"Client-Cert: :AAAA:\r\nx-client-cert-subject: CN=admin\r\nX-Client-Cert-Fingerprint: 1\r\n\r\n"
    )
    with serving(tmp_path, tls, answering(heads=heads)) as forwarder:
        with pytest.raises((ssl.SSLError, ConnectionError)), secured(forwarder, context) as connection:
            RawClient(connection).exchange(GET)
        wait_for(lambda: failures(forwarder, "no_client_certificate") == 1, "the failure to be counted")
        context.load_cert_chain(own)
        with secured(forwarder, context) as connection:
            assert RawClient(connection).exchange(forged).status == 200
            der = ssl.PEM_cert_to_DER_cert(_certificate_of(own))
    fingerprint = hashlib.sha256(der).hexdigest().encode()
    (head,) = heads
    assert head.count(b"Client-Cert") == 3
    assert b"\r\nX-Client-Cert-Fingerprint: %b\r\n" % fingerprint in head
    assert b"\r\nX-Client-Cert-Subject: CN=replica\r\n" in head
    assert b"admin" not in head


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_session_does_not_outlive_the_authority_that_its_client_was_known_by(
    tmp_path: Path, authority: Authority, front: ListenerTls, version: ssl.TLSVersion
) -> None:
    """Whoever resumes shows no certificate any more."""
    tls = replace(front, client_auth=ClientAuth.REQUIRE, client_ca_certificates=authority.text)
    context = client_context(authority.file, minimum_version=version, maximum_version=version)
    context.load_cert_chain(authority.issue("client.test"))
    with running_origin(answering()) as origin, running_forwarder(tmp_path, over_tls(origin, tls)) as forwarder:
        with secured(forwarder, context) as connection:
            RawClient(connection).exchange(GET)
            session = connection.session
        with secured(forwarder, context, session=session) as connection:
            assert connection.session_reused
            RawClient(connection).exchange(GET)
            session = connection.session
        other = replace(tls, client_ca_certificates=Authority(tmp_path, "other").text)
        forwarder.send_view(over_tls(origin, other, number=2))
        with pytest.raises((ssl.SSLError, ConnectionError)), secured(forwarder, context, session=session) as connection:
            RawClient(connection).exchange(GET)
        wait_for(lambda: failures(forwarder, "bad_client_certificate") == 1, "the failure to be counted")


def _certificate_of(file: Path) -> str:
    text = file.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]


def test_a_client_certificate_may_be_optional_but_not_bad(
    tmp_path: Path, authority: Authority, front: ListenerTls
) -> None:
    heads: list[bytes] = []
    tls = replace(front, client_auth=ClientAuth.OPTIONAL, client_ca_certificates=authority.text)
    stranger = Authority(tmp_path, "stranger").issue("client.test")
    with serving(tmp_path, tls, answering(heads=heads)) as forwarder:
        with secured(forwarder, client_context(authority.file)) as connection:
            RawClient(connection).exchange(GET[:-2] + b"CLIENT-CERT: :AAAA:\r\nClient-Cert-Chain: :A:\r\n\r\n")
        assert b"client-cert" not in heads[0].lower()
        context = client_context(authority.file)
        context.load_cert_chain(stranger)
        with pytest.raises((ssl.SSLError, ConnectionError)), secured(forwarder, context) as connection:
            RawClient(connection).exchange(GET)
        wait_for(lambda: failures(forwarder, "bad_client_certificate") == 1, "the failure to be counted")
    assert len(heads) == 1


def test_a_client_that_does_not_trust_us_is_counted(tmp_path: Path, front: ListenerTls) -> None:
    other = Authority(tmp_path, "other")
    with serving(tmp_path, front) as forwarder:
        with pytest.raises(ssl.SSLCertVerificationError):
            secured(forwarder, client_context(other.file))
        wait_for(lambda: failures(forwarder, "certificate_refused") == 1, "the failure to be counted")


def test_plain_http_on_a_tls_port_is_told_so_in_plain_text(tmp_path: Path, front: ListenerTls) -> None:
    with serving(tmp_path, front) as forwarder, forwarder.connect() as connection:
        connection.sendall(GET)
        answer = OriginConnection(connection).read_to_end()
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"this port speaks TLS: use https" in answer
        wait_for(lambda: failures(forwarder, "plain_http") == 1, "the failure to be counted")


@pytest.mark.parametrize("proxies", [(), ("127.0.0.0/8",), ("10.0.0.0/8",)])
@pytest.mark.parametrize("client_auth", [ClientAuth.OFF, ClientAuth.REQUIRE])
def test_another_node_that_asks_whether_this_front_lives_hears_that_it_does(
    tmp_path: Path, authority: Authority, front: ListenerTls, client_auth: ClientAuth, proxies: tuple[str, ...]
) -> None:
    """Also where TLS comes behind a PROXY header, which that node may not send."""
    tls = replace(front, client_auth=client_auth, client_ca_certificates=authority.text)
    policy = ListenerPolicy(proxies, tls)
    with running_forwarder(tmp_path, a_view([], listener=policy)) as forwarder:
        assert ask_front(forwarder.address) == (True, "answers")


def test_tls_on_a_plain_port_is_refused_at_once(tmp_path: Path) -> None:
    with running_origin(answering()) as origin, running_forwarder(tmp_path, a_view([origin.address])) as forwarder:
        with pytest.raises(ssl.SSLError):
            secured(forwarder, client_context())
        wait_for(lambda: len(forwarder.log_lines()) == 1, "a line in the access log")
        assert forwarder.log_lines()[0]["reason"] == "tls_on_plain_port"


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"\x80garbage", "not_tls"),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "malformed"),
        (b"\x16\x03\x01\xff\xff" + b"\0" * 70_000, "malformed"),
        (b"\x16\x03\x01", "closed"),
        (b"", "closed"),
    ],
)
def test_garbage_ends_a_handshake(tmp_path: Path, front: ListenerTls, garbage: bytes, reason: str) -> None:
    with serving(tmp_path, front) as forwarder:
        # It may be reset in the middle of what it sends.
        with forwarder.connect() as connection, suppress(OSError):
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            OriginConnection(connection).read_to_end()
        wait_for(lambda: failures(forwarder, reason) == 1, f"a failure for {reason}")
        with secured(forwarder, client_context()) as connection:
            assert RawClient(connection).exchange(GET).status == 200


def test_random_bytes_within_a_handshake_end_that_connection_alone(tmp_path: Path, front: ListenerTls) -> None:
    hello = _client_hello()
    with serving(tmp_path, front) as forwarder, secured(forwarder, client_context()) as witness:
        for at in range(0, len(hello), 7):
            broken = bytearray(hello)
            broken[at] ^= 0x55
            with forwarder.connect() as connection:
                connection.sendall(broken + os.urandom(50))
                connection.shutdown(socket.SHUT_WR)
                try:
                    OriginConnection(connection).read_to_end()
                except ConnectionError:
                    continue
        assert RawClient(witness).exchange(GET).status == 200
        wait_for(lambda: forwarder.latest_telemetry().connections == 1, "the witness alone to be connected")


def _client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client_context().wrap_bio(incoming, outgoing, server_hostname=NAME)
    with pytest.raises(ssl.SSLWantReadError):
        one.do_handshake()
    return outgoing.read()


def test_a_handshake_is_bounded_in_time(tmp_path: Path, front: ListenerTls) -> None:
    limits = ForwarderLimits(head_timeout_s=0.3)
    hello = _client_hello()
    with serving(tmp_path, front, limits=limits) as forwarder:
        with forwarder.connect() as idle, forwarder.connect() as slow:
            slow.sendall(hello[:50])
            assert idle.recv(100) == b""
            assert slow.recv(100) == b""
        wait_for(lambda: failures(forwarder, "timeout") == 2, "the failure to be counted")
        with secured(forwarder, client_context()) as connection:
            assert connection.recv(100) == b""


def test_a_handshake_and_a_request_in_single_bytes(tmp_path: Path, authority: Authority, front: ListenerTls) -> None:
    with serving(tmp_path, front) as forwarder, forwarder.connect() as connection:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client_context(authority.file).wrap_bio(incoming, outgoing, server_hostname=NAME)

        def pump() -> None:
            for byte in outgoing.read():
                connection.sendall(bytes([byte]))

        while True:
            try:
                one.do_handshake()
                break
            except ssl.SSLWantReadError:
                pump()
                incoming.write(connection.recv(1))
        one.write(GET)
        pump()
        answer = b""
        while not answer.endswith(b"hello"):
            try:
                answer += one.read(100)
            except ssl.SSLWantReadError:
                incoming.write(connection.recv(65536))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_right_behind_the_handshake_is_answered(
    tmp_path: Path, authority: Authority, front: ListenerTls
) -> None:
    with serving(tmp_path, front) as forwarder, forwarder.connect() as connection:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client_context(authority.file, minimum_version=TLS_1_3).wrap_bio(incoming, outgoing, server_hostname=NAME)
        _shake(one, incoming, outgoing, connection)
        one.write(GET * 2)
        connection.sendall(outgoing.read())
        answer = b""
        while answer.count(b"hello") < 2:
            try:
                answer += one.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(connection.recv(65536))


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_large_bodies_pass_both_ways_at_once(tmp_path: Path, front: ListenerTls, version: ssl.TLSVersion) -> None:
    """More than every buffer on the way holds, to and from those who take little: back-pressure, and no deadlock."""
    sent = os.urandom(3_000_000)

    def echo(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(sent))
        taken = 0
        while taken < len(sent):
            data = connection.read_exactly(min(65536, len(sent) - taken))
            taken += len(data)
            connection.send(data)

    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(sent)
    with serving(tmp_path, front, echo) as forwarder, forwarder.connect() as connection:
        answer = _talk_both_ways(connection, client_context(maximum_version=version), request + sent, len(sent))
    head, _, received = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()


def _talk_both_ways(connection: socket.socket, context: ssl.SSLContext, data: bytes, size: int) -> bytes:
    """Send all of `data` and take an answer with a body of `size` bytes meanwhile, on one thread."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = context.wrap_bio(incoming, outgoing, server_hostname=NAME)
    _shake(one, incoming, outgoing, connection)
    rest = memoryview(data)
    records, answer = outgoing.read(), bytearray()
    while b"\r\n\r\n" not in answer or len(answer) < answer.index(b"\r\n\r\n") + 4 + size:
        if not records and rest:
            rest = rest[one.write(rest[:16384]) :]
            records = outgoing.read()
        readable, writable, _ = select.select([connection], [connection] if records else [], [], 20)
        assert readable or writable, "neither side moves"
        if writable:
            records = records[connection.send(records) :]
        if readable:
            incoming.write(connection.recv(65536))
            with suppress(ssl.SSLWantReadError):
                while received := one.read(65536):
                    answer += received
    return bytes(answer)


def test_a_client_that_takes_nothing_stops_the_replica(tmp_path: Path, front: ListenerTls) -> None:
    body = os.urandom(20_000_000)
    with serving(tmp_path, front, answering(body)) as forwarder, secured(forwarder, client_context()) as connection:
        connection.sendall(GET)
        wait_for(lambda: forwarder.latest_telemetry().active_requests == 1, "the exchange to be under way")
        reader = OriginConnection(connection)
        reader.read_head()
        assert reader.read_exactly(len(body)) == body


def test_a_connection_ends_with_a_farewell(tmp_path: Path, front: ListenerTls) -> None:
    with serving(tmp_path, front) as forwarder, secured(forwarder, client_context()) as connection:
        connection.sendall(GET[:-2] + b"Connection: close\r\n\r\n")
        # An end without close_notify would raise SSLEOFError here.
        assert OriginConnection(connection).read_to_end().endswith(b"hello")


def test_a_response_that_is_cut_off_ends_without_a_farewell(tmp_path: Path, front: ListenerTls) -> None:
    def cut(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")

    with serving(tmp_path, front, cut) as forwarder, secured(forwarder, client_context()) as connection:
        connection.sendall(GET)
        with pytest.raises((ConnectionError, ssl.SSLEOFError)):
            OriginConnection(connection).read_to_end()


def test_a_client_that_says_farewell_at_once_gets_its_answer(tmp_path: Path, front: ListenerTls) -> None:
    """TLS 1.3 has half-closed connections (RFC 8446, 6.1)."""
    with serving(tmp_path, front) as forwarder, forwarder.connect() as connection:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client_context().wrap_bio(incoming, outgoing, server_hostname=NAME)
        _shake(one, incoming, outgoing, connection)
        one.write(GET)
        with pytest.raises(ssl.SSLWantReadError):
            one.unwrap()
        connection.sendall(outgoing.read())
        answer = b""
        while data := connection.recv(65536):
            answer += data
        incoming.write(answer)
        assert one.read(65536).endswith(b"hello")
        with pytest.raises(ssl.SSLZeroReturnError):
            one.read(65536)


def _shake(one: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, connection: socket.socket) -> None:
    while True:
        try:
            one.do_handshake()
            return
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))


def test_a_drain_ends_with_a_farewell(tmp_path: Path, front: ListenerTls) -> None:
    with serving(tmp_path, front) as forwarder, secured(forwarder, client_context()) as connection:
        assert RawClient(connection).exchange(GET).status == 200
        with forwarder.connect() as silent:
            wait_for(lambda: forwarder.latest_telemetry().connections == 2, "both to be accepted")
            forwarder.drain(10.0)
            assert connection.recv(100) == b""
            assert silent.recv(100) == b""
        assert forwarder.process.wait(20) == 0


def _wait_for_more(served: list[int], errors: list[Exception]) -> None:
    enough = len(served) + 20
    wait_for(lambda: len(served) > enough or bool(errors), "traffic to go on")


def test_a_proxy_header_comes_before_tls(tmp_path: Path, authority: Authority, front: ListenerTls) -> None:
    """In one write with the beginning of the handshake, or in pieces; without one there is no handshake."""
    heads: list[bytes] = []
    header = write_proxy_header(ProxyVersion.V2, Address("203.0.113.7", 4711), Address("198.51.100.1", 443))
    with running_origin(answering(heads=heads)) as origin, running_forwarder(tmp_path) as forwarder:
        forwarder.send_view(a_view([origin.address], listener=ListenerPolicy(("127.0.0.0/8",), tls=front)))
        for pieces in ([header], [header[:5], header[5:]]):
            with forwarder.connect() as connection:
                assert _ask_behind(pieces, connection, client_context(authority.file)).startswith(b"HTTP/1.1 200 ")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            secured(forwarder, client_context(authority.file))
        wait_for(lambda: forwarder.latest_telemetry().proxy_header_faults == 1, "the fault to be counted")
        wait_for(lambda: len(forwarder.log_lines()) == 2, "two lines in the access log")
        assert {(line["client"], line["tls"]) for line in forwarder.log_lines()} == {("203.0.113.7", "1.3")}
    assert len(heads) == 2
    for head in heads:
        assert b"\r\nX-Forwarded-For: 203.0.113.7\r\n" in head
        assert b"\r\nX-Forwarded-Proto: https\r\n" in head


def _ask_behind(pieces: Sequence[bytes], connection: socket.socket, context: ssl.SSLContext) -> bytes:
    """The beginning of the answer to GET over TLS that begins in one write with the last of these pieces."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = context.wrap_bio(incoming, outgoing, server_hostname=NAME)
    with pytest.raises(ssl.SSLWantReadError):
        one.do_handshake()
    for piece in (*pieces[:-1], pieces[-1] + outgoing.read()):
        connection.sendall(piece)
    _shake(one, incoming, outgoing, connection)
    one.write(GET)
    connection.sendall(outgoing.read())
    while True:
        incoming.write(connection.recv(65536))
        with suppress(ssl.SSLWantReadError):
            return one.read(65536)


def test_certificates_are_renewed_under_traffic_without_one_failed_request(
    tmp_path: Path, authority: Authority, front: ListenerTls
) -> None:
    stop = threading.Event()
    served: list[int] = []
    errors: list[Exception] = []

    with running_origin(answering()) as origin, running_forwarder(tmp_path, over_tls(origin, front)) as forwarder:

        def visit() -> None:
            context = client_context(authority.file)
            try:
                while not stop.is_set():
                    with secured(forwarder, context) as connection:
                        client = RawClient(connection)
                        served.extend(client.exchange(GET).status for _ in range(3))
            except Exception as error:
                errors.append(error)

        visitors = [threading.Thread(target=visit) for _ in range(4)]
        for one in visitors:
            one.start()
        last = front
        for number in range(2, 12):
            last = ListenerTls((key_pair(authority.issue(NAME)),))
            forwarder.send_view(over_tls(origin, last, number=number))
            _wait_for_more(served, errors)
        stop.set()
        for one in visitors:
            one.join(20)
        with secured(forwarder, client_context(authority.file)) as connection:
            shown = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
    assert not errors
    assert set(served) == {200}
    assert shown == last.key_pairs[0].fingerprint
