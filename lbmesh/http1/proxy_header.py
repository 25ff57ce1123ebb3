"""The header of the PROXY protocol, versions 1 and 2: whom a connection was made for, said before anything else on it.

By the letter of HAProxy's doc/proxy-protocol.txt. Nothing is repaired and nothing is guessed: what is no header is a
fault, as soon as a byte shows it.
"""

import re
import struct
from dataclasses import dataclass
from ipaddress import ip_address

from lbmesh.model.address import Address
from lbmesh.model.limits import PROXY_HEADER_BYTES_MAX
from lbmesh.model.networks import IpAddress, in_ipv6, read_ip, unmapped
from lbmesh.model.provenance import ProxyVersion

_V1_START = b"PROXY "
_V1_BYTES_MAX = 107
"""Section 2.1: with CRLF."""

_V1_PORT = rb"(0|[1-9][0-9]{0,4})"
_V1_HOST = rb"([0-9.A-Fa-f:]+)"
_V1 = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*+)?|TCP([46]) %b %b %b %b)\r\n\Z" % (_V1_HOST, _V1_HOST, _V1_PORT, _V1_PORT)
)

_V2_START = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED = struct.Struct("!12sBBH")
_V2_LOCAL, _V2_PROXY = 0x20, 0x21
_V2_TCP4, _V2_TCP6 = 0x11, 0x21
_V2_TCP = {_V2_TCP4: struct.Struct("!4s4sHH"), _V2_TCP6: struct.Struct("!16s16sHH")}
_V2_WITHOUT_ADDRESS = {0x00: 0, 0x31: 216}
"""Unspecified, and a UNIX stream: accepted with the connection's own addresses, since there are none in them."""

