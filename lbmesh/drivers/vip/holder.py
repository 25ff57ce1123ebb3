"""One front on its interface: acquired step by step, watched, repaired, silenced, let go.

The steps, each of which may be the last: the interface is there, up, and Ethernet; the rules are in the kernel, so that
nothing answers yet; nobody else has the address; it is added; the lease begins, and with it the kernel's answers; it is
announced; all is as claimed. A crash between any two leaves an address that is silent, and is taken away by the next
run.
"""

import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from errno import EPERM
from math import inf
from time import monotonic

import structlog
import trio

from lbmesh.drivers.http_probe import answers_http
from lbmesh.drivers.kernel.addresses import MONITORED_GROUPS, Assigned
from lbmesh.drivers.kernel.kernel import Kernel, monitor
from lbmesh.drivers.kernel.leases import Leases
from lbmesh.drivers.kernel.limits import ADDRESS_PROTOCOL
from lbmesh.drivers.vip.frames import Claim, Mark
from lbmesh.drivers.vip.limits import (
    ANNOUNCE_GAPS_S,
    ANNOUNCE_S,
    HOLDERS_MAX,
    HTTP_PROBE_S,
    LOOK_S,
    MUTE_S,
    PROBE_GAP_S,
    PROBES,
    STRANGER_LOGGED_S,
)
from lbmesh.drivers.vip.rules import Rules
from lbmesh.drivers.vip.segment import Segment
from lbmesh.failover.orders import Acquire, Done, Drifted, Failed, Found, Occupied
from lbmesh.model.front import Front, VipDriver

log = structlog.get_logger(__name__)

_MONITOR_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """How near home this node is for the front, and its rendezvous weight: see Mark."""

    rank: int
    score: int


@dataclass(slots=True)
class _Held:
    """What this node holds. `muted_s`: when a better holder was heard last; None while this one answers."""

    epoch: int
    until_s: float
    muted_s: float | None = None


