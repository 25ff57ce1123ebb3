"""What the kernel is asked and told by netlink: addresses, links, leases, rules. Every call is over in 0.2 ms.

The kernel answers before the call returns, so nothing here waits, and all of it may stand in a trio task.
"""

import errno
import os
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping

import trio

from lbmesh.drivers.bgp import gate_rules
from lbmesh.drivers.vip import addresses, flow_elements, flow_rules, lease_elements, lease_rules, nf_tables, routes
from lbmesh.drivers.vip.addresses import Assigned, Link
from lbmesh.drivers.vip.limits import NFT_S
from lbmesh.drivers.vip.netlink_socket import NETFILTER, Answer, Netlink
from lbmesh.drivers.vip.routes import Route
from lbmesh.drivers.vip.tickles import Flow

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

    def lease(self, address: str) -> int | None:
        """The epoch under which the kernel answers for it; None when it does not."""
        found = self._filter.ask(lease_elements.ask(address, self._filter.next_sequence()))
        return next((epoch for one in found.messages if (epoch := lease_elements.epoch_of(one)) is not None), None)

    def has_gate(self) -> bool:
        """Are the rules there by which BGP needs a lease?"""
        request = nf_tables.list_rules(nf_tables.INET, gate_rules.TABLE, self._filter.next_sequence())
        found = self._filter.ask(request).messages
        return sum(nf_tables.is_rule(one, gate_rules.TABLE) for one in found) == gate_rules.RULE_COUNT

    def has_rules(self) -> bool:
        """Are the rules there that a lease works by?"""
        return all(
            sum(map(lease_elements.is_rule, self._list(family).messages)) == count
            for family, count in lease_rules.RULES.items()
        )

    def _list(self, family: str) -> Answer:
        return self._filter.ask(lease_elements.list_rules(family, self._filter.next_sequence()))

    # Connections of fronts

    def has_flow_rules(self, family: str) -> bool:
        """Are the rules there by which the connections of fronts are known?"""
        said = self._filter.ask(flow_elements.list_rules(family, self._filter.next_sequence()))
        return sum(map(flow_elements.is_rule, said.messages)) == flow_rules.RULES

    def name_heirs(self, family: str, heirs: Mapping[str, tuple[str, ...]], *, retell: bool) -> int:
        """Have the connections of these fronts be told to these; an errno, 0 for success."""
        sequence = self._filter.next_sequence()
        return self._filter.ask(flow_elements.name_heirs(family, heirs, sequence, retell=retell)).errno

    def route(self, address: str) -> Route | None:
        """How packets to an address go; None when they do not."""
        found = self._route.ask(routes.get_route(address, self._route.next_sequence()))
        return next((route for one in found.messages if (route := routes.parse_route(one))), None)

    def own_addresses(self, index: int) -> tuple[str, ...]:
        """The machine's own on an interface, that are good beyond it: none that bears our mark."""
        return tuple(one.address for one in self._addresses() if one.index == index and one.is_own)


def monitor() -> trio.socket.SocketType:
    """A socket on which something comes whenever a link or an address changes. Raises OSError."""
    heard = trio.socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    # Another node's tools may change thousands at once: what does not fit is an error to read, which wakes as well.
    heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _MONITOR_BYTES)
    return heard


async def known_flows(front: str) -> list[Flow]:
    """The connections of a front that this node knows of. There may be many, so other tasks get their turns."""
    asking = Netlink(NETFILTER)
    found: list[Flow] = []
    try:
        for part in asking.listen(flow_elements.list_known(flow_elements.family_of(front), asking.next_sequence())):
            found += flow_elements.known_of(part, front)
            await trio.lowlevel.checkpoint()
    finally:
        asking.close()
    return found


async def set_rules(fronts: Iterable[str]) -> str:
    """Have the kernel be silent about these fronts without a lease, and about no others; what is wrong, if anything."""
    problem = await run_nft(lease_rules.script(fronts))
    return f"the rules of the lease: {problem}" if problem else ""


async def set_flow_rules(fronts: Mapping[str, str]) -> str:
    """Have the connections of these fronts be known, and of no others; what is wrong, if anything. `fronts`: {address:
    interface}.
    """
    return await run_nft(flow_rules.script(fronts.items()))


async def run_nft(text: str) -> str:
    """Have nft(8) carry out a script, in one transaction; what is wrong, if anything."""
    nft = shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if nft is None:
        return 'there is no program "nft": apt-get install nftables'
    try:
        with trio.fail_after(NFT_S):
            done = await trio.run_process((nft, "-f", "-"), stdin=text.encode(), capture_stderr=True, check=False)
    except trio.TooSlowError:
        return f"nft did not end within {NFT_S:g} s"
    except OSError as error:
        return f"{nft} cannot be run: {error.strerror}"
    if done.returncode == 0:
        return ""
    said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
    if "not permitted" in said:
        return "nft may not change them: give the service CAP_NET_ADMIN (AmbientCapabilities= in its unit)"
    return f"nft refused them: {said}"
