"""Over https the certificate is checked against the service's name, not the balancer's address."""

import datetime
import socket
import ssl
import threading
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.balancers import address_of, balancer, frozen, refusing
from tests.support.callers import FLAVOURS, call

pytestmark = pytest.mark.parametrize("flavour", FLAVOURS)
SECURE_URL = "https://shop.example.com/basket"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for shop.example.com, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    plain = serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, pkcs8, plain) + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def secured(path: Path) -> ssl.SSLContext:
    """The balancer's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_the_name_of_the_service_is_checked(flavour: str, certificate: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    with refusing() as dead, balancer(tls=secured(certificate)) as alive:
        got = call(flavour, [dead, alive.address], "GET", "POST", url=SECURE_URL, verify=trusted)
    assert [each.status for each in got] == [200, 200]
    assert alive.accepted == 1


def test_a_frozen_balancer_is_hedged_after_the_handshake(flavour: str, certificate: Path) -> None:
    def never(connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.recv(1)
        return False

    trusted = ssl.create_default_context(cafile=str(certificate))
    context = secured(certificate)
    with balancer(never, tls=context) as stuck, balancer(tls=context) as alive:
        (got,) = call(flavour, [stuck.address, alive.address], "GET", url=SECURE_URL, verify=trusted)
    assert (str(got.report.balancer), got.report.attempts) == (alive.address, 2)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_handshake_that_never_ends_is_passed_over(flavour: str, certificate: Path, method: str) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    with frozen() as stuck, refusing() as dead, balancer(tls=secured(certificate)) as alive:
        (got,) = call(flavour, [stuck.address, dead, alive.address], method, url=SECURE_URL, verify=trusted)
    assert (str(got.report.balancer), got.report.attempts) == (alive.address, 1), "nothing was sent before"


def test_a_handshake_that_is_slow_is_not_given_up_for_a_rival_that_is_slower(flavour: str, certificate: Path) -> None:
    """It begins when the rival's connection has come, and is the only one to end."""

    def serve_late() -> None:
        connection, _ = listener.accept()
        rival, _ = other.listener.accept()
        with rival, secured(certificate).wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            secure.recv(1)

    trusted = ssl.create_default_context(cafile=str(certificate))
    with socket.create_server(("127.0.0.1", 0)) as listener, frozen() as other:
        server = threading.Thread(target=serve_late)
        server.start()
        slow = address_of(listener)
        (got,) = call(flavour, [slow, other.address], "POST", url=SECURE_URL, verify=trusted)
        server.join()
    assert (got.status, str(got.report.balancer)) == (204, slow)


def test_when_no_handshake_ends_the_connect_timeout_names_each(flavour: str) -> None:
    timeout = httpx.Timeout(10, connect=0.3)
    with frozen() as one, frozen() as other, pytest.raises(httpx.ConnectTimeout) as caught:
        call(flavour, [one.address, other.address], "POST", url=SECURE_URL, timeout=timeout)
    for stuck in (one, other):
        assert f"{stuck.address} did not finish the TLS handshake in time" in str(caught.value)


def test_an_untrusted_certificate_is_an_error(flavour: str, certificate: Path) -> None:
    with balancer(tls=secured(certificate)) as alive, pytest.raises(httpx.ConnectError, match="certificate"):
        call(flavour, [alive.address], "GET", url=SECURE_URL)
    assert alive.seen == []
