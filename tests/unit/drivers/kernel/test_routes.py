"""Routes as the kernel says them."""

import ipaddress
import socket
import struct

from lbmesh.drivers.kernel import routes
from lbmesh.drivers.kernel.netlink import Message, attribute


def test_a_route_has_a_gateway_or_leads_to_a_neighbour() -> None:
    def route(gateway: str, kind: int = 1) -> Message:
        body = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, 254, 0, 0, kind, 0)
        body += attribute(4, struct.pack("=I", 3))
        return Message(24, body + (attribute(5, ipaddress.ip_address(gateway).packed) if gateway else b""))

    assert routes.parse_route(route("10.0.0.1")) == routes.Route(3, "10.0.0.1")
    assert routes.parse_route(route("")) == routes.Route(3, None)
    assert routes.parse_route(route("10.0.0.1", kind=7)) is None
    assert routes.parse_route(Message(25, b"")) is None
