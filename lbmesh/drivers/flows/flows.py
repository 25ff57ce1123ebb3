"""The connections of fronts: who gets to know of those held here, and the reset of those that another node had.

The kernel does the telling and the remembering (`flow_rules.py`, `tunnel_rules.py`), without anything of ours for a
connection. Here it is told, once a second, which two nodes would take each front, and how they are reached.
"""

import errno
import ipaddress
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from time import monotonic

import structlog
import trio

from lbmesh.drivers.flows import flow_elements
from lbmesh.drivers.flows.flow_elements import HEIRS, family_of
from lbmesh.drivers.flows.limits import HELLO_S, TICKLE_GAP_S, TICKLE_MARK, TICKLES_AT_ONCE, TICKLES_WAITING_MAX
from lbmesh.drivers.flows.tickles import flows_of, tickle
from lbmesh.drivers.flows.way import Way
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.netlink_socket import NETFILTER, Netlink
from lbmesh.drivers.kernel.nft import run_nft

log = structlog.get_logger(__name__)

_Heirs = dict[str, tuple[str, ...]]
_FULL_S, _TRIES = 0.001, 10
_LEAVING_S = 2.0


class Flows:
    """`way`: by which copies come to others. `successors`: who would take a front, the first first, if this node
    died.
    """

    def __init__(self, kernel: Kernel, way: Way, successors: Callable[[str], Sequence[str]]) -> None:
        self._kernel = kernel
        self._way = way
        self._successors = successors
        self._set_for: tuple[Mapping[str, str], int] = ({}, 0)
        self._named: dict[str, _Heirs] = {}
        self._problem = ""
        self._tickled, self._to_tickle = trio.open_memory_channel[str](TICKLES_WAITING_MAX)

    async def look_after(self, fronts: Mapping[str, str], is_held: Callable[[str], bool]) -> None:
        """Have the connections of what is held be known to its backups, and carry out what `begin_tickle` asked for,
        for ever. `fronts`: {address: interface}, which may change meanwhile.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._reset, is_held, nursery)
                while True:
                    await self.keep(dict(fronts), [front for front in fronts if is_held(front)], nursery)
                    await trio.sleep(HELLO_S)
        finally:
            with trio.move_on_after(_LEAVING_S, shield=True):
                await self.end()

    def begin_tickle(self, front: str) -> None:
        """Have the connections reset that another node had, beside what is done next."""
        with suppress(trio.WouldBlock):
            self._tickled.send_nowait(front)

    async def keep(self, fronts: Mapping[str, str], held: Collection[str], nursery: trio.Nursery) -> None:
        """See to it that the rules are there, that the others are met, and that the right ones are told. To be called
        each HELLO_S. `held`: those of the fronts that are here.
        """
        if not fronts:
            await self.end()
            return
        if not await self._keep_rules(fronts):
            return
        await self._way.meet(fronts, nursery)
        for family in sorted(self._way.families(fronts)):
            self._name_heirs(family, [front for front in held if family_of(front) == family])

    async def end(self) -> None:
        """Leave nothing. The way goes before the rules that guard it."""
        self._way.close()
        self._problem = ""
        if self._set_for[0]:
            self._set_for = ({}, 0)
            await run_nft(self._way.script({}))

    async def _reset(self, is_held: Callable[[str], bool], nursery: trio.Nursery) -> None:
        async for front in self._to_tickle:
            nursery.start_soon(self.tickle, front, partial(is_held, front))

    async def tickle(self, front: str, is_held: Callable[[], bool]) -> None:
        """Have the connections reset that another node had, for as long as the front is here."""
        try:
            await self._tickle_in_rounds(front, is_held)
        except OSError as error:
            log.warning("connections of the holder before cannot be reset", front=front, problem=error.strerror)

    async def _tickle_in_rounds(self, front: str, is_held: Callable[[], bool]) -> None:
        began_s, is_told = monotonic(), False
        for number, after_s in enumerate(self._way.rounds_s):
            await trio.sleep(max(0.0, began_s + after_s - monotonic()))
            known = await self._known(front)
            if not known:
                continue
            sent = await self._tickle_all(front, known, number, is_held)
            if not is_told:
                is_told = True
                took_s = round(monotonic() - began_s, 3)
                log.info("tickled connections of the holder before", front=front, connections=sent, took_s=took_s)

    # Rules

    @property
    def problem(self) -> str:
        """What it is for a front that they are not there, and why; "" when they are, or need not be."""
        return f"connections of fronts are not known to their backups: {self._problem}" if self._problem else ""

    async def _keep_rules(self, fronts: Mapping[str, str]) -> bool:
        """Are they there, if need be by now? Without them there is no way either."""
        problem, stamp = self._way.prepare()
        if not problem:
            if self._set_for == (fronts, stamp) and all(map(self._has_rules, self._way.families(fronts))):
                return not self._problem
            problem = await run_nft(self._way.script(fronts))
            self._set_for, self._named = (fronts, stamp), {}
            if problem:
                self._way.close()
        if problem and problem != self._problem:
            log.warning("connections of fronts will not be known to their backups", problem=problem)
        self._problem = problem
        return not problem

    def _has_rules(self, family: str) -> bool:
        return self._kernel.count_rules(family, self._way.table) == self._way.rules

    # Who is told

    def _name_heirs(self, family: str, held: Collection[str]) -> None:
        """Who is new hears of all that goes on, as packets come."""
        heirs = {front: found for front in held if (found := self._heirs(family, front))}
        before = self._named.get(family)
        if heirs == before:
            return
        retell = any(set(found) - set((before or {}).get(front, ())) for front, found in heirs.items())
        if not self._kernel.change(flow_elements.name_heirs(family, self._way.table, heirs, retell=retell)):
            self._named[family] = heirs
            log.debug("the connections of fronts are told to", heirs=heirs)

    def _heirs(self, family: str, front: str) -> tuple[str, ...]:
        return tuple(islice(self._way.ends(family, front, self._successors(front)), len(HEIRS)))

    # Tickling

    async def _known(self, front: str) -> bytes:
        """The keys of a front's connections that are known here. There may be many, so other tasks get their turns."""
        asking = Netlink(NETFILTER)
        found = bytearray()
        try:
            request = flow_elements.list_known(family_of(front), self._way.table, asking.next_sequence())
            for part in asking.listen(request):
                found += flow_elements.known_of(part, front)
                await trio.lowlevel.checkpoint()
        finally:
            asking.close()
        return bytes(found)

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
