"""One front at this node: acquired step by step, watched, let go.

The steps, each of which may be the last: the interface is there, up, and Ethernet; the rules are in the kernel, so that
nothing answers yet; nobody else has the address; the lease begins; the address is added, and with it the kernel's
answers begin; it is announced; all is as claimed. A crash leaves an address that is silent, and is taken away by the
next run.
"""

import os
from collections.abc import Callable
from math import inf

import structlog
import trio

from lbmesh.drivers.kernel.addresses import MONITORED_GROUPS
from lbmesh.drivers.kernel.kernel import Kernel, monitor
from lbmesh.drivers.kernel.leases import Leases
from lbmesh.drivers.vip.holding import Held, Holding, Place
from lbmesh.drivers.vip.interface import Interface
from lbmesh.drivers.vip.limits import LOOK_S
from lbmesh.drivers.vip.others import Others
from lbmesh.drivers.vip.readiness import Readiness
from lbmesh.drivers.vip.rules import Rules
from lbmesh.drivers.vip.silence import Silence
from lbmesh.failover.orders import Acquire, Done, Drifted, Failed, Found, Occupied, Told
from lbmesh.model.front import Front, VipDriver

log = structlog.get_logger(__name__)

_MONITOR_BYTES = 4096


class Holder:
    """One front at this node."""

    def __init__(
        self,
        front: Front,
        options: VipDriver,
        place: Place,
        kernel: Kernel,
        rules: Rules,
        leases: Leases,
        flows_problem: Callable[[], str],
    ) -> None:
        self.front = front
        self._kernel = kernel
        self._rules = rules
        self._leases = leases
        self._interface = Interface(front.name, options, kernel)
        self._holding = Holding(front.name, place, kernel, leases, self._interface)
        self._others = Others(front, self._interface)
        self._silence = Silence(front, leases, self._interface, self._holding, self._others)
        self._readiness = Readiness(front.name, self._interface, rules, self._holding, flows_problem)

    @property
    def is_held(self) -> bool:
        """Has this node the front, answering for it or silent for a while?"""
        return self._holding.held is not None

    # Orders

    async def acquire(self, order: Acquire) -> Done | Failed | Occupied:
        """Take it, or repair what is missing of it."""
        name, ticket = self.front.name, order.ticket
        self._holding.is_draining = False
        async with self._holding.turn:
            return await self._acquire(order, name, ticket)

    async def _acquire(self, order: Acquire, name: str, ticket: int) -> Done | Failed | Occupied:
        if problem := self._interface.open() or await self._rules.keep():
            return Failed(name, ticket, problem)
        if (order.ask_first or self._holding.is_silent) and (by := await self._others.who_answers()):
            return Occupied(name, ticket, by)
        problem = await self._holding.begin(order.epoch, order.until_s) or self._check()
        return Failed(name, ticket, problem) if problem else Done(name, ticket)

    def _check(self) -> str:
        """Is the world as it was left? What is not; "" if nothing."""
        if problem := self._interface.check():
            return problem
        return "" if self._rules.are_there() else "the rules of the lease are not in the kernel any more"

    def extend(self, until_s: float) -> None:
        """It may be held until then."""
        self._holding.extend(until_s)

    def give_way(self) -> None:
        """Leave it to whoever announces it, until it is acquired again."""
        self._holding.is_draining = True

    async def release(self) -> str:
        """Let it go; what is wrong, "" if nothing."""
        async with self._holding.turn:
            lease_problem = await self._holding.end()
            problem = self._interface.take_away()
        if lease_problem and not problem:
            log.warning("the lease of a front could not be ended", front=self.front.name, problem=lease_problem)
        return problem

    async def leave(self) -> None:
        """Take away what there is of ours: nobody will look after it any more."""
        self._holding.held = None
        self._interface.take_away()
        self._interface.close()

    # The watch

    async def watch(self, tell: Callable[[Told], None]) -> None:
        """Look after it, for ever."""
        await self._rules.keep()
        async with self._holding.turn:
            await self._resume(tell)
        self._leases.listen(self.front.name, lambda problem, lapsed: self._lease_said(tell, problem, lapsed))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look, tell)
            nursery.start_soon(self._interface.listen, self._silence.hear)
            nursery.start_soon(self._holding.repeat)
            nursery.start_soon(self._silence.come_back, tell)
            nursery.start_soon(self._readiness.look, tell)

    async def _resume(self, tell: Callable[[Told], None]) -> None:
        """What a former agent left: with a lease that lives, its work goes on; without one, others may have it."""
        left = self._interface.ours()
        epoch = self._kernel.lease(self.front.name)
        if left and epoch is not None:
            self._holding.held = Held(epoch, inf)
            tell(Found(self.front.name, epoch))
        elif left and self._holding.held is None:
            self._interface.take_away()
            log.info("took away an address that a former run left", front=self.front.name)
        elif epoch is not None and self._holding.held is None:
            # An agent that died between the two steps of taking it.
            await self._leases.end(self.front.name)

    def _lease_said(self, tell: Callable[[Told], None], problem: str, has_lapsed: bool) -> None:
        held = self._holding.held
        if held is None:
            return
        if has_lapsed:
            self._silence.note_lapse(held)
        else:
            tell(Drifted(self.front.name, f"the lease: {problem}"))

    async def _look(self, tell: Callable[[Told], None]) -> None:
        """Look whenever the kernel says that something changed, and from time to time."""
        with monitor() as changes:
            await changes.bind((0, MONITORED_GROUPS))
            while True:
                held = self._holding.held
                if held is not None and held.muted_s is None:
                    if problem := self._check():
                        tell(Drifted(self.front.name, problem))
                    elif self._kernel.lease(self.front.name) is None:
                        self._silence.note_lapse(held)
                with trio.move_on_after(LOOK_S):
                    try:
                        await changes.recv(_MONITOR_BYTES)
                    except OSError as error:
                        log.debug("changes were missed", problem=os.strerror(error.errno or 0).lower())
