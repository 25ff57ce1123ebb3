"""Whether this machine may speak to BGP routers at all: the kernel's rules, and the one lease that opens them.

BIRD is a process of its own, and goes on when this node is killed, frozen, or serves nobody. What is renewed by the
sentinel lets BIRD's packets pass; when that ends, routers hear no BFD any more, and take the routes away.
"""

from math import inf

import trio

from lbmesh.drivers.bgp.gate_rules import NO_RULES, RULE_COUNT, RULES
from lbmesh.drivers.bgp.limits import GRANTED_LOOK_S, GRANTED_S
from lbmesh.drivers.bgp.steered import PLACE, Steered, read_back, write_down
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.lease_places import BGP_LEASE, BGP_TABLE
from lbmesh.drivers.kernel.leases import Leases
from lbmesh.drivers.kernel.nft import run_nft


class Gate:
    """Shut until it is known of each front what BIRD does with it: what a crash left announced is withdrawn first."""

    def __init__(self, kernel: Kernel, leases: Leases) -> None:
        self._kernel = kernel
        self._leases = leases
        self._wanted: dict[str, int] = {}
        self._steered: dict[str, frozenset[Steered]] = {}
        self._written: frozenset[Steered] | None = None
        self._unsettled: set[str] = set()
        self._held: dict[str, tuple[int, float]] = {}
        self._turn = trio.Lock()
        self._is_open = False
        self._is_left_shut = False
        self._why_shut = ""
        self.lost = trio.Event()
        """Set when it has shut, and another one then."""
        leases.listen(BGP_LEASE, self._heard)

    @property
    def problem(self) -> str:
        """Why it is shut; "" when it is open."""
        return "" if self._is_open else f"BGP's lease has ended: {self._why_shut or 'it has not begun'}"

    def epoch_before(self) -> int | None:
        """The highest epoch of what this node held under a lease that runs still; None without one."""
        return self._kernel.lease(BGP_LEASE)

    def steered_before(self) -> frozenset[Steered]:
        """What a former run may have turned on, and did not live to turn off."""
        return read_back(self._kernel.comments(PLACE))

    # What the fronts want

    def want(self, front: str, steered: frozenset[Steered]) -> None:
        """There is such a front, with these protocols; what BIRD does with it is not known yet."""
        self._wanted[front] = self._wanted.get(front, 0) + 1
        self._steered[front] = steered
        self._unsettled.add(front)

    def settle(self, front: str) -> None:
        """It is announced if it is to be, and only then."""
        self._unsettled.discard(front)

    async def unwant(self, front: str) -> None:
        """No more of it. After the last one BIRD is on its own again, unless it announces what it was told not to."""
        self._wanted[front] -= 1
        if self._wanted[front]:
            return
        del self._wanted[front]
        if front in self._unsettled:
            self._is_left_shut = True
        else:
            del self._steered[front]
            if self._written is not None:
                self._write_down()
        self._unsettled.discard(front)
        self.let_go(front)
        if not self._wanted:
            async with self._turn:
                self._is_open = False
                await self._leases.end(BGP_LEASE)
                if not self._is_left_shut:
                    await run_nft(NO_RULES)

    def hold(self, front: str, epoch: int, until_s: float) -> None:
        """The right to this front ends then."""
        before = (self._epoch(), self._until_s())
        self._held[front] = (epoch, until_s)
        self._extend(before)

    def let_go(self, front: str) -> None:
        """It is held no more."""
        before = (self._epoch(), self._until_s())
        self._held.pop(front, None)
        self._extend(before)

    # The kernel

    def has_rules(self) -> bool:
        """Are the rules in the kernel by which BGP needs a lease?"""
        return self._kernel.count_rules("inet", BGP_TABLE) == RULE_COUNT

    async def keep(self) -> str:
        """See to it that it is open; what is wrong, "" if nothing."""
        async with self._turn:
            self._why_shut = ""
            if self._unsettled:
                waits = ", ".join(sorted(self._unsettled))
                return f"BGP is silent until BIRD says that it does not announce {waits} by itself"
            if not self.has_rules():
                self._is_open, self._written = False, None
                if problem := await run_nft(RULES):
                    return problem
            self._write_down()
            if not self._is_open:
                self._why_shut = await self._leases.hold(BGP_LEASE, self._epoch(), self._until_s())
                self._is_open = not self._why_shut
            return f"BGP's lease cannot be held: {self._why_shut}" if self._why_shut else ""

    async def open(self) -> str:
        """As `keep`, and where the sentinel grants no lease, wait for it: it replaces forwarders that hang."""
        problem = ""
        with trio.move_on_after(GRANTED_S):
            while True:
                problem = await self.keep()
                if not problem or not self._why_shut:
                    break
                await trio.sleep(GRANTED_LOOK_S)
        return problem

    async def silence(self, front: str, why: str) -> None:
        """Say nothing to any router, as this front cannot be withdrawn in another way, until it is settled."""
        self._unsettled.add(front)
        async with self._turn:
            self._why_shut = why
            self._is_open = False
            await self._leases.end(BGP_LEASE)

    def _write_down(self) -> None:
        """For a run that comes after this one, if this one does not end well."""
        steered = frozenset[Steered]().union(*self._steered.values())
        if steered != self._written and not self._kernel.change(write_down(steered)):
            self._written = steered

    def _heard(self, problem: str, has_lapsed: bool) -> None:  # noqa: ARG002  # it is begun anew in either case
        self._is_open, self._why_shut = False, problem
        self.lost.set()
        self.lost = trio.Event()

    def _extend(self, before: tuple[int, float]) -> None:
        now = (self._epoch(), self._until_s())
        if self._is_open and now != before:
            self._leases.extend(BGP_LEASE, *now)

    def _epoch(self) -> int:
        return max((epoch for epoch, _ in self._held.values()), default=0)

    def _until_s(self) -> float:
        """All that is held ends with the first right that does: one session serves all fronts."""
        return min((until_s for _, until_s in self._held.values()), default=inf)
