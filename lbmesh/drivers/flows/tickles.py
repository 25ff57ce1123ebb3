"""Segments that make a client's kernel show itself, so that ours resets a connection that it does not have. Pure.

A segment outside the window, in the form of a keep-alive probe with one byte (RFC 1122, 4.2.3.6), is answered with an
ACK that bears the client's real numbers (RFC 9293, 3.10.7.4). Our kernel has no such connection and resets it, by these
numbers (3.5.2). So nothing is guessed, and a connection that our kernel does have comes to no harm: its ACK is as any
other. Without the byte Linux would answer once in half a second only (tcp_invalid_ratelimit). A client whose SYN was
lost sends it again at once; one that knows nothing of the connection answers with a reset.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import starmap
from socket import AF_INET, AF_INET6, inet_ntop

_TCP = struct.Struct(">HHIIBBHHH")
_IPV4 = struct.Struct(">BBHHHBBH4s4s")
_OFFSET, _ACK, _WINDOW = 5 << 4, 0x10, 1234
_PROTOCOL, _HOPS = 6, 64
_BYTE = b"\0"
_SEGMENT_BYTES = _TCP.size + len(_BYTE)
_ROUNDS_APART = 0x5555_5555


@dataclass(frozen=True, slots=True)
class Flow:
    """A client's connection with a front. `client`, `front`: 4 or 16 bytes."""

    client: bytes
    client_port: int
    front: bytes
    front_port: int

    @property
    def client_host(self) -> str:
        """As text."""
        return inet_ntop(AF_INET if len(self.client) == 4 else AF_INET6, self.client)


_KEY_4, _KEY_6 = struct.Struct(">4sHxx4sHxx"), struct.Struct(">16sHxx16sHxx")
"""Keys of the set, each part of which is padded to 4 bytes."""


def is_of(key: bytes, front: bytes) -> bool:
    """Is this the key of a connection with that front?"""
    size, begin = len(front), len(front) + 4
    return len(key) == 2 * begin and key[begin : begin + size] == front


def flows_of(keys: bytes, front: bytes, at_once: int) -> Iterator[Iterator[Flow]]:
    """The connections of a front from their keys, which stand one after the other: so many at once, each made when it
    is wanted. As objects all together, 65,536 of them are tens of milliseconds' work to make and to make away with.
    """
    shape = _KEY_4 if len(front) == 4 else _KEY_6
    view, step = memoryview(keys), at_once * shape.size
    for begin in range(0, len(keys), step):
        yield starmap(Flow, shape.iter_unpack(view[begin : begin + step]))


def key_of(flow: Flow) -> bytes:
    """Its key."""
    shape = _KEY_4 if len(flow.client) == 4 else _KEY_6
    return shape.pack(flow.client, flow.client_port, flow.front, flow.front_port)


def tickle(flow: Flow, number: int) -> bytes:
    """A whole packet, as if from the front. `number`: of the round, from 0; each has other sequence numbers, should
    those of the last happen to be within the window.
    """
    sequence = number * _ROUNDS_APART & 0xFFFF_FFFF
    segment = _TCP.pack(flow.front_port, flow.client_port, sequence, 0, _OFFSET, _ACK, _WINDOW, 0, 0) + _BYTE
    pseudo = flow.front + flow.client + struct.pack(">HH", _PROTOCOL, _SEGMENT_BYTES)
    checked = segment[:16] + struct.pack(">H", _checksum(pseudo + segment + b"\0")) + segment[18:]
    if len(flow.client) == 16:
        return struct.pack(">IHBB", 0x6000_0000, len(checked), _PROTOCOL, _HOPS) + flow.front + flow.client + checked
    # Linux fills in length, identification and checksum (raw(7)).
    return _IPV4.pack(0x45, 0, 0, 0, 0, _HOPS, _PROTOCOL, 0, flow.front, flow.client) + checked


def _checksum(data: bytes) -> int:
    """RFC 1071; the data is of even length."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - ((total & 0xFFFF) + (total >> 16))
