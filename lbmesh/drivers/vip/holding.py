"""What this node holds of a front: the right, the lease in the kernel, and what it announces of them."""

from dataclasses import dataclass

import trio

from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.leases import Leases
from lbmesh.drivers.vip.frames import Mark
from lbmesh.drivers.vip.interface import Interface
from lbmesh.drivers.vip.limits import ANNOUNCE_GAPS_S, ANNOUNCE_S


@dataclass(frozen=True, slots=True)
class Place:
    """How near home this node is for the front, and its rendezvous weight: see Mark."""

    rank: int
    score: int


@dataclass(slots=True)
class Held:
    """`muted_s`: when this node had last cause to be silent; None while it answers."""

    epoch: int
    until_s: float
    muted_s: float | None = None


class Holding:
    """`held`: None while this node does not hold the front. `turn`: whoever takes several steps to change it has this
    lock meanwhile. `is_draining`: another node is to have it.
    """

    def __init__(self, front: str, place: Place, kernel: Kernel, leases: Leases, interface: Interface) -> None:
        self.held: Held | None = None
        self.turn = trio.Lock()
        self.is_draining = False
        self._front = front
        self._place = place
        self._kernel = kernel
        self._leases = leases
        self._interface = interface
        self._began = trio.Event()

    @property
    def is_silent(self) -> bool:
        """Held, but not answered: it lapsed, or another announces it."""
        return self.held is not None and self.held.muted_s is not None

    def mark(self, held: Held) -> Mark:
        """With what right this node holds it, for others to hear."""
        return Mark(self._place.rank, held.epoch, self._place.score)

    async def begin(self, epoch: int, until_s: float) -> str:
        """Answer, and tell everybody; what is wrong, "" if nothing. The lease comes before the address: by the address
        alone, a copy of what the holder before has just taken (`drivers/flows/`) would be neither remembered nor reset.
        """
        if problem := await self._leases.hold(self._front, epoch, until_s):
            return f"the lease of {self._front} cannot be held: {problem}"
        if problem := self._interface.add():
            if self.held is None:
                await self._leases.end(self._front)
            return problem
        self.held = Held(epoch, until_s)
        self.announce_often()
        await self.announce()
        return ""

    def extend(self, until_s: float) -> None:
        """It may be held until then."""
        if self.held is not None:
            self.held.until_s = until_s
            if self.held.muted_s is None:
                self._leases.extend(self._front, self.held.epoch, until_s)

    async def end(self) -> str:
        """Hold it no more; what is wrong, "" if nothing."""
        self.held = None
        return await self._leases.end(self._front)

    # Announcements

    def announce_often(self) -> None:
        """For a while, from now on."""
        self._began.set()

    async def announce(self) -> None:
        """Only while the kernel answers: after a freeze another node may be the holder."""
        held = self.held
        if held is None or held.muted_s is not None or not self._interface.is_open:
            return
        if self._kernel.lease(self._front) is not None:
            await self._interface.announce(self.mark(held))

    async def repeat(self) -> None:
        """Announce it again and again, for ever: at first often, since packets get lost and the dead node's kernel may
        answer.
        """
        gaps_s = iter(ANNOUNCE_GAPS_S)
        while True:
            with trio.move_on_after(next(gaps_s, ANNOUNCE_S)):
                await self._began.wait()
                self._began = trio.Event()
                gaps_s = iter(ANNOUNCE_GAPS_S)
            await self.announce()
