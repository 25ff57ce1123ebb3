"""Addresses and links in rtnetlink's words (rtnetlink(7)). Pure.

An address of ours bears our protocol number, so that it is known for ours after a crash. One of IPv6 is added without
duplicate address detection (RFC 4862, 5.4), which takes a second and is done here in a shorter way, and is deprecated
from the start (RFC 4862, 5.5.4), so that no connection of the node's own begins from it.
"""

import ipaddress
import socket
import struct
from dataclasses import dataclass

from lbmesh.drivers.kernel.limits import ADDRESS_PROTOCOL
from lbmesh.drivers.kernel.netlink import (
    ACK,
    CREATE,
    REPLACE,
    REQUEST,
    ROOT_MATCH,
    Message,
    attribute,
    attributes,
    message,
)

MONITORED_GROUPS = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR."""

_NEW_LINK, _GET_LINK = 16, 18
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 20, 21, 22
_ADDRESS, _LOCAL, _CACHE, _FLAGS, _PROTOCOL = 1, 2, 6, 8, 11
_LINK_ADDRESS, _LINK_NAME = 1, 3
_NO_DETECTION = 0x02
_FOREVER = 0xFFFFFFFF
_EVERYWHERE = 0
"""RT_SCOPE_UNIVERSE."""
_PASSING = 0x01 | 0x08 | 0x20 | 0x40
"""IFA_F_SECONDARY (of IPv6: temporary), DADFAILED, DEPRECATED, TENTATIVE."""
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_ETHERNET = 1
_ADDRESS_HEAD = struct.Struct("=BBBBI")
_LINK_HEAD = struct.Struct("=BxHiII")
_MAC_BYTES = 6


@dataclass(frozen=True, slots=True)
class Link:
    """An interface. `mac`: 6 bytes, empty for one that is no Ethernet. `is_up`: by its settings, and with a carrier."""

    index: int
    mac: bytes
    is_up: bool


@dataclass(frozen=True, slots=True)
class Assigned:
    """An address of the machine's. `is_ours`: it bears our mark. `is_own`: it does not, is good beyond its link, and
    is no secondary one of several in a network.
    """

    index: int
    address: str
    prefix_length: int
    is_ours: bool
    is_own: bool = False


def add_address(index: int, address: str, prefix_length: int, sequence: int) -> bytes:
    """Put it on the interface, with our mark; one that is there already gets the mark."""
    body = _address_body(index, address, prefix_length) + attribute(_PROTOCOL, bytes([ADDRESS_PROTOCOL]))
    if ":" in address:
        body += attribute(_FLAGS, struct.pack("=I", _NO_DETECTION))
        body += attribute(_CACHE, struct.pack("=IIII", 0, _FOREVER, 0, 0))
    return message(_NEW_ADDRESS, REQUEST | ACK | CREATE | REPLACE, sequence, body)


def delete_address(index: int, address: str, prefix_length: int, sequence: int) -> bytes:
    """Take it away."""
    return message(_DELETE_ADDRESS, REQUEST | ACK, sequence, _address_body(index, address, prefix_length))


def list_addresses(sequence: int) -> bytes:
    """Ask for all addresses of all interfaces."""
    return message(_GET_ADDRESS, REQUEST | ROOT_MATCH, sequence, _ADDRESS_HEAD.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def get_link(name: str, sequence: int) -> bytes:
    """Ask for one interface; ENODEV when there is none of this name."""
    body = _LINK_HEAD.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(_LINK_NAME, name.encode() + b"\0")
    return message(_GET_LINK, REQUEST | ACK, sequence, body)


def parse_address(said: Message) -> Assigned | None:
    """An address in a listing; None for another message."""
    if said.kind != _NEW_ADDRESS or len(said.body) < _ADDRESS_HEAD.size:
        return None
    _, prefix_length, flags, scope, index = _ADDRESS_HEAD.unpack_from(said.body)
    found = attributes(said.body[_ADDRESS_HEAD.size :])
    packed = found.get(_LOCAL, found.get(_ADDRESS, b""))
    if len(packed) not in (4, 16):
        return None
    is_ours = found.get(_PROTOCOL) == bytes([ADDRESS_PROTOCOL])
    is_own = not is_ours and scope == _EVERYWHERE and not flags & _PASSING
    return Assigned(index, str(ipaddress.ip_address(packed)), prefix_length, is_ours, is_own)


def parse_link(said: Message) -> Link | None:
    """An interface; None for another message."""
    if said.kind != _NEW_LINK or len(said.body) < _LINK_HEAD.size:
        return None
    _, hardware, index, flags, _ = _LINK_HEAD.unpack_from(said.body)
    mac = attributes(said.body[_LINK_HEAD.size :]).get(_LINK_ADDRESS, b"")
    is_ethernet = hardware == _ETHERNET and len(mac) == _MAC_BYTES
    return Link(index, mac if is_ethernet else b"", bool(flags & _IFF_UP and flags & _IFF_LOWER_UP))


def _address_body(index: int, address: str, prefix_length: int) -> bytes:
    packed = ipaddress.ip_address(address).packed
    family = socket.AF_INET6 if len(packed) == 16 else socket.AF_INET
    head = _ADDRESS_HEAD.pack(family, prefix_length, 0, 0, index)
    return head + attribute(_LOCAL, packed) + attribute(_ADDRESS, packed)
