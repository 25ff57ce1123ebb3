"""One front's interface at this node: the packet socket on it, and the front's address."""

import os
from collections.abc import Awaitable, Callable, Iterator
from errno import EPERM

import structlog
import trio

from lbmesh.drivers.kernel.addresses import Assigned
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.limits import ADDRESS_PROTOCOL
from lbmesh.drivers.vip.frames import Claim, Mark
from lbmesh.drivers.vip.limits import LOOK_S
from lbmesh.drivers.vip.segment import Segment
from lbmesh.model.front import VipDriver

log = structlog.get_logger(__name__)


class Interface:
    """`front`: the address."""

    def __init__(self, front: str, options: VipDriver, kernel: Kernel) -> None:
        self.name = options.interface
        self._front = front
        self._prefix_length = options.prefix_length
        self._kernel = kernel
        self._segment: Segment | None = None
        self._opened = trio.Event()

    # The socket

    @property
    def is_open(self) -> bool:
        """Is there a packet socket?"""
        return self._segment is not None

    def open(self) -> str:
        """Have a packet socket on the interface as it is now; what is wrong, "" if nothing."""
        if problem := self._kernel.problem():
            return problem
        link = self._kernel.link(self.name)
        if link is None:
            return f'there is no interface {self.name}: write in options.interface one that "ip link" lists'
        if not link.mac:
            return f"{self.name} is no Ethernet, so that no address can move to it: write another in options.interface"
        if not link.is_up:
            return f"{self.name} is down or has no carrier: ip link set {self.name} up"
        if self._segment is not None and self._segment.link == link:
            return ""
        self.close()
        try:
            self._segment = Segment(self.name, link, self._front)
        except OSError as error:
            if error.errno == EPERM:
                return "no packets can be sent: give the service CAP_NET_RAW (AmbientCapabilities= in its unit)"
            return f"no packets can be sent on {self.name}: {_words(error.errno or 0)}"
        self._opened.set()
        return ""

    def close(self) -> None:
        """Close the socket; the address stays."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    async def probe(self) -> None:
        """Ask who has the address, if there is a socket."""
        if self._segment is not None:
            await self._send(self._segment.probe)

    async def announce(self, mark: Mark) -> None:
        """Tell everybody that it is here, if there is a socket."""
        segment = self._segment
        if segment is not None:
            await self._send(lambda: segment.announce(mark))

    def unheard(self) -> Iterator[Claim]:
        """Who else has said that it has the address, and was not heard yet."""
        return self._segment.unheard() if self._segment is not None else iter(())

    async def listen(self, hear: Callable[[Claim], Awaitable[None]]) -> None:
        """Hear who else says that it has the address, for ever. A socket that was lost is opened again."""
        while True:
            if self._segment is None:
                self._opened = trio.Event()
                self.open()
            segment = self._segment
            if segment is None:
                with trio.move_on_after(LOOK_S):
                    await self._opened.wait()
                continue
            try:
                await hear(await segment.hear())
            except (OSError, trio.ClosedResourceError):
                if segment is self._segment:
                    self.close()

    async def _send(self, send: Callable[[], Awaitable[None]]) -> None:
        try:
            await send()
        except OSError as error:
            log.info("a packet about a front was not sent", front=self._front, problem=_words(error.errno or 0))

    # The address

    def ours(self) -> list[Assigned]:
        """Where the address is with our mark, on whatever interface."""
        return [one for one in self._kernel.assigned(self._front) if one.is_ours]

    def add(self) -> str:
        """Have it here, and nowhere else; what is wrong, "" if nothing. To be called when the socket is open."""
        assert self._segment is not None
        for one in self._kernel.assigned(self._front):
            # By hand with another prefix, or from settings of before: the same address twice.
            if (one.index, one.prefix_length) != (self._segment.link.index, self._prefix_length):
                self._kernel.delete(one)
        failed = self._kernel.add(self._segment.link.index, self._front, self._prefix_length)
        if failed == EPERM:
            return "no address can be added: give the service CAP_NET_ADMIN (AmbientCapabilities= in its unit)"
        return f"{self._front} cannot be added to {self.name}: {_words(failed)}" if failed else ""

    def check(self) -> str:
        """Is the interface as it must be, with the address on it? What is not; "" if nothing."""
        if problem := self.open():
            return problem
        assert self._segment is not None
        index = self._segment.link.index
        if any(one.index == index for one in self.ours()):
            return ""
        if any(one.index == index for one in self._kernel.assigned(self._front)):
            return (
                f"{self._front} on {self.name} is not marked as ours (proto {ADDRESS_PROTOCOL:#x}): somebody has set "
                "it by hand, or the kernel is older than Linux 5.18"
            )
        return f"{self._front} is not on {self.name} any more"

    def take_away(self) -> str:
        """Have it nowhere, unless somebody else put it there; what is wrong, "" if nothing."""
        failed = next((failed for one in self.ours() if (failed := self._kernel.delete(one))), 0)
        return f"{self._front} cannot be taken away from {self.name}: {_words(failed)}" if failed else ""


def _words(failed: int) -> str:
    return os.strerror(failed).lower()
