"""The Forwarded field (RFC 7239): what each proxy on the way said of whom it had the request from."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lbmesh.http1.grammar import HOST, TOKEN_CLASS
from lbmesh.model.limits import CLAIM_BYTES_MAX, PROXIES_MAX
from lbmesh.model.networks import IpAddress, read_ip

UNKNOWN = b"unknown"
"""§6.2: a proxy that does not know, or does not say."""


class Hop(NamedTuple):
    """What one proxy said. `text`: as it wrote it. `address`: whom it had the request from; None when it does not say.
    `proto`, `host`: how it was asked, if it says so.
    """

    text: bytes
    address: IpAddress | None
    proto: bytes | None = None
    host: bytes | None = None


# §4: no white space within an element.
_QUOTED = rb'"((?:[\t\x20!#-\[\]-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*)"'
_PAIR = re.compile(rb"(" + TOKEN_CLASS + rb"++)=(?:(" + TOKEN_CLASS + rb"++)|" + _QUOTED + rb")")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_BLANKS = re.compile(rb"[\t ]*+")

_PORT = rb"(?::([0-9]{1,5}|_[-._0-9A-Za-z]++))?"
_NODE = re.compile(rb"(?:([0-9.]{7,15})|\[([0-9A-Fa-f:.]{2,45})\]|(?i:unknown)|_[-._0-9A-Za-z]++)" + _PORT + rb"\Z")
"""§6: IPv4, IPv6 in brackets, "unknown" or an obfuscated identifier, and a port or an obfuscated one."""

_PROTO = re.compile(rb"[A-Za-z][-+.0-9A-Za-z]*+\Z")
_HOST = re.compile(HOST + rb"\Z")
_PORT_MAX = 0xFFFF


def parse_forwarded(values: Sequence[bytes]) -> tuple[Hop, ...]:
    """The hops, the nearest last, of all the field's lines in their order; at most PROXIES_MAX.

    A line that is not by the grammar takes with it what came before it: what is ambiguous says nothing, and
    only what stands after it can be known to come from the proxies that are nearest.
    """
    hops: list[Hop] = []
    for value in reversed(values):
        line = _parse_line(value)
        if line is None:
            break
        hops = line + hops
    return tuple(hops[-PROXIES_MAX:])


def _parse_line(value: bytes) -> list[Hop] | None:
    """Elements between commas; empty ones count for nothing (RFC 9110 §5.6.1)."""
    hops: list[Hop] = []
    at = _skip_blanks(value, 0)
    while at < len(value):
        if value[at] != _COMMA:
            start, pairs = at, {}
            while True:
                match = _PAIR.match(value, at)
                if match is None or (name := match[1].lower()) in pairs:
                    return None
                pairs[name] = match[2] if match[2] is not None else _ESCAPE.sub(rb"\1", match[3])
                at = match.end()
                if value[at : at + 1] != b";":
                    break
                at += 1
            hop = _hop(value[start:at], pairs)
            at = _skip_blanks(value, at)
            if hop is None or (at < len(value) and value[at] != _COMMA):
                return None
            hops.append(hop)
        at = _skip_blanks(value, at + 1)
    return hops


_COMMA = ord(",")


def _skip_blanks(value: bytes, at: int) -> int:
    match = _BLANKS.match(value, at)
    return match.end() if match else at


def _hop(text: bytes, pairs: dict[bytes, bytes]) -> Hop | None:
    """None when a parameter of §5 is not what it must be; others may be anything."""
    if len(text) > CLAIM_BYTES_MAX:
        return None
    node, proto, host = pairs.get(b"for", UNKNOWN), pairs.get(b"proto"), pairs.get(b"host")
    read = read_node(node)
    if read is None or read_node(pairs.get(b"by", UNKNOWN)) is None:
        return None
    if (proto is not None and not _PROTO.match(proto)) or (host is not None and not _HOST.match(host)):
        return None
    return Hop(text, read.address, proto.lower() if proto else None, host)


def read_node(node: bytes) -> Hop | None:
    """A node of §6, without what else an element says; None when it is none."""
    match = _NODE.match(node)
    if match is None:
        return None
    ipv4, ipv6, port = match.groups()
    if port is not None and port.isdigit() and int(port) > _PORT_MAX:
        return None
    if ipv4 is None and ipv6 is None:
        return Hop(node, None)
    address = read_ip((ipv4 or ipv6).decode())
    if address is None or (ipv6 is not None and b":" not in ipv6):
        return None
    return Hop(node, address)


def forwarded_node(address: IpAddress | None) -> bytes:
    """An address as a parameter's value: IPv6 in brackets, and quoted for them (§6)."""
    if address is None:
        return UNKNOWN
    return b'"[%b]"' % str(address).encode() if address.version == 6 else str(address).encode()