class Holder:
    """One front at this node."""

    def __init__(
        self, front: Front, options: VipDriver, place: Place, kernel: Kernel, rules: Rules, leases: Leases
    ) -> None:
        self.front = front
        self.is_draining = False
        self._options = options
        self._place = place
        self._kernel = kernel
        self._rules = rules
        self._leases = leases
        self._held: _Held | None = None
        self._segment: Segment | None = None
        self._opened = trio.Event()
        self._began = trio.Event()
        self._lapsed = trio.Event()
        self._heard = trio.Event()
        self._claim: Claim | None = None
        self._marks: OrderedDict[bytes, Mark] = OrderedDict()
        self._turn = trio.Lock()
        self._stranger_s = self._doubted_s = -inf

    @property
    def is_held(self) -> bool:
        """Has this node the front, answering for it or silent for a while?"""
        return self._held is not None

    # Orders

    async def acquire(self, order: Acquire) -> Done | Failed | Occupied:
        """Take it, or repair what is missing of it."""
        name, ticket = self.front.name, order.ticket
        self.is_draining = False
        async with self._turn:
            return await self._acquire(order, name, ticket)

    async def _acquire(self, order: Acquire, name: str, ticket: int) -> Done | Failed | Occupied:
        if problem := self._open() or await self._rules.keep():
            return Failed(name, ticket, problem)
        if (order.ask_first or self._is_silent) and (by := await self._who_answers()):
            return Occupied(name, ticket, by)
        problem = self._add() or await self._begin(order.epoch, order.until_s) or self._check()
        return Failed(name, ticket, problem) if problem else Done(name, ticket)

    async def release(self) -> str:
        """Let it go; what is wrong, "" if nothing."""
        async with self._turn:
            self._held = None
            problem = await self._leases.end(self.front.name)
            failed = self._take_away()
        if failed:
            return f"{self.front.name} cannot be taken away from {self._options.interface}: {_words(failed)}"
        if problem:
            log.warning("the lease of a front could not be ended", front=self.front.name, problem=problem)
        return ""

    def extend(self, until_s: float) -> None:
        """It may be held until then."""
        if self._held is not None:
            self._held.until_s = until_s
            if self._held.muted_s is None:
                self._leases.extend(self.front.name, self._held.epoch, until_s)

    async def leave(self) -> None:
        """Take away what there is of ours: nobody will look after it any more."""
        self._held = None
        self._take_away()
        self._close()

    # Steps

    def _open(self) -> str:
        """The interface as it is now, and a packet socket on it."""
        interface = self._options.interface
        if problem := self._kernel.problem():
            return problem
        link = self._kernel.link(interface)
        if link is None:
            return f'there is no interface {interface}: write in options.interface one that "ip link" lists'
        if not link.mac:
            return f"{interface} is no Ethernet, so that no address can move to it: write another in options.interface"
        if not link.is_up:
            return f"{interface} is down or has no carrier: ip link set {interface} up"
        if self._segment is not None and self._segment.link == link:
            return ""
        self._close()
        try:
            self._segment = Segment(interface, link, self.front.name)
        except OSError as error:
            if error.errno == EPERM:
                return "no packets can be sent: give the service CAP_NET_RAW (AmbientCapabilities= in its unit)"
            return f"no packets can be sent on {interface}: {_words(error.errno or 0)}"
        self._opened.set()
        return ""

    async def _who_answers(self, own: Mark | None = None) -> str:
        """Who else has it, in words; "" for nobody, and for a node of the mesh that does not serve it any more, or must
        leave it to the holder that has our `own` mark.
        """
        # With the address here, the question whether it is served would come to this node.
        self._take_away()
        claim = await self._ask()
        if claim is None:
            return ""
        by = f"{claim.mac_text} on {self._options.interface}"
        mark = claim.mark or self._marks.get(claim.mac)
        if mark is None:
            return (
                f"{by}, which no node of this mesh announced it from: if it stays, take the address from that machine"
            )
        if own is not None and own.is_better_than(mark):
            return ""
        return f"{by}, of a node that still serves it" if await answers_http(self.front.address, HTTP_PROBE_S) else ""

    async def _ask(self) -> Claim | None:
        """The first who answers an ARP probe, or a solicitation."""
        self._claim, self._heard = None, trio.Event()
        for _ in range(PROBES):
            if self._segment is not None:
                await self._send(self._segment.probe)
            with trio.move_on_after(PROBE_GAP_S):
                await self._heard.wait()
                break
        return self._claim

    def _add(self) -> str:
        assert self._segment is not None
        interface, name = self._options.interface, self.front.name
        for one in self._kernel.assigned(name):
            # By hand with another prefix, or from settings of before: the same address twice.
            if (one.index, one.prefix_length) != (self._segment.link.index, self._options.prefix_length):
                self._kernel.delete(one)
        failed = self._kernel.add(self._segment.link.index, name, self._options.prefix_length)
        if failed == EPERM:
            return "no address can be added: give the service CAP_NET_ADMIN (AmbientCapabilities= in its unit)"
        return f"{name} cannot be added to {interface}: {_words(failed)}" if failed else ""

    async def _begin(self, epoch: int, until_s: float) -> str:
        """Answer, and tell everybody."""
        if problem := await self._leases.hold(self.front.name, epoch, until_s):
            return f"the lease of {self.front.name} cannot be held: {problem}"
        self._held = _Held(epoch, until_s)
        self._began.set()
        await self._announce()
        return ""

    def _check(self) -> str:
        """Is the world as it was left? What is not; "" if nothing."""
        interface, name = self._options.interface, self.front.name
        if problem := self._open():
            return problem
        assert self._segment is not None
        where = [one for one in self._ours() if one.index == self._segment.link.index]
        if not where:
            unmarked = any(one.index == self._segment.link.index for one in self._kernel.assigned(name))
            return (
                f"{name} on {interface} is not marked as ours (proto {ADDRESS_PROTOCOL:#x}): somebody has set it by "
                "hand, or the kernel is older than Linux 5.18"
                if unmarked
                else f"{name} is not on {interface} any more"
            )
        return "" if self._rules.are_there() else "the rules of the lease are not in the kernel any more"

    async def _announce(self) -> None:
        """Only while the kernel answers: after a freeze another node may be the holder."""
        held, segment = self._held, self._segment
        if held is None or held.muted_s is not None or segment is None:
            return
        if self._kernel.lease(self.front.name) is not None:
            await self._send(lambda: segment.announce(self._mark(held)))

    def _mark(self, held: _Held) -> Mark:
        return Mark(self._place.rank, held.epoch, self._place.score)

    async def _send(self, send: Callable[[], Awaitable[None]]) -> None:
        try:
            await send()
        except OSError as error:
            log.info("a packet about a front was not sent", front=self.front.name, problem=_words(error.errno or 0))

    @property
    def _is_silent(self) -> bool:
        """Held, but not answered: it lapsed, or another announces it."""
        return self._held is not None and self._held.muted_s is not None

    def _take_away(self) -> int:
        """An errno, 0 for success."""
        return next((failed for one in self._ours() if (failed := self._kernel.delete(one))), 0)

    def _ours(self) -> list[Assigned]:
        return [one for one in self._kernel.assigned(self.front.name) if one.is_ours]

    def _close(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    # The watch

    async def watch(self, tell: Callable[[Drifted | Found], None]) -> None:
        """Look after it, for ever."""
        if problem := await self._rules.keep():
            log.warning("a front cannot be held here as things are", front=self.front.name, problem=problem)
        await self._resume(tell)
        self._leases.listen(self.front.name, lambda problem, lapsed: self._lease_said(tell, problem, lapsed))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look, tell)
            nursery.start_soon(self._listen)
            nursery.start_soon(self._repeat)
            nursery.start_soon(self._come_back, tell)

    async def _resume(self, tell: Callable[[Drifted | Found], None]) -> None:
        """What a former agent left: with a lease that lives, its work goes on; without one, others may have it."""
        left = self._ours()
        epoch = self._kernel.lease(self.front.name)
        if left and epoch is not None:
            self._held = _Held(epoch, inf)
            tell(Found(self.front.name, epoch))
        elif left and self._held is None:
            self._take_away()
            log.info("took away an address that a former run left", front=self.front.name)

    def _lease_said(self, tell: Callable[[Drifted | Found], None], problem: str, has_lapsed: bool) -> None:
        if self._held is None:
            return
        if has_lapsed:
            self._note_lapse(self._held)
        else:
            tell(Drifted(self.front.name, f"the lease: {problem}"))

    async def _look(self, tell: Callable[[Drifted | Found], None]) -> None:
        """Look whenever the kernel says that something changed, and from time to time."""
        with monitor() as changes:
            await changes.bind((0, MONITORED_GROUPS))
            while True:
                if self._held is not None and not self._is_silent:
                    if problem := self._check():
                        tell(Drifted(self.front.name, problem))
                    elif self._kernel.lease(self.front.name) is None:
                        self._note_lapse(self._held)
                with trio.move_on_after(LOOK_S):
                    try:
                        await changes.recv(_MONITOR_BYTES)
                    except OSError as error:
                        log.debug("changes were missed", problem=_words(error.errno or 0))

    def _note_lapse(self, held: _Held) -> None:
        """The kernel does not answer any more, and another node may have the front by now."""
        held.muted_s = monotonic()
        self._lapsed.set()

    async def _listen(self) -> None:
        """Hear who else says that it has the address."""
        while True:
            if self._segment is None:
                self._opened = trio.Event()
                self._open()
            segment = self._segment
            if segment is None:
                with trio.move_on_after(LOOK_S):
                    await self._opened.wait()
                continue
            try:
                await self._hear(await segment.hear())
            except (OSError, trio.ClosedResourceError):
                if segment is self._segment:
                    self._close()

    async def _hear(self, claim: Claim) -> None:
        self._claim = claim
        self._heard.set()
        if claim.mark is not None:
            self._remember(claim.mac, claim.mark)
        held = self._held
        if held is None:
            return
        mark = claim.mark or self._marks.get(claim.mac)
        if mark is None:
            self._note_stranger(claim)
        elif self.is_draining or mark.is_better_than(self._mark(held)):
            if self.is_draining or (claim.mark is None and monotonic() < self._doubted_s + ANNOUNCE_S):
                await self._fall_silent(held, claim)
            elif claim.mark is not None and self._segment is not None:
                # A node that hears nothing goes on announcing what it cannot serve: only an answer shows that it can.
                self._doubted_s = monotonic()
                await self._send(self._segment.probe)
                self._began.set()
        elif claim.mark is not None:
            self._began.set()

    async def _fall_silent(self, held: _Held, claim: Claim) -> None:
        is_news, held.muted_s = held.muted_s is None, monotonic()
        if is_news:
            log.info("another node answers for the front: silent here", front=self.front.name, by=claim.mac_text)
            await self._leases.end(self.front.name)

    def _remember(self, mac: bytes, mark: Mark) -> None:
        self._marks[mac] = mark
        self._marks.move_to_end(mac)
        if len(self._marks) > HOLDERS_MAX:
            self._marks.popitem(last=False)

    def _note_stranger(self, claim: Claim) -> None:
        if monotonic() - self._stranger_s >= STRANGER_LOGGED_S:
            self._stranger_s = monotonic()
            log.warning("a stranger has the address of a front, too", front=self.front.name, mac=claim.mac_text)

    async def _repeat(self) -> None:
        """Announce it again and again: at first often, since packets get lost and the dead node's kernel may answer."""
        gaps_s = iter(ANNOUNCE_GAPS_S)
        while True:
            with trio.move_on_after(next(gaps_s, ANNOUNCE_S)):
                await self._began.wait()
                self._began = trio.Event()
                gaps_s = iter(ANNOUNCE_GAPS_S)
            await self._announce()

    async def _come_back(self, tell: Callable[[Drifted | Found], None]) -> None:
        """Answer again after the lease lapsed, or after a better holder was heard, when nobody else does who may. An
        exclusive front needs the core's word for it.
        """
        while True:
            with trio.move_on_after(ANNOUNCE_S):
                await self._lapsed.wait()
            is_lapsed, self._lapsed = self._lapsed.is_set(), trio.Event()
            held = self._held
            if held is None or held.muted_s is None or self.is_draining:
                continue
            if not is_lapsed and monotonic() < held.muted_s + MUTE_S:
                continue
            if self.front.is_exclusive:
                held.muted_s = monotonic()
                tell(Drifted(self.front.name, "it is not answered any more: the lease in the kernel has lapsed"))
            else:
                async with self._turn:
                    await self._answer_again()

    async def _answer_again(self) -> None:
        held = self._held
        if held is None or held.muted_s is None:
            return
        if by := await self._who_answers(self._mark(held)):
            log.info("the front is served elsewhere: still silent here", front=self.front.name, by=by)
            held.muted_s = monotonic()
        elif problem := self._open() or self._add() or await self._begin(held.epoch, held.until_s):
            log.warning("a front cannot be answered for", front=self.front.name, problem=problem)
            held.muted_s = monotonic()


def _words(failed: int) -> str:
    return os.strerror(failed).lower()
