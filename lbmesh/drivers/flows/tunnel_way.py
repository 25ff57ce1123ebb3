"""Copies through a tunnel: to members of the mesh, wherever routers take them.

The kernel has one device for it (VXLAN), and in it one end for each node that is told. All of it is looked at once a
second, and made anew where somebody changed it by hand.
"""

import errno
import hashlib
import ipaddress
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import structlog
import trio

from lbmesh.drivers.flows import flow_elements, tunnel_rules
from lbmesh.drivers.flows.limits import (
    ENDS_MAX,
    GATEWAYS_4,
    GATEWAYS_6,
    TUNNEL,
    TUNNEL_NETWORK,
    TUNNEL_PORT,
    TUNNEL_TICKLE_ROUNDS_S,
)
from lbmesh.drivers.kernel.kernel import Kernel

log = structlog.get_logger(__name__)

_LOCALLY_ADMINISTERED = b"\x02"
_ANY = {"ip": "0.0.0.0", "ip6": "::"}


class TunnelWay:
    """`name`: this node's. `hosts`: the addresses of all members by their names, this node's too."""

    table = tunnel_rules.TABLE
    rules = tunnel_rules.RULES
    rounds_s: tuple[float, ...] = TUNNEL_TICKLE_ROUNDS_S

    def __init__(self, name: str, kernel: Kernel, hosts: Callable[[], Mapping[str, str]]) -> None:
        self._name = name
        self._kernel = kernel
        self._hosts = hosts
        self._local = ""
        self._index = 0
        self._peers: frozenset[str] = frozenset()
        self._ends: dict[str, tuple[int, str]] = {}
        self._last = 0

    def families(self, fronts: Mapping[str, str]) -> frozenset[str]:
        """Both, as the tunnel may be of another one than the fronts."""
        return frozenset(tunnel_rules.FAMILIES if fronts else ())

    def script(self, fronts: Mapping[str, str]) -> str:
        """The rules, which know no peers yet."""
        self._peers = frozenset()
        return tunnel_rules.script(fronts)

    def prepare(self) -> tuple[str, int]:
        """Have the device. Its own address is the one that the others know, where the machine has it: their rules let
        in no other.
        """
        host = self._hosts().get(self._name, "")
        if not host:
            return "this node is in no mesh", 0
        local = host if self._kernel.assigned(host) else _ANY[flow_elements.family_of(host)]
        link = self._kernel.link(TUNNEL)
        if link is not None and link.is_up and (link.index, self._local) == (self._index, local):
            return "", self._index
        problem = _words(
            self._kernel.add_tunnel(TUNNEL, hardware_address(self._name), TUNNEL_NETWORK, TUNNEL_PORT, local)
        )
        link = self._kernel.link(TUNNEL)
        if problem or link is None:
            return problem or f"{TUNNEL} is gone", 0
        self._index, self._local = link.index, local
        self._ends.clear()
        for network in (GATEWAYS_4, GATEWAYS_6):
            if failed := self._kernel.lead_out(network, link.index):
                log.debug("there is no way out by the tunnel", network=network, problem=os.strerror(failed).lower())
        return "", self._index

    async def meet(self, fronts: Mapping[str, str], nursery: trio.Nursery) -> None:  # noqa: ARG002  # whatever the fronts
        """Hear the members, and nobody else. Who is none any more is forgotten."""
        hosts = self._hosts()
        peers = frozenset(host for name, host in hosts.items() if name != self._name)
        if peers != self._peers and not self._kernel.change(flow_elements.name_peers(self.table, peers)):
            self._peers = peers
        for name in [name for name in self._ends if name not in hosts]:
            _, host = self._ends.pop(name)
            self._kernel.lead_no_more(self._index, hardware_address(name), host)

    def ends(self, family: str, front: str, names: Sequence[str]) -> Iterator[str]:  # noqa: ARG002  # whatever the front
        """Gateways of the tunnel, each of which leads to one node."""
        hosts = self._hosts()
        for name in names:
            host = hosts.get(name, "")
            if not host or (":" in host) is not (":" in self._local) or ipaddress.ip_address(host).is_link_local:
                continue
            number = self._number(name, host)
            gateway = _gateway(family, number) if number is not None else ""
            if gateway and not self._kernel.lead_through(self._index, hardware_address(name), host, gateway):
                yield gateway

    def _number(self, name: str, host: str) -> int | None:
        """Which of the ends a node is; None when there are too many."""
        before = self._ends.get(name)
        number = before[0] if before else free_number(self._last, {one for one, _ in self._ends.values()})
        if number is not None:
            self._ends[name] = number, host
            self._last = number if before is None else self._last
        return number

    def close(self) -> None:
        """Take the device away, if it was made here."""
        if self._index:
            self._kernel.delete_link(TUNNEL)
            self._index = 0


def free_number(last: int, taken: Collection[int]) -> int | None:
    """A number for another end, after the one that was given last: who comes after one that left is not taken for it.
    None when there is none.
    """
    numbers = (*range(last + 1, ENDS_MAX + 1), *range(1, last + 1))
    return next((one for one in numbers if one not in taken), None)


def hardware_address(name: str) -> bytes:
    """That of a node's end of the tunnel, by which all others know it (IEEE Std 802, locally administered)."""
    return _LOCALLY_ADMINISTERED + hashlib.blake2b(name.encode(), digest_size=5, person=b"lbmesh tunnel").digest()


def _gateway(family: str, number: int) -> str:
    network = ipaddress.ip_network(GATEWAYS_6 if family == "ip6" else GATEWAYS_4)
    return str(network[number])


def _words(failed: int) -> str:
    match failed:
        case 0:
            return ""
        case errno.EADDRINUSE:
            why = f"UDP port {TUNNEL_PORT} is another program's"
        case errno.EPERM:
            why = "give the service CAP_NET_ADMIN (deploy/drop-ins/lbmesh.service.d/bgp.conf)"
        case errno.EOPNOTSUPP:
            why = "the kernel has no VXLAN (modprobe vxlan)"
        case _:
            why = os.strerror(failed).lower()
    return f"the tunnel {TUNNEL} cannot be made: {why}"
