"""Routes in rtnetlink's words (rtnetlink(7)). Pure."""

import ipaddress
import socket
import struct
from dataclasses import dataclass

from lbmesh.drivers.kernel.limits import ADDRESS_PROTOCOL
from lbmesh.drivers.kernel.netlink import ACK, CREATE, REQUEST, Message, attribute, attributes, message

_NEW_ROUTE, _GET_ROUTE = 24, 26
_DESTINATION, _INTERFACE, _GATEWAY, _METRIC, _OTHER_GATEWAY = 1, 4, 5, 6, 18
_UNICAST = 1
_MAIN = 254
_ON_LINK = 253
"""RT_SCOPE_LINK."""
_LAST = 0xFFFF
"""A metric: who has a route of their own to the same network keeps it."""
_HEAD = struct.Struct("=BBBBBBBBI")


@dataclass(frozen=True, slots=True)
class Route:
    """Where packets go. `gateway`: None for a neighbour's address."""

    index: int
    gateway: str | None


def get_route(address: str, sequence: int) -> bytes:
    """Ask how packets to an address go."""
    packed = ipaddress.ip_address(address).packed
    head = _HEAD.pack(_family(packed), 8 * len(packed), 0, 0, 0, 0, 0, 0, 0)
    return message(_GET_ROUTE, REQUEST | ACK, sequence, head + attribute(_DESTINATION, packed))


def lead_out(network: str, index: int, sequence: int) -> bytes:
    """Have packets to a network go out by this interface, as to neighbours; EEXIST when they do. The route bears our
    mark, and comes after those of others.
    """
    parsed = ipaddress.ip_network(network)
    packed = parsed.network_address.packed
    head = _HEAD.pack(_family(packed), parsed.prefixlen, 0, 0, _MAIN, ADDRESS_PROTOCOL, _ON_LINK, _UNICAST, 0)
    body = head + attribute(_DESTINATION, packed) + attribute(_INTERFACE, struct.pack("=I", index))
    return message(_NEW_ROUTE, REQUEST | ACK | CREATE, sequence, body + attribute(_METRIC, struct.pack("=I", _LAST)))


def parse_route(said: Message) -> Route | None:
    """A route in an answer; None for another message, and for one that is not for unicast or has several ways."""
    if said.kind != _NEW_ROUTE or len(said.body) < _HEAD.size:
        return None
    *_, kind, _ = _HEAD.unpack_from(said.body)
    found = attributes(said.body[_HEAD.size :])
    if kind != _UNICAST or _INTERFACE not in found:
        return None
    gateway = found.get(_GATEWAY)
    # A next hop of the other family (RFC 5549): not the destination's neighbour, and no address that is asked for here.
    via = str(ipaddress.ip_address(gateway)) if gateway else "?" if _OTHER_GATEWAY in found else None
    (index,) = struct.unpack("=I", found[_INTERFACE])
    return Route(index, via)


def _family(packed: bytes) -> int:
    return socket.AF_INET6 if len(packed) == 16 else socket.AF_INET
