"""Routes in rtnetlink's words (rtnetlink(7)). Pure."""

import ipaddress
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from lbmesh.drivers.vip.netlink import ACK, REQUEST, ROOT_MATCH, Message, attribute, attributes, message

_NEW_ROUTE, _GET_ROUTE = 24, 26
_DESTINATION, _INTERFACE, _GATEWAY, _PRIORITY, _OTHER_GATEWAY = 1, 4, 5, 6, 18
_UNICAST, _MAIN_TABLE = 1, 254
_HEAD = struct.Struct("=BBBBBBBBI")


@dataclass(frozen=True, slots=True)
class Route:
    """Where packets go. `gateway`: None for a neighbour's address. `priority`: the least counts."""

    index: int
    gateway: str | None
    priority: int = 0
    is_default: bool = False


def get_route(address: str, sequence: int) -> bytes:
    """Ask how packets to an address go."""
    packed = ipaddress.ip_address(address).packed
    head = _HEAD.pack(_family(packed), 8 * len(packed), 0, 0, 0, 0, 0, 0, 0)
    return message(_GET_ROUTE, REQUEST | ACK, sequence, head + attribute(_DESTINATION, packed))


def list_routes(family: int, sequence: int) -> bytes:
    """Ask for all routes. `family`: socket.AF_INET or AF_INET6."""
    return message(_GET_ROUTE, REQUEST | ROOT_MATCH, sequence, _HEAD.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))


def parse_route(said: Message) -> Route | None:
    """A route in an answer; None for another message, and for one that is not for unicast or has several ways."""
    if said.kind != _NEW_ROUTE or len(said.body) < _HEAD.size:
        return None
    family, length, _, _, table, _, _, kind, _ = _HEAD.unpack_from(said.body)
    found = attributes(said.body[_HEAD.size :])
    if kind != _UNICAST or _INTERFACE not in found:
        return None
    gateway = found.get(_GATEWAY)
    # A next hop of the other family (RFC 5549): not the destination's neighbour, and no address that is asked for here.
    via = str(ipaddress.ip_address(gateway)) if gateway else "?" if _OTHER_GATEWAY in found else None
    priority = struct.unpack("=I", found[_PRIORITY])[0] if _PRIORITY in found else 0
    (index,) = struct.unpack("=I", found[_INTERFACE])
    is_default = length == 0 and table == _MAIN_TABLE and family in (socket.AF_INET, socket.AF_INET6)
    return Route(index, via, priority, is_default)


def default_route(messages: Iterable[Message]) -> Route | None:
    """The default route in a listing, of several the first by priority; None without one that has a gateway."""
    found = (route for one in messages if (route := parse_route(one)) is not None)
    usable = [one for one in found if one.is_default and one.gateway not in (None, "?")]
    return min(usable, key=lambda one: one.priority, default=None)


def _family(packed: bytes) -> int:
    return socket.AF_INET6 if len(packed) == 16 else socket.AF_INET
