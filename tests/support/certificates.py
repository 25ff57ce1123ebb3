"""An authority and certificates that it signs, in files."""

import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lbmesh.config.load import read_key_pair
from lbmesh.model.tls import KeyPair

ALWAYS = datetime(2020, 1, 1, tzinfo=UTC)


class Authority:
    """Signs certificates. `file`: its own, in PEM; `text`: what stands there."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        end = datetime.now(UTC) + timedelta(days=2)
        built = _builder(self._name, self._name, self._key, ALWAYS, end).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self._certificate = built.sign(self._key, hashes.SHA256())
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self.text = self.file.read_text()

    def issue(
        self, *names: str, start: datetime = ALWAYS, end: datetime | None = None, self_signed: bool = False
    ) -> Path:
        """A key and a certificate for these names and addresses, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "replica")])
        issuer = subject if self_signed else self._name
        builder = _builder(subject, issuer, key, start, end or datetime.now(UTC) + timedelta(days=1))
        if names:
            alternatives = x509.SubjectAlternativeName([_name(each) for each in names])
            builder = builder.add_extension(alternatives, critical=False)
        signed = builder.sign(key if self_signed else self._key, hashes.SHA256())
        path = self._directory / f"{'-'.join(names)}-{signed.serial_number}.pem"
        plain, pkcs8 = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, pkcs8, plain)
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        return path


def key_pair(file: Path) -> KeyPair:
    """What `Authority.issue` wrote, as settings have it."""
    file.chmod(0o600)
    return read_key_pair(file, file)


def client_context(authority: Path | None = None, **versions: ssl.TLSVersion) -> ssl.SSLContext:
    """A client's side, that trusts this authority alone, or anybody. `versions`: minimum_version, maximum_version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(authority)
    for name, version in versions.items():
        setattr(context, name, version)
    return context


def server_context(file: Path, protocols: Sequence[str] = ()) -> ssl.SSLContext:
    """A server's side, with this key and certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
