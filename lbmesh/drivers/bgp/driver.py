"""The driver of routed addresses: one announcer for each front, one BIRD for each socket, one gate for the node."""

from collections.abc import Callable
from pathlib import Path

import trio

from lbmesh.drivers.bgp.announcer import Announcer
from lbmesh.drivers.bgp.bird import Bird
from lbmesh.drivers.bgp.gate import Gate
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.leases import Leases
from lbmesh.failover.orders import Acquire, Done, Drain, Drifted, Failed, Found, Occupied, Release, Renew, Tickle
from lbmesh.failover.plan import rank
from lbmesh.model.front import BgpDriver, Front

_LEAVING_S = 2.5


class BgpFronts:
    """`name` and `zone`: this node's."""

    def __init__(self, name: str, zone: str, leases: Leases) -> None:
        self._name = name
        self._zone = zone
        self._kernel = Kernel()
        self._gate = Gate(self._kernel, leases)
        self._birds: dict[Path, Bird] = {}
        self._announcers: dict[str, Announcer] = {}

    async def acquire(self, order: Acquire) -> Done | Failed | Occupied:
        """Look, add the address, have BIRD announce it, and look whether a router has it."""
        return await self._announcer(order.front).acquire(order)

    async def release(self, order: Release) -> Done | Failed:
        """Withdraw, then take the address away."""
        problem = await self._announcer(order.front).release()
        return Failed(order.front.name, order.ticket, problem) if problem else Done(order.front.name, order.ticket)

    async def drain(self, order: Drain) -> None:
        """With an heir, wait for its announcement: who withdraws first leaves a gap. Without one, nobody is to come."""
        if not order.heir:
            await self._announcer(order.front).withdraw()

    async def tickle(self, order: Tickle) -> None:
        """A segment to this address that belongs to no connection is answered with a reset by the kernel already."""

    def renew(self, order: Renew) -> None:
        """Pass on how long the right lasts."""
        announcer = self._announcers.get(order.front.name)
        if announcer is not None:
            announcer.extend(order.until_s)

    async def watch(self, front: Front, tell: Callable[[Drifted | Found], None]) -> None:
        """See to it that BIRD announces what is held, and nothing else. When it ends, nothing is left."""
        announcer = self._announcer(front)
        self._gate.want(front.name)
        try:
            await announcer.watch(tell)
        finally:
            with trio.move_on_after(_LEAVING_S, shield=True):
                if self._announcers.get(front.name) is announcer:
                    await announcer.leave()
                await self._gate.unwant(front.name)

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
                bird=self._birds.setdefault(options.socket, Bird(options.socket)),
                kernel=self._kernel,
                gate=self._gate,
            )
            self._announcers[front.name] = announcer
        return announcer
