"""Tunnels between machines (VXLAN, RFC 7348) in rtnetlink's words (rtnetlink(7), linux/if_link.h). Pure.

A tunnel is one device with many far ends. It learns none and floods nothing: it leads where it was told to, and drops
the rest. Far ends are told from each other by hardware addresses, and named by addresses that mean something on this
machine only.
"""

import ipaddress
import socket
import struct

from lbmesh.drivers.kernel.netlink import ACK, CREATE, EXCLUSIVE, NESTED, REPLACE, REQUEST, attribute, message

_NEW_LINK, _DELETE_LINK, _NEW_NEIGHBOUR, _DELETE_NEIGHBOUR = 16, 17, 28, 29
_LINK_HEAD = struct.Struct("=BxHiII")
_NEIGHBOUR_HEAD = struct.Struct("=BxxxiHBB")
_LINK_ADDRESS, _LINK_NAME, _LINK_INFO = 1, 3, 18
_INFO_KIND, _INFO_DATA = 1, 2
_VXLAN_ID, _VXLAN_LOCAL, _VXLAN_LEARNING, _VXLAN_OWN_PORTS, _VXLAN_PORT, _VXLAN_LOCAL_6 = 1, 4, 7, 10, 15, 17
_NEIGHBOUR_ADDRESS, _NEIGHBOUR_HARDWARE = 1, 2
_UP = 0x1
_BRIDGE = 7
"""AF_BRIDGE."""
_PERMANENT, _NO_ARP = 0x80, 0x40
_SELF = 0x02
"""NTF_SELF: an entry of the device's own table, not of a bridge's."""


def add_tunnel(name: str, mac: bytes, network: int, port: int, local: str, sequence: int) -> bytes:
    """A device that is up. EEXIST when there is one of this name, EADDRINUSE when somebody else has the port.
    `network`: the VNI, 24 bits. `local`: the machine's own address, where far ends have the same family; 0.0.0.0 or ::
    lets routes choose.
    """
    packed = ipaddress.ip_address(local).packed
    data = (
        attribute(_VXLAN_ID, struct.pack("=I", network))
        + attribute(_VXLAN_PORT, struct.pack(">H", port))
        + attribute(_VXLAN_LEARNING, b"\0")
        # A port for each flow within, as is usual, would be an entry in conntrack for each connection.
        + attribute(_VXLAN_OWN_PORTS, struct.pack(">HH", port, port + 1))
        + attribute(_VXLAN_LOCAL_6 if len(packed) == 16 else _VXLAN_LOCAL, packed)
    )
    body = (
        _LINK_HEAD.pack(socket.AF_UNSPEC, 0, 0, _UP, _UP)
        + attribute(_LINK_NAME, name.encode() + b"\0")
        + attribute(_LINK_ADDRESS, mac)
        + attribute(_LINK_INFO | NESTED, attribute(_INFO_KIND, b"vxlan\0") + attribute(_INFO_DATA | NESTED, data))
    )
    return message(_NEW_LINK, REQUEST | ACK | CREATE | EXCLUSIVE, sequence, body)


def delete_link(name: str, sequence: int) -> bytes:
    """Take a device away; ENODEV when there is none."""
    body = _LINK_HEAD.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(_LINK_NAME, name.encode() + b"\0")
    return message(_DELETE_LINK, REQUEST | ACK, sequence, body)


def lead(index: int, mac: bytes, host: str, sequence: int) -> bytes:
    """Frames to this hardware address go to that machine."""
    return message(_NEW_NEIGHBOUR, REQUEST | ACK | CREATE | REPLACE, sequence, _far_end(index, mac, host))


def lead_no_more(index: int, mac: bytes, host: str, sequence: int) -> bytes:
    """The reverse; ENOENT when they did not."""
    return message(_DELETE_NEIGHBOUR, REQUEST | ACK, sequence, _far_end(index, mac, host))


def name_neighbour(index: int, address: str, mac: bytes, sequence: int) -> bytes:
    """Packets that are sent by way of this address bear that hardware address; nobody is asked for it."""
    packed = ipaddress.ip_address(address).packed
    family = socket.AF_INET6 if len(packed) == 16 else socket.AF_INET
    head = _NEIGHBOUR_HEAD.pack(family, index, _PERMANENT, 0, 0)
    body = head + attribute(_NEIGHBOUR_ADDRESS, packed) + attribute(_NEIGHBOUR_HARDWARE, mac)
    return message(_NEW_NEIGHBOUR, REQUEST | ACK | CREATE | REPLACE, sequence, body)


def _far_end(index: int, mac: bytes, host: str) -> bytes:
    head = _NEIGHBOUR_HEAD.pack(_BRIDGE, index, _PERMANENT | _NO_ARP, _SELF, 0)
    address = attribute(_NEIGHBOUR_ADDRESS, ipaddress.ip_address(host).packed)
    return head + address + attribute(_NEIGHBOUR_HARDWARE, mac)
