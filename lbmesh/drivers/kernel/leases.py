"""What the driver needs of whoever renews leases: the sentinel, behind the agent's channel to it."""

from collections.abc import Callable
from typing import Protocol


class Leases(Protocol):
    """Leases in the kernel, by front. Renewed by a process that outlives the agent."""

    async def hold(self, front: str, epoch: int, until_s: float) -> str:
        """Have the kernel answer for it from now on, until then on the monotonic clock; what is wrong, if anything."""

    def extend(self, front: str, epoch: int, until_s: float) -> None:
        """The same for one that is held, without waiting."""

    async def end(self, front: str) -> str:
        """Have the kernel be silent about it. What is wrong; "" if nothing."""

    def listen(self, front: str, heard: Callable[[str, bool], None]) -> None:
        """Call this with a problem whenever one turns up, and with whether the lease has lapsed by it."""
