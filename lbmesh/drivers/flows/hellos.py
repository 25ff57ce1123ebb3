"""How nodes that share fronts find each other on a segment, whatever network they gossip over. Pure.

Each says once a second who it is and what its addresses there are, in an Ethernet frame of the kind for local
experiments (IEEE Std 802-2014, 9.2.4), which no machine passes on. It proves as little as ARP does.
"""

import hashlib
import ipaddress
import struct
from collections.abc import Collection
from dataclasses import dataclass

ETHER_LOCAL = 0x88B5
_EVERYBODY = b"\xff" * 6
_WORD = b"LBH1"
_HEAD = struct.Struct(">4s8s4s16sB")
_ETHERNET_BYTES = 14
_NAME_BYTES_MAX = 255
_NONE_4, _NONE_6 = bytes(4), bytes(16)


@dataclass(frozen=True, slots=True)
class Hello:
    """A node on the segment, by its name in the mesh. `four`, `six`: its own addresses there, "" for none. `fronts`: a
    digest of those that it shares, so that another mesh's node of the same name is not taken for it.
    """

    name: str
    four: str
    six: str
    fronts: bytes

    def address(self, family: str) -> str:
        """Of family "ip" or "ip6"; "" for none."""
        return self.six if family == "ip6" else self.four


def digest(fronts: Collection[str]) -> bytes:
    """Of the addresses of fronts."""
    return hashlib.blake2b("\0".join(sorted(fronts)).encode(), digest_size=8, person=b"lbmesh hello").digest()


def frame(hello: Hello, mac: bytes) -> bytes:
    """To everybody on the segment."""
    name = hello.name.encode()[:_NAME_BYTES_MAX]
    four, six = _packed(hello.four, _NONE_4), _packed(hello.six, _NONE_6)
    body = _HEAD.pack(_WORD, hello.fronts, four, six, len(name)) + name
    return (_EVERYBODY + mac + struct.pack(">H", ETHER_LOCAL) + body).ljust(60, b"\0")


def hello_of(heard: bytes) -> Hello | None:
    """A frame that was heard; None for what is no hello."""
    body = heard[_ETHERNET_BYTES:]
    if heard[12:14] != struct.pack(">H", ETHER_LOCAL) or len(body) < _HEAD.size:
        return None
    word, fronts, four, six, length = _HEAD.unpack_from(body)
    name = body[_HEAD.size : _HEAD.size + length]
    if word != _WORD or len(name) < length:
        return None
    return Hello(name.decode(errors="replace"), _text(four, _NONE_4), _text(six, _NONE_6), fronts)


def _packed(address: str, none: bytes) -> bytes:
    return ipaddress.ip_address(address).packed if address else none


def _text(packed: bytes, none: bytes) -> str:
    return "" if packed == none else str(ipaddress.ip_address(packed))
