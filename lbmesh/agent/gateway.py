"""Does the gateway answer? By that a node whose peers are all silent tells that it is cut off itself.

Asked seldom while all is well, to learn whether it answers at all. One that does is doubted at the word that a peer is
gone, and must answer anew: an older answer may be from before the cable was cut. On its segment that takes a
millisecond. One that never answered, or that there is none of, is left out of what is known.
"""

import socket
from collections.abc import Callable

import structlog
import trio

from lbmesh.agent.limits import GATEWAY_ANSWER_S, GATEWAY_DOUBTED_S, GATEWAY_LOOK_S, GATEWAY_PROBES
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.vip.segment import Segment

log = structlog.get_logger(__name__)

_OUTSIDE = ("192.0.2.1", "2001:db8::1")
"""Addresses that are nobody's (RFC 5737, RFC 3849): packets to them go the default way. A table may have a million
routes, so it is not listed.
"""


class Gateway:
    """`tell` gets whether it is in reach, when that changes. Without CAP_NET_RAW nothing is known."""

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self._tell = tell
        self._kernel = Kernel()
        self._segment: Segment | None = None
        self._where: tuple[int, str] | None = None
        self._in_reach: bool | None = None
        self._doubted = trio.Event()

    def doubt(self) -> None:
        """A peer is gone: until it answers anew, the gateway is out of reach."""
        if self._in_reach:
            self._say(in_reach=False)
            self._doubted.set()

    async def run(self) -> None:
        """Look after it, for ever."""
        while True:
            self._doubted = trio.Event()
            if self._find() and await self._answers():
                self._say(in_reach=True)
            elif self._in_reach:
                self._say(in_reach=False)
            with trio.move_on_after(GATEWAY_DOUBTED_S if self._in_reach is False else GATEWAY_LOOK_S):
                await self._doubted.wait()

    def _say(self, *, in_reach: bool) -> None:
        if in_reach is not self._in_reach:
            self._in_reach = in_reach
            self._tell(in_reach)

    def _find(self) -> bool:
        """Have a socket for the gateway that there is now."""
        ways = (route for outside in _OUTSIDE if (route := self._kernel.route(outside)) is not None)
        route = next((one for one in ways if one.gateway is not None), None)
        where = (route.index, route.gateway) if route is not None and route.gateway else None
        if where == self._where and self._segment is not None:
            return True
        if self._segment is not None:
            self._segment.close()
        self._segment, self._where = None, where
        if where is None:
            return False
        try:
            interface = socket.if_indextoname(where[0])
            link = self._kernel.link(interface)
            if link is None or not link.mac:
                return False
            self._segment = Segment(interface, link, where[1])
        except (OSError, ValueError) as error:
            log.debug("the gateway cannot be asked", gateway=where[1], problem=str(error))
        return self._segment is not None

    async def _answers(self) -> bool:
        segment = self._segment
        assert segment is not None
        segment.forget()
        try:
            for _ in range(GATEWAY_PROBES):
                await segment.probe()
                with trio.move_on_after(GATEWAY_ANSWER_S):
                    await segment.hear()
                    return True
        except OSError:
            segment.close()
            self._segment = None
        return False
