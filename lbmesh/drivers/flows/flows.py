"""The connections of fronts: who gets to know of those held here, and the reset of those that another node had.

The kernel does the telling and the remembering (`flow_rules.py`), without anything of ours for a connection. Here it is
told, once a second, which two nodes would take each front, and how they are reached on its segment.
"""

import errno
import ipaddress
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from time import monotonic

import structlog
import trio

from lbmesh.drivers.flows import flow_elements, flow_rules
from lbmesh.drivers.flows.flow_elements import family_of
from lbmesh.drivers.flows.greeter import Greeter
from lbmesh.drivers.flows.hellos import Hello, digest
from lbmesh.drivers.flows.limits import TICKLE_GAP_S, TICKLE_MARK, TICKLE_ROUNDS_S, TICKLES_AT_ONCE
from lbmesh.drivers.flows.tickles import flows_of, tickle
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.netlink_socket import NETFILTER, Netlink
from lbmesh.drivers.kernel.nft import run_nft

log = structlog.get_logger(__name__)

_Heirs = dict[str, tuple[str, ...]]
_FULL_S, _TRIES = 0.001, 10


class Flows:
    """`name`: this node's. `successors`: who would take a front, the first first, if this node died."""

    def __init__(self, name: str, kernel: Kernel, successors: Callable[[str], Sequence[str]]) -> None:
        self._name = name
        self._kernel = kernel
        self._successors = successors
        self._interfaces: Mapping[str, str] = {}
        self._greeters: dict[str, Greeter] = {}
        self._named: dict[str, _Heirs] = {}
        self._problem = ""

    async def keep(self, fronts: Mapping[str, str], held: Collection[str], nursery: trio.Nursery) -> None:
        """See to it that the rules are there, that neighbours are greeted, and that the right ones are told. To be
        called each HELLO_S. `fronts`: {address: interface}; `held`: those that are here.
        """
        if not await self._keep_rules(fronts):
            return
        for interface in self._greeters.keys() - set(fronts.values()):
            self._greeters.pop(interface).close()
        for interface in sorted(set(fronts.values())):
            await self._greet(interface, digest(fronts), nursery)
        for family in sorted({family_of(front) for front in fronts}):
            self._name_heirs(family, [front for front in held if family_of(front) == family])

    async def end(self) -> None:
        """Leave nothing."""
        for greeter in self._greeters.values():
            greeter.close()
        self._greeters.clear()
        if self._interfaces:
            self._interfaces = {}
            await run_nft(flow_rules.script(()))

    async def tickle(self, front: str, is_held: Callable[[], bool]) -> None:
        """Have the connections reset that another node had, for as long as the front is here."""
        try:
            await self._tickle_in_rounds(front, is_held)
        except OSError as error:
            log.warning("connections of the holder before cannot be reset", front=front, problem=error.strerror)

    async def _tickle_in_rounds(self, front: str, is_held: Callable[[], bool]) -> None:
        began_s = monotonic()
        for number, after_s in enumerate(TICKLE_ROUNDS_S):
            await trio.sleep(max(0.0, began_s + after_s - monotonic()))
            known = await _known(front)
            if not known:
                return
            sent = await self._tickle_all(front, known, number, is_held)
            if not number:
                took_s = round(monotonic() - began_s, 3)
                log.info("tickled connections of the holder before", front=front, connections=sent, took_s=took_s)

    # Rules

    @property
    def problem(self) -> str:
        """Why they are not there; "" when they are, or need not be."""
        return self._problem

    async def _keep_rules(self, fronts: Mapping[str, str]) -> bool:
        """Are they there, if need be by now?"""
        families = {family_of(front) for front in fronts}
        if self._interfaces == fronts and all(map(self._has_rules, families)):
            return not self._problem
        problem = await run_nft(flow_rules.script(fronts.items()))
        self._interfaces, self._named = fronts, {}
        if problem and problem != self._problem:
            log.warning("connections of fronts will not be known to their backups", problem=problem)
        self._problem = problem
        return not problem

    def _has_rules(self, family: str) -> bool:
        return self._kernel.count_rules(family, flow_rules.TABLE) == flow_rules.RULES

    # Who is told

    async def _greet(self, interface: str, fronts: bytes, nursery: trio.Nursery) -> None:
        link = self._kernel.link(interface)
        greeter = self._greeters.get(interface)
        if greeter is not None and (greeter.link != link or not greeter.is_open):
            self._greeters.pop(interface).close()
            greeter = None
        if link is None or not link.mac or not link.is_up:
            return
        try:
            if greeter is None:
                greeter = self._greeters[interface] = Greeter(interface, link)
                nursery.start_soon(greeter.run)
            own = self._kernel.own_addresses(link.index)
            four, six = (next((one for one in own if (":" in one) is is_six), "") for is_six in (False, True))
            await greeter.say(Hello(self._name, four, six, fronts))
        except (OSError, trio.ClosedResourceError) as error:
            log.debug("no hello could be said", interface=interface, problem=str(error))

    def _name_heirs(self, family: str, held: Collection[str]) -> None:
        """Who is new hears of all that goes on, as packets come."""
        heirs = {front: found for front in held if (found := tuple(self._heirs(family, front)))}
        before = self._named.get(family)
        if heirs == before:
            return
        retell = any(set(found) - set((before or {}).get(front, ())) for front, found in heirs.items())
        if not self._kernel.change(flow_elements.name_heirs(family, heirs, retell=retell)):
            self._named[family] = heirs
            log.debug("the connections of fronts are told to", heirs=heirs)

    def _heirs(self, family: str, front: str) -> Iterator[str]:
        """Addresses on the segment. A copy to what is not on it would go to a router, which would send it back here."""
        greeter = self._greeters.get(self._interfaces[front])
        for name in self._successors(front):
            hello = greeter.heard.get(name) if greeter is not None else None
            address = hello.address(family) if hello is not None else ""
            if not address or greeter is None or hello is None or hello.fronts != digest(self._interfaces):
                continue
            route = self._kernel.route(address)
            if route is not None and route.gateway is None and route.index == greeter.link.index:
                yield address

    # Tickling

    async def _tickle_all(self, front: str, known: bytes, number: int, is_held: Callable[[], bool]) -> int:
        """How many were sent."""
        family = socket.AF_INET6 if ":" in front else socket.AF_INET
        sent = 0
        with socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_RAW) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, TICKLE_MARK)
            for some in flows_of(known, ipaddress.ip_address(front).packed, TICKLES_AT_ONCE):
                if not is_held():
                    break
                for flow in some:
                    sent += await _send(raw, tickle(flow, number), flow.client_host)
                await trio.sleep(TICKLE_GAP_S)
        return sent


async def _known(front: str) -> bytes:
    """The keys of a front's connections that this node knows of. There may be many, so other tasks get their turns."""
    asking = Netlink(NETFILTER)
    found = bytearray()
    try:
        for part in asking.listen(flow_elements.list_known(family_of(front), asking.next_sequence())):
            found += flow_elements.known_of(part, front)
            await trio.lowlevel.checkpoint()
    finally:
        asking.close()
    return bytes(found)


async def _send(raw: socket.socket, packet: bytes, host: str) -> bool:
    """One packet; waits for a moment when the interface is full. False when it cannot be sent."""
    for _ in range(_TRIES):
        try:
            raw.sendto(packet, (host, 0))
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
                return False
            await trio.sleep(_FULL_S)
        else:
            return True
    return False
