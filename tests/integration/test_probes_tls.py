"""Probes over TLS: whom a certificate is for, until when, who signed it, and servers that do not get that far."""

import os
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lbmesh.config.load import read_certificates
from lbmesh.control.inputs import ProbeResult
from lbmesh.model.address import Address, parse_address
from lbmesh.model.check import HttpProbe, ProbeTls, TcpProbe
from lbmesh.model.service import HealthCheck
from tests.support.balancers import balancer
from tests.support.certificates import Authority, server_context
from tests.support.origins import OriginConnection
from tests.support.probing import ask, ask_origin, said

NAME = "shop.internal"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(authority: Authority) -> ProbeTls:
    return ProbeTls(server_name=NAME, ca=authority.file, ca_certificates=authority.text)


@pytest.fixture(scope="module")
def replica(authority: Authority) -> Iterator[Address]:
    """A replica with a sound certificate, for a name and its address."""
    with balancer(tls=server_context(authority.issue(NAME, "127.0.0.1"))) as running:
        yield parse_address(running.address)


def reason_with(file: Path, tls: ProbeTls) -> str:
    with balancer(tls=server_context(file)) as running:
        result = ask(parse_address(running.address), HealthCheck(tls=tls))
    assert not result.success
    assert running.seen == []
    return result.reason


def test_a_sound_certificate_is_trusted(replica: Address, trusted: ProbeTls) -> None:
    assert ask(replica, HealthCheck(tls=trusted)) == ProbeResult(True, "status 200")
    assert ask(replica, HealthCheck(TcpProbe(), tls=trusted)) == ProbeResult(True, "connected")


@pytest.mark.parametrize("host", [None, "shop.internal", "shop.internal:443", "127.0.0.1"])
def test_whom_it_must_be_for_is_by_default_the_host_else_the_address(
    replica: Address, authority: Authority, host: str | None
) -> None:
    tls = ProbeTls(ca_certificates=authority.text)
    assert ask(replica, HealthCheck(HttpProbe(host=host), tls=tls)).success
    other = ask(replica, HealthCheck(HttpProbe(host="other.internal:443"), tls=tls))
    assert other.reason == "TLS: certificate is for shop.internal, 127.0.0.1, not other.internal"


def test_a_certificate_for_another_name_is_named(authority: Authority, trusted: ProbeTls) -> None:
    other = authority.issue("other.example")
    assert reason_with(other, trusted) == "TLS: certificate is for other.example, not shop.internal"
    many = authority.issue("a.example", "b.example", "c.example", "d.example", "e.example")
    expected = "TLS: certificate is for a.example, b.example, c.example and 2 more, not shop.internal"
    assert reason_with(many, trusted) == expected
    assert reason_with(authority.issue(), trusted) == "TLS: certificate is for no name at all, not shop.internal"
    by_address = ProbeTls(ca_certificates=authority.text)
    assert reason_with(other, by_address) == "TLS: certificate is for other.example, not 127.0.0.1"


def test_a_certificate_out_of_its_time_is_told_with_its_date(authority: Authority, trusted: ProbeTls) -> None:
    expired = authority.issue(NAME, end=datetime(2024, 2, 29, tzinfo=UTC))
    assert reason_with(expired, trusted) == "TLS: certificate expired on 2024-02-29"
    early = authority.issue(NAME, start=datetime(2090, 1, 2, tzinfo=UTC), end=datetime(2091, 1, 2, tzinfo=UTC))
    assert reason_with(early, trusted) == "TLS: certificate is valid only from 2090-01-02 on"


def test_the_first_connection_is_closed_before_the_second_look(authority: Authority, trusted: ProbeTls) -> None:
    context = server_context(authority.issue("other.example"))
    one_at_a_time = threading.Lock()
    left_open: list[TimeoutError] = []

    def behave(connection: OriginConnection) -> None:
        with one_at_a_time:
            try:
                with context.wrap_socket(connection.socket, server_side=True) as secured:
                    while secured.recv(65536):
                        continue
            except TimeoutError as late:
                left_open.append(late)

    result = ask_origin(behave, HealthCheck(tls=trusted))
    assert result.reason == "TLS: certificate is for other.example, not shop.internal"
    assert not left_open


