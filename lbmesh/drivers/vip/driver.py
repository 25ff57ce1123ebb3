"""The driver of addresses on a shared L2: one holder for each front, and the rules that all of them rest on."""

from collections.abc import Callable, Sequence

import trio

from lbmesh.drivers.flows.flows import Flows
from lbmesh.drivers.flows.segment_way import SegmentWay
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.leases import Leases
from lbmesh.drivers.vip.holder import Holder
from lbmesh.drivers.vip.holding import Place
from lbmesh.drivers.vip.rules import Rules
from lbmesh.failover.orders import Acquire, Done, Drain, Failed, Occupied, Release, Renew, Tickle, Told
from lbmesh.failover.plan import rank, score
from lbmesh.model.front import Front, VipDriver

_LEAVING_S = 2.0
_SCORE_SHIFT = 32


class VipFronts:
    """`name` and `zone`: this node's. `successors`: who would take a front, the first first, if this node died."""

    def __init__(self, name: str, zone: str, leases: Leases, successors: Callable[[str], Sequence[str]]) -> None:
        self._name = name
        self._zone = zone
        self._leases = leases
        self._kernel = Kernel()
        self._rules = Rules(self._kernel)
        self._flows = Flows(self._kernel, SegmentWay(name, self._kernel), successors)
        self._holders: dict[str, Holder] = {}
        self._watched: dict[str, str] = {}

    async def acquire(self, order: Acquire) -> Done | Failed | Occupied:
        """Look, add, hold the lease, announce, and look again. Of one that is handed over, the holder before can serve
        no connection any more: all packets of an address go one way.
        """
        holder = self._holder(order.front)
        is_given = not order.ask_first and not holder.is_held
        outcome = await holder.acquire(order)
        if is_given and isinstance(outcome, Done):
            self._flows.begin_tickle(order.front.name)
        return outcome

    async def release(self, order: Release) -> Done | Failed:
        """Fall silent, then take the address away. Nothing is announced: the next holder does that."""
        problem = await self._holder(order.front).release()
        return Failed(order.front.name, order.ticket, problem) if problem else Done(order.front.name, order.ticket)

    async def drain(self, order: Drain) -> None:
        """Give way to whoever announces it. All packets of an address go one way, so that connections end when the heir
        takes it: there is nobody to wait for.
        """
        self._holder(order.front).give_way()

    async def tickle(self, order: Tickle) -> None:
        """Begin with it; it goes on beside what is ordered next."""
        self._flows.begin_tickle(order.front.name)

    def renew(self, order: Renew) -> None:
        """Pass on how long the right lasts. Without end, it is renewed since it was acquired."""
        holder = self._holders.get(order.front.name)
        if holder is not None and order.until_s != float("inf"):
            holder.extend(order.until_s)

    async def watch(self, front: Front, tell: Callable[[Told], None]) -> None:
        """Keep the rules in place, and see to it that what is held stays as it is. When it ends, nothing is left."""
        holder = self._holder(front)
        assert isinstance(front.driver, VipDriver)
        self._rules.want(front.name)
        self._watched[front.name] = front.driver.interface
        try:
            await holder.watch(tell)
        finally:
            with trio.move_on_after(_LEAVING_S, shield=True):
                if self._holders.get(front.name) is holder:
                    del self._watched[front.name]
                    await holder.leave()
                await self._rules.unwant(front.name)

    async def look_after_flows(self) -> None:
        """Have the connections of what is held be known to its backups, and carry out what `tickle` began; for ever."""
        await self._flows.look_after(self._watched, self._is_held)

    def _is_held(self, front: str) -> bool:
        holder = self._holders.get(front)
        return holder is not None and holder.is_held

    def _holder(self, front: Front) -> Holder:
        holder = self._holders.get(front.name)
        if holder is None or holder.front != front:
            assert isinstance(front.driver, VipDriver)
            place = Place(rank(front, self._name, self._zone), score(front, self._name) >> _SCORE_SHIFT)
            holder = Holder(
                front, front.driver, place, self._kernel, self._rules, self._leases, lambda: self._flows.problem
            )
            self._holders[front.name] = holder
        return holder
