"""TLS on either side: whom a listener says it is, and whom a service's replicas must be."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class TlsVersion(StrEnum):
    """The versions that are spoken; older ones are broken (RFC 8996)."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class ClientAuth(StrEnum):
    """Must clients show a certificate? OPTIONAL: they may; one that does not hold ends the handshake all the same."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRE = "require"


class UnknownName(StrEnum):
    """What a client gets that asks for a name no certificate is for (RFC 6066, 3): the first certificate, or an end."""

    DEFAULT = "default"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, as the files `cert` and `key` held them.

    `chain_pem`: the certificate, and those that lead to its authority. `names`: lower-case DNS names, "*.suffix" too,
    and IP addresses that it is for. `not_before_s`, `not_after_s`: Unix seconds. `fingerprint`: SHA-256 of the
    certificate, in hex.
    """

    cert: Path
    key: Path
    chain_pem: str = field(repr=False)
    key_pem: str = field(repr=False)
    names: tuple[str, ...]
    not_before_s: float
    not_after_s: float
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """How a listener speaks TLS. `key_pairs`: the first is for clients that name nobody.

    `client_ca_certificates`: what the file `client_ca` held, in PEM. `ciphers`: of TLS 1.2, in OpenSSL's words; TLS 1.3
    has none to choose from.
    """

    key_pairs: tuple[KeyPair, ...]
    unknown_name: UnknownName = UnknownName.DEFAULT
    client_auth: ClientAuth = ClientAuth.OFF
    client_ca: Path | None = None
    client_ca_certificates: str | None = field(default=None, repr=False)
    min_version: TlsVersion = TlsVersion.TLS_1_2
    ciphers: str = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class ServiceTls:
    """How a service's replicas are spoken to over TLS.

    `server_name`: whom the certificate must be for; None: the replica's address. `ca_certificates`: what the file `ca`
    held, in PEM; None: the authorities that this machine trusts. `verify` False: any certificate will do.
    `key_pair`: what this balancer shows for itself.
    """

    server_name: str | None = None
    ca: Path | None = None
    ca_certificates: str | None = field(default=None, repr=False)
    verify: bool = True
    key_pair: KeyPair | None = None
    min_version: TlsVersion = TlsVersion.TLS_1_2
