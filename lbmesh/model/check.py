"""How a replica is asked whether it is well: over HTTP, by a TCP connection alone, or through gRPC's health service."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lbmesh.model.tls import KeyPair


class ProbeMethod(StrEnum):
    """The methods that ask and change nothing (RFC 9110, 9.2.1), apart from TRACE."""

    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"


@dataclass(frozen=True, slots=True, order=True)
class StatusRange:
    """HTTP statuses from `first` to `last`, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Well is who answers with one of these statuses and, where they are asked for, this body and these fields.

    `host`: the Host field, with a port if it has one; None: the replica's address. `headers`: sent, (name, value);
    may hold secrets. `status`: ascending, apart from one another. `body` must be in the answer's body, `body_regex`
    match somewhere in it. `headers_match`: fields of the answer with the value they must have, None for any.
    """

    path: str = "/"
    method: ProbeMethod = ProbeMethod.GET
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    status: tuple[StatusRange, ...] = (StatusRange(200, 399),)
    body: str | None = None
    body_regex: str | None = None
    headers_match: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """Well is who takes a connection and, where that is asked for, answers with `expect` in it.

    `send`: said first, as UTF-8; may hold secrets.
    """

    send: str | None = field(default=None, repr=False)
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    """Well is who says SERVING to grpc.health.v1.Health/Check.

    `service`: whose state is asked for; "" is the whole server's. `host`: the :authority, as for HTTP.
    """

    service: str = ""
    host: str | None = None


Probe = HttpProbe | TcpProbe | GrpcProbe


@dataclass(frozen=True, slots=True)
class ProbeTls:
    """The probe goes over TLS. `server_name`: whom the certificate must be for; None: `host`, else the address.

    `ca_certificates`: what the file `ca` held, in PEM; None: the authorities that this machine trusts.
    `verify` False: any certificate will do. `key_pair`: what the prober shows for itself.
    """

    server_name: str | None = None
    ca: Path | None = None
    ca_certificates: str | None = field(default=None, repr=False)
    verify: bool = True
    key_pair: KeyPair | None = None
