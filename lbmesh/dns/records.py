"""Writing records (RFC 1035, 3.2 and 4.1.4). Each stands behind the question, whose name it may point to."""

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lbmesh.dns.constants import CLASS_IN, Type
from lbmesh.dns.names import POINTER
from lbmesh.dns.query import HEADER_BYTES

_RECORD = struct.Struct("!HHHIH")
_RECORD_TAIL = struct.Struct("!HHIH")
_SOA_TIMES = struct.Struct("!IIIII")

REFRESH_S, RETRY_S, EXPIRE_S = 3600, 600, 86_400
"""For secondaries, of which there are none: a zone is not transferred."""


@dataclass(frozen=True, slots=True)
class Sections:
    """The records of an answer, behind its question. `extra`: those that it is complete without."""

    answers: int = 0
    authorities: int = 0
    records: bytes = b""
    extras: int = 0
    extra: bytes = b""


def address_records(owner_at: int, type_: Type, addresses: Sequence[str], ttl_s: int) -> bytes:
    """A or AAAA records of the name that stands at this offset."""
    packed = [ipaddress.ip_address(address).packed for address in addresses]
    return b"".join(_RECORD.pack(POINTER | owner_at, type_, CLASS_IN, ttl_s, len(data)) + data for data in packed)


def named_address_records(owner: bytes, type_: Type, addresses: Iterable[str], ttl_s: int) -> bytes:
    """The same for a name that stands nowhere yet."""
    packed = [ipaddress.ip_address(address).packed for address in addresses]
    return b"".join(owner + _RECORD_TAIL.pack(type_, CLASS_IN, ttl_s, len(data)) + data for data in packed)


def ns_records(owner_at: int, zone: bytes, servers: Sequence[bytes], ttl_s: int) -> bytes:
    """NS records of the zone, whose name stands at this offset."""
    names = [shortened(server, zone, owner_at) for server in servers]
    return b"".join(_RECORD.pack(POINTER | owner_at, Type.NS, CLASS_IN, ttl_s, len(name)) + name for name in names)


@dataclass(frozen=True, slots=True)
class Authority:
    """What SOA says. `least_s`: its MINIMUM, which with its TTL is how long a "no" is believed (RFC 2308, 5)."""

    server: bytes
    mailbox: bytes
    serial: int
    least_s: int


def soa_record(owner_at: int, zone: bytes, authority: Authority, ttl_s: int) -> bytes:
    """The SOA record of the zone, whose name stands at this offset."""
    data = shortened(authority.server, zone, owner_at) + shortened(authority.mailbox, zone, owner_at)
    data += _SOA_TIMES.pack(authority.serial, REFRESH_S, RETRY_S, EXPIRE_S, authority.least_s)
    return _RECORD.pack(POINTER | owner_at, Type.SOA, CLASS_IN, ttl_s, len(data)) + data


def shortened(name: bytes, zone: bytes, zone_at: int) -> bytes:
    """A name with a pointer in place of the zone's, which stands at this offset of the message."""
    if is_below(name, zone):
        return name[: -len(zone)] + (POINTER | zone_at).to_bytes(2, "big")
    return name


def is_below(name: bytes, zone: bytes) -> bool:
    """True for the zone itself and for names in it: the end must begin with a label, not within one."""
    if not name.endswith(zone):
        return False
    at, zone_at = 0, len(name) - len(zone)
    while at < zone_at:
        at += 1 + name[at]
    return at == zone_at


def offset_of(name: bytes, zone: bytes) -> int:
    """Where the zone's name stands in a message whose question is for this name."""
    return HEADER_BYTES + len(name) - len(zone)
