"""The PROXY protocol by the sections of its own text (HAProxy, doc/proxy-protocol.txt)."""

import pytest

from lbmesh.http1.proxy_header import (
    ProxyFault,
    ProxyHeader,
    crc32c,
    read_proxy_header,
    write_own_proxy_header,
    write_proxy_header,
)
from lbmesh.model.address import Address
from lbmesh.model.limits import PROXY_HEADER_BYTES_MAX
from lbmesh.model.provenance import ProxyVersion

V1, V2 = ProxyVersion.V1, ProxyVersion.V2
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
SOURCE, DESTINATION = Address("192.168.0.1", 56324), Address("192.168.0.11", 443)
TCP4 = bytes([192, 168, 0, 1, 192, 168, 0, 11]) + (56324).to_bytes(2, "big") + (443).to_bytes(2, "big")
SOURCE6, DESTINATION6 = Address("2001:db8::1", 1), Address("2001:db8::2", 65535)
TCP6 = bytes.fromhex("20010db800000000000000000000000120010db80000000000000000000000020001ffff")


def v2(command: int, family: int, rest: bytes = b"", length: int | None = None) -> bytes:
    size = len(rest) if length is None else length
    return SIGNATURE + bytes([command, family]) + size.to_bytes(2, "big") + rest


def tlv(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def checked(header: bytes) -> bytes:
    """With a right checksum at its end, for which `header` has made room in its length."""
    return header + tlv(0x03, crc32c(header + tlv(0x03, bytes(4))).to_bytes(4, "big"))


READ = [
    ("2.1 the example", b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", SOURCE, DESTINATION),
    ("2.1 IPv6", b"PROXY TCP6 2001:DB8::1 2001:db8:0:0::2 1 65535\r\n", SOURCE6, DESTINATION6),
    (
        "2.1 the longest line",
        b"PROXY TCP6 %b %b 65535 65535\r\n" % (b":".join([b"ffff"] * 8), b":".join([b"ffff"] * 8)),
        Address(":".join(["ffff"] * 8), 65535),
        Address(":".join(["ffff"] * 8), 65535),
    ),
    ("2.1 ports of 0", b"PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n",
     Address("0.0.0.0", 0), Address("255.255.255.255", 0)),
    ("2.1 unknown", b"PROXY UNKNOWN\r\n", None, None),
    ("2.1 unknown, with anything after it", b"PROXY UNKNOWN ffff::1 what \xff ever\r\n", None, None),
    ("2.1 the worst case", b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None, None),
    ("2.2 local", v2(0x20, 0x00), None, None),
    ("2.2 local, whatever its family and addresses", v2(0x20, 0xFF, b"junk"), None, None),
    ("2.2 TCP over IPv4", v2(0x21, 0x11, TCP4), SOURCE, DESTINATION),
    ("2.2 TCP over IPv6", v2(0x21, 0x21, TCP6), SOURCE6, DESTINATION6),
    ("2.2 IPv4 within IPv6 is IPv4", v2(0x21, 0x21, bytes(10) + b"\xff\xff\xc0\xa8\0\1" + TCP6[16:]),
     Address("192.168.0.1", 1), DESTINATION6),
    ("2.2 a UNIX stream has no IP address", v2(0x21, 0x31, b"/run/a".ljust(108, b"\0") * 2), None, None),
    ("2.2 unspecified", v2(0x21, 0x00), None, None),
    ("2.2 unspecified, with anything after it", v2(0x21, 0x00, b"x"), None, None),
    ("2.2 extensions that are not understood", v2(0x21, 0x11, TCP4 + tlv(0x05, b"id") + tlv(0xE0, b"")),
     SOURCE, DESTINATION),
    ("2.2.4 padding", v2(0x21, 0x11, TCP4 + tlv(0x04, bytes(9))), SOURCE, DESTINATION),
    ("2.2.3 a right checksum", checked(v2(0x21, 0x11, TCP4, length=len(TCP4) + 7)), SOURCE, DESTINATION),
    ("the longest that is read", v2(0x21, 0x11, TCP4 + tlv(0x04, bytes(PROXY_HEADER_BYTES_MAX - 16 - 12 - 3))),
     SOURCE, DESTINATION),
]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "source", "destination"), [case[1:] for case in READ], ids=[case[0] for case in READ]
)
def test_a_header(header: bytes, source: Address | None, destination: Address | None) -> None:
    after = b"GET / HTTP/1.1\r\n"
    assert read_proxy_header(header + after) == ProxyHeader(len(header), source, destination)
    for size in range(len(header)):
        assert read_proxy_header(header[:size]) is None


