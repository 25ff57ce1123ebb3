"""The rules by which the kernel is silent about fronts without a lease (`lease_rules.py`): set, and looked for."""

from collections.abc import Iterable
from math import inf
from time import monotonic

import trio

from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.lease_places import FRONTS_TABLE
from lbmesh.drivers.kernel.nft import run_nft
from lbmesh.drivers.vip import lease_rules
from lbmesh.drivers.vip.limits import LOOK_S


class Rules:
    """The kernel's rules for all fronts that are watched; always set as a whole."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._wanted: dict[str, int] = {}
        self._set: frozenset[str] = frozenset()
        self._turn = trio.Lock()
        self._problem = ""
        self._refused: frozenset[str] | None = None
        self._refused_s = -inf

    def want(self, front: str) -> None:
        """From the next `keep` on, this front is silent without a lease."""
        self._wanted[front] = self._wanted.get(front, 0) + 1

    async def unwant(self, front: str) -> None:
        """No more of it, unless another still wants it. The last one leaves no rule."""
        self._wanted[front] -= 1
        if not self._wanted[front]:
            del self._wanted[front]
            if self._set:
                await self.keep()

    def are_there(self) -> bool:
        """Has the kernel all of them?"""
        return all(
            self._kernel.count_rules(family, FRONTS_TABLE) == count for family, count in lease_rules.RULES.items()
        )

    async def keep(self) -> str:
        """See to it that they are there; what is wrong, "" if nothing. Of all fronts that ask at one time, only one has
        rules set that were refused.
        """
        async with self._turn:
            wanted = frozenset(self._wanted)
            if wanted == self._set and (not wanted or self.are_there()):
                return ""
            if wanted == self._refused and monotonic() < self._refused_s + LOOK_S / 2:
                return self._problem
            self._problem = await set_rules(wanted)
            self._set = frozenset() if self._problem else wanted
            self._refused, self._refused_s = (wanted, monotonic()) if self._problem else (None, -inf)
            return self._problem


async def set_rules(fronts: Iterable[str]) -> str:
    """Have the kernel be silent about these fronts without a lease, and about no others; what is wrong, if anything."""
    problem = await run_nft(lease_rules.script(fronts))
    return f"the rules of the lease: {problem}" if problem else ""
