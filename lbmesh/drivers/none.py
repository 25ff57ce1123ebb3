"""The driver of fronts that have none: nothing moves, so everything is done when it is ordered."""

from collections.abc import Callable

import trio

from lbmesh.failover.orders import Acquire, Done, Drain, Drifted, Found, Release, Renew, Tickle
from lbmesh.model.front import Front


class UnmovedFronts:
    """The address stays where it is, and what DNS answers follows its home, whoever claims it."""

    async def acquire(self, order: Acquire) -> Done:
        return Done(order.front.name, order.ticket)

    async def release(self, order: Release) -> Done:
        return Done(order.front.name, order.ticket)

    async def drain(self, order: Drain) -> None:
        """Clients leave as their answers expire."""

    async def tickle(self, order: Tickle) -> None:
        """The connections of a dead node lead to its own address, which nobody here can reset."""

    def renew(self, order: Renew) -> None:
        """Nothing lapses."""

    async def watch(self, front: Front, tell: Callable[[Drifted | Found], None]) -> None:  # noqa: ARG002
        """There is nothing to look at."""
        await trio.sleep_forever()
