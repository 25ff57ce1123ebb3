"""The driver of routed addresses: one announcer for each front, one BIRD for each socket, one gate for the node."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import structlog
import trio

from lbmesh.drivers.bgp import protocols
from lbmesh.drivers.bgp.announcer import Announcer
from lbmesh.drivers.bgp.bird import Bird
from lbmesh.drivers.bgp.gate import Gate
from lbmesh.drivers.bgp.limits import IDLE_LOOK_S
from lbmesh.drivers.bgp.steered import Steered, steered_of
from lbmesh.drivers.flows.flows import Flows
from lbmesh.drivers.flows.tunnel_way import TunnelWay
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.lease_places import BGP_TABLE
from lbmesh.drivers.kernel.leases import Leases
from lbmesh.failover.orders import Acquire, Done, Drain, Failed, Occupied, Release, Renew, Tickle, Told
from lbmesh.failover.plan import rank
from lbmesh.model.front import BgpDriver, Front

log = structlog.get_logger(__name__)

_LEAVING_S = 2.5
_SETTINGS = "the fronts of the settings"


class BgpFronts:
    """`name` and `zone`: this node's. `fronts`: those of the settings; what a former run announced, and is none of
    theirs, is withdrawn (`withdraw_what_is_left`) before BGP speaks. `successors`: who would take a front, the first
    first, if this node died. `hosts`: the addresses of the mesh's members by their names, this node's too; none for a
    node alone.
    """

    def __init__(
        self,
        name: str,
        zone: str,
        leases: Leases,
        fronts: Collection[Front],
        successors: Callable[[str], Sequence[str]],
        hosts: Callable[[], Mapping[str, str]],
    ) -> None:
        self._name = name
        self._zone = zone
        self._kernel = Kernel()
        self._gate = Gate(self._kernel, leases)
        self._birds: dict[Path, Bird] = {}
        self._announcers: dict[str, Announcer] = {}
        self._flows = Flows(self._kernel, TunnelWay(name, self._kernel, hosts), successors)
        self._watched: dict[str, str] = {}
        own = steered_of(fronts)
        self._is_awaited = bool(own)
        if own:
            # Until the first of them is looked after: what is left may be withdrawn sooner than that.
            self._gate.want(_SETTINGS, own)
        self._left = sorted(self._gate.steered_before() - own)
        for one in self._left:
            # BGP stays silent until it is withdrawn.
            self._gate.want(str(one), frozenset((one,)))
        if not own and not self._left and self._gate.has_rules():
            log.warning(
                "rules of a former run keep BIRD from speaking to routers, and what it announces is not known",
                do=f"birdc disable what it shall not, then: nft delete table inet {BGP_TABLE}",
            )

    async def acquire(self, order: Acquire) -> Done | Failed | Occupied:
        """Look, add the address, have BIRD announce it, and look whether a router has it. Of one that is handed over,
        the holder before can serve no connection any more: routers lead all of them here.
        """
        announcer = self._announcer(order.front)
        is_given = not order.ask_first and not announcer.is_held
        outcome = await announcer.acquire(order)
        if is_given and isinstance(outcome, Done):
            self._flows.begin_tickle(order.front.name)
        return outcome

    async def release(self, order: Release) -> Done | Failed:
        """Withdraw, then take the address away."""
        problem = await self._announcer(order.front).release()
        return Failed(order.front.name, order.ticket, problem) if problem else Done(order.front.name, order.ticket)

    async def drain(self, order: Drain) -> None:
        """With an heir, wait for its announcement: who withdraws first leaves a gap. Without one, nobody is to come."""
        if not order.heir:
            await self._announcer(order.front).withdraw()

    async def tickle(self, order: Tickle) -> None:
        """Begin with it; it goes on beside what is ordered next."""
        self._flows.begin_tickle(order.front.name)

    def renew(self, order: Renew) -> None:
        """Pass on how long the right lasts."""
        announcer = self._announcers.get(order.front.name)
        if announcer is not None:
            announcer.extend(order.until_s)

    async def watch(self, front: Front, tell: Callable[[Told], None]) -> None:
        """See to it that BIRD announces what is held, and nothing else. When it ends, nothing is left."""
        announcer = self._announcer(front)
        self._gate.want(front.name, steered_of([front]))
        self._watched[front.name] = ""
        if self._is_awaited:
            self._is_awaited = False
            self._gate.settle(_SETTINGS)
            await self._gate.unwant(_SETTINGS)
        try:
            await announcer.watch(tell)
        finally:
            with trio.move_on_after(_LEAVING_S, shield=True):
                if self._announcers.get(front.name) is announcer:
                    del self._watched[front.name]
                    await announcer.leave()
            with trio.move_on_after(_LEAVING_S, shield=True):
                await self._gate.unwant(front.name)

    async def withdraw_what_is_left(self) -> None:
        """Have BIRD announce no front any more that a former run had and the settings have not."""
        async with trio.open_nursery() as nursery:
            for one in self._left:
                nursery.start_soon(self._withdraw, one)

    async def _withdraw(self, one: Steered) -> None:
        told = ""
        while problem := await protocols.disable(self._bird(one.socket), one.protocol):
            if problem != told:
                log.warning("what a former run announced cannot be withdrawn: BGP is silent", problem=problem)
            told = problem
            await trio.sleep(IDLE_LOOK_S)
        log.warning("withdrew what a former run announced and the settings do not", protocol=str(one))
        self._gate.settle(str(one))
        await self._gate.unwant(str(one))

    def _bird(self, socket: Path) -> Bird:
        return self._birds.setdefault(socket, Bird(socket))

    async def look_after_flows(self) -> None:
        """Have the connections of what is held be known to its backups, and carry out what `tickle` began; for ever."""
        await self._flows.look_after(self._watched, self._is_held)

    def _is_held(self, front: str) -> bool:
        announcer = self._announcers.get(front)
        return announcer is not None and announcer.is_held

    def _announcer(self, front: Front) -> Announcer:
        announcer = self._announcers.get(front.name)
        if announcer is None or announcer.front != front:
            options = front.driver
            assert isinstance(options, BgpDriver)
            best = 0 if front.node else 1
            announcer = Announcer(
                front,
                options,
                is_home=rank(front, self._name, self._zone) <= best,
                bird=self._bird(options.socket),
                kernel=self._kernel,
                gate=self._gate,
                flows_problem=lambda: self._flows.problem,
            )
            self._announcers[front.name] = announcer
        return announcer
