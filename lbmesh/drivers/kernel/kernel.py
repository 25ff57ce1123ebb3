"""What the kernel is asked and told by netlink: addresses, links, routes, leases, sets. Every call is over in 0.2 ms.

The kernel answers before the call returns, so nothing here waits, and all of it may stand in a trio task.
"""

import errno
import os
import socket
from collections.abc import Iterable, Iterator

import trio

from lbmesh.drivers.kernel import addresses, lease_elements, nf_tables, routes, tunnels
from lbmesh.drivers.kernel.addresses import Assigned, Link
from lbmesh.drivers.kernel.netlink_socket import NETFILTER, Netlink
from lbmesh.drivers.kernel.nf_tables import Change, Place
from lbmesh.drivers.kernel.routes import Route

_MONITOR_BYTES = 64 * 1024


class Kernel:
    """The machine's network, as far as fronts are concerned."""

    def __init__(self) -> None:
        self._route = Netlink(socket.NETLINK_ROUTE)
        self._filter = Netlink(NETFILTER)

    def close(self) -> None:
        """Close the sockets; addresses stay."""
        self._route.close()
        self._filter.close()

    def problem(self) -> str:
        """Why it cannot be asked; "" when it can."""
        if failed := self._route.open() or self._filter.open():
            return (
                f"the kernel cannot be asked by netlink ({os.strerror(failed).lower()}): give the service "
                "AF_NETLINK and AF_PACKET (RestrictAddressFamilies= in its unit)"
            )
        return ""

    def link(self, name: str) -> Link | None:
        """The interface of this name, if there is one."""
        found = self._route.ask(addresses.get_link(name, self._route.next_sequence()))
        return next((link for one in found.messages if (link := addresses.parse_link(one))), None)

    def assigned(self, address: str) -> tuple[Assigned, ...]:
        """Where this address is; mostly nowhere, or once."""
        return tuple(one for one in self._addresses() if one.address == address)

    def ours(self) -> tuple[Assigned, ...]:
        """All addresses that bear our mark."""
        return tuple(one for one in self._addresses() if one.is_ours)

    def _addresses(self) -> Iterator[Assigned]:
        found = self._route.ask(addresses.list_addresses(self._route.next_sequence()))
        return (parsed for one in found.messages if (parsed := addresses.parse_address(one)))

    def add(self, index: int, address: str, prefix_length: int) -> int:
        """Put it there, as ours; an errno, 0 for success."""
        return self._route.ask(addresses.add_address(index, address, prefix_length, self._route.next_sequence())).errno

    def delete(self, one: Assigned) -> int:
        """Take it away; that it is gone already is success. An errno."""
        request = addresses.delete_address(one.index, one.address, one.prefix_length, self._route.next_sequence())
        failed = self._route.ask(request).errno
        return 0 if failed in (errno.EADDRNOTAVAIL, errno.ENODEV) else failed

    def own_addresses(self, index: int) -> tuple[str, ...]:
        """The machine's own on an interface, that are good beyond it: none that bears our mark."""
        return tuple(one.address for one in self._addresses() if one.index == index and one.is_own)

    def route(self, address: str) -> Route | None:
        """How packets to an address go; None when they do not."""
        found = self._route.ask(routes.get_route(address, self._route.next_sequence()))
        return next((route for one in found.messages if (route := routes.parse_route(one))), None)

    def add_tunnel(self, name: str, mac: bytes, network: int, port: int, local: str) -> int:
        """Have a tunnel of this name, instead of any other link that has it (`tunnels.py`); an errno."""
        if failed := self.delete_link(name):
            return failed
        return self._route.ask(tunnels.add_tunnel(name, mac, network, port, local, self._route.next_sequence())).errno

    def delete_link(self, name: str) -> int:
        """Take a link away; that it is gone already is success. An errno."""
        failed = self._route.ask(tunnels.delete_link(name, self._route.next_sequence())).errno
        return 0 if failed == errno.ENODEV else failed

    def lead_out(self, network: str, index: int) -> int:
        """Have packets to a network go out by this interface, as to neighbours; an errno."""
        failed = self._route.ask(routes.lead_out(network, index, self._route.next_sequence())).errno
        return 0 if failed == errno.EEXIST else failed

    def lead_through(self, index: int, mac: bytes, host: str, gateway: str) -> int:
        """Have what is sent by way of the gateway go through a tunnel to that machine, whose end has this hardware
        address; an errno.
        """
        if failed := self._route.ask(tunnels.lead(index, mac, host, self._route.next_sequence())).errno:
            return failed
        return self._route.ask(tunnels.name_neighbour(index, gateway, mac, self._route.next_sequence())).errno

    def lead_no_more(self, index: int, mac: bytes, host: str) -> None:
        """Forget the far end of a tunnel."""
        self._route.ask(tunnels.lead_no_more(index, mac, host, self._route.next_sequence()))

    def lease(self, name: str) -> int | None:
        """The epoch of a lease (`lease_places.py`); None when it does not run."""
        found = self._filter.ask(lease_elements.ask(name, self._filter.next_sequence()))
        return next((epoch for one in found.messages if (epoch := lease_elements.epoch_of(one)) is not None), None)

    def count_rules(self, family: str, table: str) -> int:
        """How many rules a table has; 0 without it."""
        request = nf_tables.list_rules(nf_tables.FAMILIES[family], table, self._filter.next_sequence())
        return sum(nf_tables.is_rule(one, table) for one in self._filter.ask(request).messages)

    def comments(self, place: Place) -> tuple[str, ...]:
        """Of the elements of a set; none without it."""
        found = self._filter.ask(nf_tables.list_elements(place, self._filter.next_sequence()))
        return tuple(nf_tables.comment_of(element) for one in found.messages for element in nf_tables.elements(one))

    def change(self, changes: Iterable[Change]) -> int:
        """Have sets changed by all of these, or by none; an errno, 0 for success."""
        return self._filter.ask(nf_tables.transaction(self._filter.next_sequence(), changes)).errno


def monitor() -> trio.socket.SocketType:
    """A socket on which something comes whenever a link or an address changes. Raises OSError."""
    heard = trio.socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    # Another node's tools may change thousands at once: what does not fit is an error to read, which wakes as well.
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _MONITOR_BYTES)
    return heard
