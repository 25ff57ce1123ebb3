"""When this node falls silent about a front that it holds, and when it answers again.

Of two holders the worse one falls silent, and so does who is to hand the front over. One whose lease lapsed is silent
already. Silent is who has neither lease nor address; it answers again when nobody else serves the front who may.
"""

from collections.abc import Callable
from math import inf
from time import monotonic

import structlog
import trio

from lbmesh.drivers.kernel.leases import Leases
from lbmesh.drivers.vip.frames import Claim
from lbmesh.drivers.vip.holding import Held, Holding
from lbmesh.drivers.vip.interface import Interface
from lbmesh.drivers.vip.limits import ANNOUNCE_S, MUTE_S
from lbmesh.drivers.vip.others import Others
from lbmesh.failover.orders import Drifted, Told
from lbmesh.model.front import Front

log = structlog.get_logger(__name__)


class Silence:
    """Of one front at this node."""

    def __init__(self, front: Front, leases: Leases, interface: Interface, holding: Holding, others: Others) -> None:
        self._front = front
        self._leases = leases
        self._interface = interface
        self._holding = holding
        self._others = others
        self._lapsed = trio.Event()
        self._doubted_s = -inf

    async def hear(self, claim: Claim) -> None:
        """Somebody else says that it has the address."""
        self._others.note(claim)
        held = self._holding.held
        if held is None:
            return
        mark = self._others.mark_of(claim)
        is_draining = self._holding.is_draining
        if mark is None:
            self._others.warn_of(claim)
        elif is_draining or mark.is_better_than(self._holding.mark(held)):
            if is_draining or (claim.mark is None and monotonic() < self._doubted_s + ANNOUNCE_S):
                await self._fall_silent(held, claim)
            elif claim.mark is not None and self._interface.is_open:
                # A node that hears nothing goes on announcing what it cannot serve: only an answer shows that it can.
                self._doubted_s = monotonic()
                await self._interface.probe()
                self._holding.announce_often()
        elif claim.mark is not None:
            self._holding.announce_often()

    async def _fall_silent(self, held: Held, claim: Claim) -> None:
        is_news, held.muted_s = held.muted_s is None, monotonic()
        if is_news:
            log.info("another node answers for the front: silent here", front=self._front.name, by=claim.mac_text)
            await self._leases.end(self._front.name)

    def note_lapse(self, held: Held) -> None:
        """The kernel does not answer any more, and another node may have the front by now."""
        held.muted_s = monotonic()
        self._lapsed.set()

    async def come_back(self, tell: Callable[[Told], None]) -> None:
        """Answer again after the lease lapsed, or after a better holder was heard, when nobody else does who may; for
        ever. An exclusive front needs the core's word for it.
        """
        while True:
            with trio.move_on_after(ANNOUNCE_S):
                await self._lapsed.wait()
            is_lapsed, self._lapsed = self._lapsed.is_set(), trio.Event()
            held = self._holding.held
            if held is None or held.muted_s is None or self._holding.is_draining:
                continue
            if not is_lapsed and monotonic() < held.muted_s + MUTE_S:
                continue
            if self._front.is_exclusive:
                held.muted_s = monotonic()
                tell(Drifted(self._front.name, "it is not answered any more: the lease in the kernel has lapsed"))
            else:
                async with self._holding.turn:
                    await self._answer_again()

    async def _answer_again(self) -> None:
        held = self._holding.held
        if held is None or held.muted_s is None:
            return
        if by := await self._others.who_answers(self._holding.mark(held)):
            log.info("the front is served elsewhere: still silent here", front=self._front.name, by=by)
            held.muted_s = monotonic()
        elif problem := await self._begin_again(held):
            log.warning("a front cannot be answered for", front=self._front.name, problem=problem)
            held.muted_s = monotonic()

    async def _begin_again(self, held: Held) -> str:
        return self._interface.open() or await self._holding.begin(held.epoch, held.until_s)