def test_a_certificate_of_a_version_that_there_is_not_is_a_plain_refusal(
    authority: Authority, trusted: ProbeTls, tmp_path: Path
) -> None:
    sound = authority.issue("other.example")
    odd = tmp_path / "odd.pem"
    odd.write_text(_of_version_2(sound.read_text()))
    contexts = [server_context(sound), server_context(odd)]

    def behave(connection: OriginConnection) -> None:
        with contexts.pop(0).wrap_socket(connection.socket, server_side=True) as secured:
            while secured.recv(65536):
                continue

    result = ask_origin(behave, HealthCheck(tls=trusted))
    assert result == ProbeResult(False, "TLS: certificate is not for shop.internal")
    assert contexts == []


def _of_version_2(pem: str) -> str:
    """The same with 1 for its version, which means 2 and has not been used since 1996 (RFC 5280, 4.1.2.1)."""
    start = pem.index("-----BEGIN CERTIFICATE-----")
    der = ssl.PEM_cert_to_DER_cert(pem[start:])
    assert der.count(b"\xa0\x03\x02\x01\x02") == 1
    return pem[:start] + ssl.DER_cert_to_PEM_cert(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"))


def test_an_authority_that_is_not_trusted_is_told_with_what_to_do(authority: Authority, trusted: ProbeTls) -> None:
    advice = "name it in tls.ca to trust it"
    assert (
        reason_with(authority.issue(NAME), ProbeTls(NAME)) == f"TLS: certificate's authority is not trusted; {advice}"
    )
    own = authority.issue(NAME, self_signed=True)
    assert reason_with(own, trusted) == f"TLS: certificate is self-signed and not trusted; {advice}"


def test_a_certificate_may_be_trusted_by_itself(authority: Authority) -> None:
    for file in (authority.issue(NAME), authority.issue(NAME, self_signed=True)):
        pinned = ProbeTls(server_name=NAME, ca=file, ca_certificates=read_certificates(file))
        with balancer(tls=server_context(file)) as running:
            assert ask(parse_address(running.address), HealthCheck(tls=pinned)).success


def test_without_a_look_at_certificates_any_will_do(authority: Authority) -> None:
    expired = authority.issue("other.example", end=datetime(2024, 2, 29, tzinfo=UTC), self_signed=True)
    with balancer(tls=server_context(expired)) as running:
        assert ask(parse_address(running.address), HealthCheck(tls=ProbeTls(verify=False))).success


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "TLS: the replica does not speak TLS here"),
        (b"", "TLS: connection closed before a whole answer"),
        (b"\x16\x03\x03\x00\x7a\x02\x00", "TLS: connection closed before a whole answer"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "TLS: the replica broke off the handshake"),
        (b"\x15\x03\x03\x00\x02\x02\x70", "TLS: the replica has no certificate for this name"),
    ],
)
def test_a_handshake_that_fails(answer: bytes, reason: str) -> None:
    assert ask_origin(said(answer), HealthCheck(tls=ProbeTls())) == ProbeResult(False, reason)


def test_a_handshake_that_never_ends() -> None:
    def silent(connection: OriginConnection) -> None:
        connection.read_to_end()

    result = ask_origin(silent, HealthCheck(tls=ProbeTls(verify=False)), timeout_s=0.2)
    assert result == ProbeResult(False, "TLS: no end of the handshake within 0.2s")


def test_a_replica_that_wants_a_certificate_itself(authority: Authority, trusted: ProbeTls) -> None:
    """Told by an alert after the probe's side of the handshake (RFC 8446, 4.4.2.4), unless a reset overtakes it."""
    context = server_context(authority.issue(NAME))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)

    def refuse_and_linger(connection: OriginConnection) -> None:
        secured = context.wrap_socket(connection.socket, server_side=True, do_handshake_on_connect=False)
        with secured:
            with pytest.raises(ssl.SSLError):
                secured.do_handshake()
            while os.read(secured.fileno(), 65536):
                continue

    result = ask_origin(refuse_and_linger, HealthCheck(tls=trusted))
    assert result == ProbeResult(False, "TLS: the replica wants a certificate from its clients")


def test_a_body_cut_short_under_tls_is_cut_short(authority: Authority, trusted: ProbeTls) -> None:
    context = server_context(authority.issue(NAME))

    def cut(connection: OriginConnection) -> None:
        with context.wrap_socket(connection.socket, server_side=True) as secured:
            secured.recv(65536)
            secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")

    assert ask_origin(cut, HealthCheck(tls=trusted)) == ProbeResult(False, "connection closed before a whole answer")