_TLV = struct.Struct("!BH")
_TLV_CRC32C, _TLV_SSL = 0x03, 0x20
_SSL_BYTES_MIN = 5
_CLIENT_SSL = 0x01


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a header says. `size`: its bytes. `source`, `destination`: the ends of the client's connection; None, both,
    where the connection's own stand: a health check of the sender's, or addresses that are no IP addresses. `over_tls`:
    the sender took TLS off (PP2_CLIENT_SSL).
    """

    size: int
    source: Address | None = None
    destination: Address | None = None
    over_tls: bool = False


@dataclass(frozen=True, slots=True)
class ProxyFault:
    """Why what came is no header; tells a person."""

    detail: str


def read_proxy_header(data: bytes) -> ProxyHeader | ProxyFault | None:
    """The header that `data` begins with; None while it is not whole."""
    if _V2_START.startswith(data[: len(_V2_START)]):
        return _read_v2(data) if len(data) >= _V2_FIXED.size else None
    if _V1_START.startswith(data[: len(_V1_START)]):
        return _read_v1(data)
    return ProxyFault("the connection does not begin with a PROXY header")


def _read_v1(data: bytes) -> ProxyHeader | ProxyFault | None:
    """Section 2.1."""
    line = data[:_V1_BYTES_MAX]
    end = line.find(b"\r\n") + 2
    if end < 2:
        if len(line) == _V1_BYTES_MAX:
            return ProxyFault(f"no CRLF within {_V1_BYTES_MAX} bytes")
        if b"\n" in line or b"\r" in line[:-1]:
            return ProxyFault("a bare CR or LF")
        return None
    match = _V1.match(line[:end])
    if match is None:
        return ProxyFault("a malformed line of version 1")
    family, source_host, destination_host, source_port, destination_port = match.groups()
    if family is None:
        return ProxyHeader(end)
    source = _v1_address(family, source_host, source_port)
    destination = _v1_address(family, destination_host, destination_port)
    if source is None or destination is None:
        return ProxyFault("a malformed address in a line of version 1")
    return ProxyHeader(end, source, destination)


def _v1_address(family: bytes, host: bytes, port: bytes) -> Address | None:
    address = read_ip(host.decode())
    if address is None or (b":" in host) is not (family == b"6") or int(port) > _PORT_MAX:
        return None
    return Address(str(address), int(port))


_PORT_MAX = 0xFFFF


def _read_v2(data: bytes) -> ProxyHeader | ProxyFault | None:
    """Section 2.2."""
    _, command, family, length = _V2_FIXED.unpack_from(data)
    size = _V2_FIXED.size + length
    if command not in (_V2_LOCAL, _V2_PROXY):
        return ProxyFault(f"a version and command of {command:#04x}")
    if size > PROXY_HEADER_BYTES_MAX:
        return ProxyFault(f"a header of {size} bytes; at most {PROXY_HEADER_BYTES_MAX} are read")
    if len(data) < size:
        return None
    if command == _V2_LOCAL:
        return ProxyHeader(size)
    addresses = _V2_TCP.get(family)
    address_bytes = addresses.size if addresses else _V2_WITHOUT_ADDRESS.get(family)
    if address_bytes is None:
        return ProxyFault(f"a family and protocol of {family:#04x}, which is no stream")
    if length < address_bytes:
        return ProxyFault("addresses that are cut short")
    extensions = _extensions(data[:size], _V2_FIXED.size + address_bytes) if family else _Extensions()
    if isinstance(extensions, ProxyFault):
        return extensions
    if addresses is None:
        return ProxyHeader(size, over_tls=extensions.over_tls)
    source, destination, source_port, destination_port = addresses.unpack_from(data, _V2_FIXED.size)
    return ProxyHeader(
        size,
        Address(str(unmapped(ip_address(source))), source_port),
        Address(str(unmapped(ip_address(destination))), destination_port),
        extensions.over_tls,
    )


@dataclass(slots=True)
class _Extensions:
    """What is read of the type-length-values."""

    over_tls: bool = False


def _extensions(header: bytes, start: int) -> _Extensions | ProxyFault:
    """Each must be whole, and a checksum right (section 2.2.3); what is not understood is passed over."""
    found = _Extensions()
    while start < len(header):
        if len(header) - start < _TLV.size:
            return ProxyFault("an extension that is cut short")
        kind, length = _TLV.unpack_from(header, start)
        start += _TLV.size
        value = header[start : start + length]
        if len(value) < length:
            return ProxyFault("an extension that is cut short")
        if kind == _TLV_CRC32C and not _is_right(header, start, value):
            return ProxyFault("a wrong checksum")
        if kind == _TLV_SSL:
            if length < _SSL_BYTES_MIN:
                return ProxyFault("an extension that is cut short")
            found.over_tls = bool(value[0] & _CLIENT_SSL)
        start += length
    return found


def _is_right(header: bytes, start: int, checksum: bytes) -> bool:
    zeroed = header[:start] + bytes(len(checksum)) + header[start + len(checksum) :]
    return checksum == crc32c(zeroed).to_bytes(4, "big")


def crc32c(data: bytes) -> int:
    """The Castagnoli checksum (RFC 9260 appendix A)."""
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder = (remainder >> 8) ^ _CRC32C[(remainder ^ byte) & 0xFF]
    return remainder ^ 0xFFFFFFFF


def _crc32c_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC32C = tuple(map(_crc32c_entry, range(256)))


def write_proxy_header(version: ProxyVersion, source: Address | None, destination: Address | None) -> bytes:
    """The header for a client's connection between two IP addresses; without them, "this connection is my own".

    Where one is IPv4 and the other IPv6, the former is written as IPv6, since a header has one family.
    """
    ends = _of_one_family(source, destination)
    if ends is None:
        return b"PROXY UNKNOWN\r\n" if version is ProxyVersion.V1 else _V2_FIXED.pack(_V2_START, _V2_LOCAL, 0, 0)
    (source_ip, source_port), (destination_ip, destination_port) = ends
    if version is ProxyVersion.V1:
        line = f"PROXY TCP{source_ip.version} {source_ip} {destination_ip} {source_port} {destination_port}\r\n"
        return line.encode()
    family = _V2_TCP4 if source_ip.version == 4 else _V2_TCP6
    addresses = _V2_TCP[family].pack(source_ip.packed, destination_ip.packed, source_port, destination_port)
    return _V2_FIXED.pack(_V2_START, _V2_PROXY, family, len(addresses)) + addresses


def write_own_proxy_header(version: ProxyVersion, local: Address, remote: Address) -> bytes:
    """The header for a connection that is made for no client: a probe, say. Version 1 has a word for that too, but some
    take none, so the connection's own ends are written (section 2.1).
    """
    ends = (local, remote) if version is ProxyVersion.V1 else (None, None)
    return write_proxy_header(version, *ends)


def _of_one_family(
    source: Address | None, destination: Address | None
) -> tuple[tuple[IpAddress, int], tuple[IpAddress, int]] | None:
    if source is None or destination is None:
        return None
    source_ip, destination_ip = read_ip(source.host.partition("%")[0]), read_ip(destination.host.partition("%")[0])
    if source_ip is None or destination_ip is None:
        return None
    if source_ip.version != destination_ip.version:
        source_ip, destination_ip = in_ipv6(source_ip), in_ipv6(destination_ip)
    return (source_ip, source.port), (destination_ip, destination.port)
