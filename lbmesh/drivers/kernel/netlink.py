"""Netlink messages in general (RFC 3549, linux/netlink.h): headers, attributes, what the kernel answers. Pure."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

REQUEST, MULTI, ACK, ROOT_MATCH = 0x1, 0x2, 0x4, 0x300
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400
NESTED = 0x8000
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its type and what follows the header."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """How a request ended: an errno, 0 for success."""

    errno: int


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """A whole message, padded as netlink wants it."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body + bytes(-len(body) % 4)


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded. Values that are attributes themselves have NESTED in their kind."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """Kind to value; what is cut off is left out, and of two of a kind the last counts."""
    return dict(each(data))


def each(data: bytes) -> Iterator[tuple[int, bytes]]:
    """One attribute after the other, as (kind, value); what is cut off is left out."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size or at + length > len(data):
            break
        yield kind & _TYPE_MASK, data[at + _ATTRIBUTE.size : at + length]
        at += length + -length % 4


def answers(datagram: bytes, sequence: int | None = None) -> Iterator[Message | Status]:
    """What is in a datagram of the kernel's, of one request or of all. The end of a listing is a Status."""
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, _, number, _ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size or at + length > len(datagram):
            return
        body = datagram[at + _HEADER.size : at + length]
        at += length + -length % 4
        if sequence is not None and number != sequence:
            continue
        if kind in (_ERROR, _DONE):
            yield Status(-struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0)
        else:
            yield Message(kind, body)
