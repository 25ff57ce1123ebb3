"""What a driver is. It knows one way of moving an address, and nothing of the mesh.

The runner (`agent/front_drivers.py`) gives the orders of one front one after the other, and takes back what comes of
them; a driver holds no plan, no lease and no retry of its own. Every method may be called again with what was done
before, and must then look at the world and do what is missing. Expected failures are values (`Failed`, with words that
say what to do); an exception is taken for one, with a worse text.
"""

from collections.abc import Callable
from typing import Protocol

from lbmesh.failover.orders import (
    Acquire,
    Done,
    Drain,
    Failed,
    Occupied,
    Outdated,
    Release,
    Renew,
    Tickle,
    Told,
    Unfinished,
)
from lbmesh.model.front import Front


class FrontDriver(Protocol):
    """One driver, for all fronts of its kind on this node."""

    async def acquire(self, order: Acquire) -> Done | Failed | Occupied | Unfinished | Outdated:
        """Have this node answer for the front, with proof that the world looks like it. With `ask_first`, first look
        whether it answers elsewhere (an ARP or ND probe, an HTTP request), and if so take nothing. Where the
        world remembers epochs, an older one takes nothing either.
        """

    async def release(self, order: Release) -> Done | Failed:
        """Have it answer no more. With `is_fenced`, what silences it at once comes first. A driver whose provider leads
        the front to one node at a time, whatever happens, may instead leave it: it is moved no more, and whom the
        provider still leads here is served until the next holder leads it away.
        """

    async def drain(self, order: Drain) -> None:
        """Send new clients elsewhere; return when nobody is left, or when that cannot be told. With an heir: as far as
        there is no gap before that one has it. Without one, this node is about to close its listeners: where
        something else can take clients (another router's route), what leads them here is withdrawn.
        """

    async def tickle(self, order: Tickle) -> None:
        """Reset the connections of the holder before."""

    def renew(self, order: Renew) -> None:
        """Keep answering until then; while an acquire is under way, it may take until then. Must not wait: the runner
        calls it between the awaits of the others.
        """

    async def watch(self, front: Front, tell: Callable[[Told], None]) -> None:
        """Look at the world for as long as the front is in the settings: first tell whether this node holds it from
        before (`Found`), then each time that it is not as it was left, and while it is held elsewhere, what is missing
        to take it (`Unready`). Cancelled when the front is taken out.
        """