FAULTS = [
    ("not a header", b"GET / HTTP/1.1\r\n"),
    ("a TLS handshake", b"\x16\x03\x01"),
    ("one byte is enough", b"G"),
    ("2.1 in lower case", b"proxy"),
    ("2.1 no CRLF within 107 bytes", b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n"),
    ("2.1 a bare LF", b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n"),
    ("2.1 a bare CR", b"PROXY TCP4 192.168.0.1 192.168.0.11\r56324 443"),
    ("2.1 another protocol", b"PROXY UDP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
    ("2.1 two blanks", b"PROXY TCP4  192.168.0.1 192.168.0.11 56324 443\r\n"),
    ("2.1 a blank at the end", b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n"),
    ("2.1 a tab", b"PROXY\tTCP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
    ("2.1 too few words", b"PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n"),
    ("2.1 a heading zero in an address", b"PROXY TCP4 192.168.0.01 192.168.0.11 56324 443\r\n"),
    ("2.1 a heading zero in a port", b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 0443\r\n"),
    ("2.1 a port too large", b"PROXY TCP4 192.168.0.1 192.168.0.11 65536 443\r\n"),
    ("2.1 a sign", b"PROXY TCP4 192.168.0.1 192.168.0.11 +1 443\r\n"),
    ("2.1 three octets", b"PROXY TCP4 192.168.1 192.168.0.11 56324 443\r\n"),
    ("2.1 IPv6 as IPv4", b"PROXY TCP4 ::1 ::1 56324 443\r\n"),
    ("2.1 IPv4 as IPv6", b"PROXY TCP6 192.168.0.1 192.168.0.11 56324 443\r\n"),
    ("2.1 two families", b"PROXY TCP6 ::1 192.168.0.11 56324 443\r\n"),
    ("2.1 a scope", b"PROXY TCP6 fe80::1%1 ::1 56324 443\r\n"),
    ("2.1 a bare CR after unknown", b"PROXY UNKNOWN a\rb\r\n"),
    ("2.1 a longer word", b"PROXY UNKNOWNS\r\n"),
    ("2.2 version 1 in binary", v2(0x11, 0x11, TCP4)),
    ("2.2 version 3", v2(0x31, 0x11, TCP4)),
    ("2.2 an unassigned command", v2(0x22, 0x11, TCP4)),
    ("2.2 UDP over IPv4 in a stream", v2(0x21, 0x12, TCP4)),
    ("2.2 UDP over IPv6 in a stream", v2(0x21, 0x22, TCP6)),
    ("2.2 UNIX datagrams in a stream", v2(0x21, 0x32, bytes(216))),
    ("2.2 an unassigned family", v2(0x21, 0x41, bytes(216))),
    ("2.2 an unassigned protocol", v2(0x21, 0x13, TCP4)),
    ("2.2 addresses cut short", v2(0x21, 0x11, TCP4[:-1])),
    ("2.2 IPv6 addresses cut short", v2(0x21, 0x21, TCP4)),
    ("2.2 UNIX addresses cut short", v2(0x21, 0x31, bytes(215))),
    ("2.2 an extension without its length", v2(0x21, 0x11, TCP4 + b"\x04\0")),
    ("2.2 an extension cut short", v2(0x21, 0x11, TCP4 + b"\x04\0\x02a")),
    ("2.2.3 a wrong checksum", v2(0x21, 0x11, TCP4 + tlv(0x03, bytes(4)))),
    ("2.2.3 a checksum of another size", v2(0x21, 0x11, TCP4 + tlv(0x03, b"abc"))),
    ("2.2.6 an SSL extension cut short", v2(0x21, 0x11, TCP4 + tlv(0x20, bytes(4)))),
    ("longer than is read", v2(0x21, 0x11, length=PROXY_HEADER_BYTES_MAX - 15)),
    ("a signature that is cut short by other bytes", SIGNATURE[:11] + b"\r"),
]  # fmt: skip


@pytest.mark.parametrize("data", [case[1] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_a_fault(data: bytes) -> None:
    assert isinstance(read_proxy_header(data), ProxyFault)


@pytest.mark.parametrize("bit", range(0, 8 * 12, 5))
def test_2_2_3_a_checksum_sees_a_changed_bit(bit: int) -> None:
    header = bytearray(checked(v2(0x21, 0x11, TCP4, length=len(TCP4) + 7)))
    header[16 + bit // 8] ^= 1 << bit % 8
    assert read_proxy_header(bytes(header)) == ProxyFault("a wrong checksum")


def test_the_checksum_is_castagnoli_s() -> None:
    """RFC 3720 appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize(("client", "expected"), [(0x01, True), (0x07, True), (0x06, False)])
def test_2_2_6_the_sender_took_tls_off(client: int, expected: bool) -> None:
    version = tlv(0x21, b"TLSv1.3")
    header = read_proxy_header(v2(0x21, 0x11, TCP4 + tlv(0x20, bytes([client]) + bytes(4) + version)))
    assert isinstance(header, ProxyHeader)
    assert header.over_tls is expected


WRITTEN = [
    (V1, SOURCE, DESTINATION, b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"),
    (V1, SOURCE6, DESTINATION6, b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"),
    (V1, None, None, b"PROXY UNKNOWN\r\n"),
    (V2, SOURCE, DESTINATION, v2(0x21, 0x11, TCP4)),
    (V2, SOURCE6, DESTINATION6, v2(0x21, 0x21, TCP6)),
    (V2, None, None, v2(0x20, 0x00)),
    (V2, SOURCE, DESTINATION6, v2(0x21, 0x21, bytes(10) + b"\xff\xff\xc0\xa8\0\1" + TCP6[16:32] + b"\xdc\x04\xff\xff")),
    (V1, Address("fe80::1%eth0", 1), DESTINATION6, b"PROXY TCP6 fe80::1 2001:db8::2 1 65535\r\n"),
    (V2, Address("lb.example.com", 1), DESTINATION6, v2(0x20, 0x00)),
]


@pytest.mark.parametrize(("version", "source", "destination", "expected"), WRITTEN)
def test_writing(version: ProxyVersion, source: Address | None, destination: Address | None, expected: bytes) -> None:
    assert write_proxy_header(version, source, destination) == expected


def test_a_connection_of_one_s_own() -> None:
    assert write_own_proxy_header(V1, SOURCE, DESTINATION) == b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
    assert write_own_proxy_header(V2, SOURCE, DESTINATION) == v2(0x20, 0x00)


def test_v1_is_of_one_family() -> None:
    line = write_proxy_header(V1, SOURCE, DESTINATION6)
    assert line.startswith(b"PROXY TCP6 ::ffff:")
    assert read_proxy_header(line) == ProxyHeader(len(line), SOURCE, DESTINATION6)
