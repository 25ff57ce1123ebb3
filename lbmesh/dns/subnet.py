"""EDNS Client Subnet (RFC 7871): the network a resolver asks for, and for which networks an answer holds."""

import ipaddress
import struct
from dataclasses import dataclass

from lbmesh.dns.constants import Option
from lbmesh.model.networks import IpAddress

_HEAD = struct.Struct("!HBB")
_OPTION = struct.Struct("!HHHBB")
_BITS = {1: 32, 2: 128}
"""Families (IANA's Address Family Numbers), with the bits of their addresses."""


@dataclass(frozen=True, slots=True)
class ClientSubnet:
    """`family`: 1 for IPv4, 2 for IPv6. `source_bits`: how many bits are told. `address`: its first bytes, as they
    came.
    """

    family: int
    source_bits: int
    address: bytes

    def ip(self) -> IpAddress | None:
        """The network's first address; None when nothing is told of the client (RFC 7871, 7.1.2)."""
        if not self.source_bits:
            return None
        whole = self.address.ljust(_BITS[self.family] // 8, b"\0")
        return ipaddress.IPv4Address(whole) if self.family == 1 else ipaddress.IPv6Address(whole)

    def option(self, scope_bits: int) -> bytes:
        """The option of an answer, which holds for all clients that share so many bits (RFC 7871, 7.2.1)."""
        length = _HEAD.size + len(self.address)
        return _OPTION.pack(Option.CLIENT_SUBNET, length, self.family, self.source_bits, scope_bits) + self.address


def read_subnet(data: bytes) -> ClientSubnet | None:
    """The option of a query; None when it breaks RFC 7871, 6: bytes beyond the prefix, bits set beyond it, a scope."""
    if len(data) < _HEAD.size:
        return None
    family, source_bits, scope_bits = _HEAD.unpack_from(data)
    address = data[_HEAD.size :]
    if scope_bits or source_bits > _BITS.get(family, 0) or len(address) != (source_bits + 7) // 8:
        return None
    if family not in _BITS:
        return None
    if source_bits % 8 and address[-1] & (0xFF >> source_bits % 8):
        return None
    return ClientSubnet(family, source_bits, address)
