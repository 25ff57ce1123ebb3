"""Who else has a front: what others said of themselves, and what they answer when they are asked."""

from collections import OrderedDict
from math import inf
from time import monotonic

import structlog
import trio

from lbmesh.drivers.http_probe import answers_http
from lbmesh.drivers.vip.frames import Claim, Mark
from lbmesh.drivers.vip.interface import Interface
from lbmesh.drivers.vip.limits import HOLDERS_MAX, HTTP_PROBE_S, PROBE_GAP_S, PROBES, STRANGER_LOGGED_S
from lbmesh.model.front import Front

log = structlog.get_logger(__name__)


class Others:
    """A node of the mesh is known by the mark in its announcements, and by the hardware address it sent them from."""

    def __init__(self, front: Front, interface: Interface) -> None:
        self._front = front
        self._interface = interface
        self._claim: Claim | None = None
        self._heard = trio.Event()
        self._marks: OrderedDict[bytes, Mark] = OrderedDict()
        self._stranger_s = -inf

    def note(self, claim: Claim) -> None:
        """Somebody says that it has the address."""
        self._claim = claim
        self._heard.set()
        if claim.mark is not None:
            self._remember(claim.mac, claim.mark)

    def mark_of(self, claim: Claim) -> Mark | None:
        """The mark it bears, or that its sender's last announcement did; None for a stranger."""
        return claim.mark or self._marks.get(claim.mac)

    def warn_of(self, stranger: Claim) -> None:
        """Say so in the log, from time to time."""
        if monotonic() - self._stranger_s >= STRANGER_LOGGED_S:
            self._stranger_s = monotonic()
            log.warning("a stranger has the address of a front, too", front=self._front.name, mac=stranger.mac_text)

    async def who_answers(self, own: Mark | None = None) -> str:
        """Who else has it, in words; "" for nobody, and for a node of the mesh that does not serve it any more, or must
        leave it to the holder that has our `own` mark. The address is taken away here.
        """
        # With the address here, the question whether it is served would come to this node.
        self._interface.take_away()
        claim = await self._ask()
        if claim is None:
            return ""
        by = f"{claim.mac_text} on {self._interface.name}"
        mark = self.mark_of(claim)
        if mark is None:
            return (
                f"{by}, which no node of this mesh announced it from: if it stays, take the address from that machine"
            )
        if own is not None and own.is_better_than(mark):
            return ""
        return f"{by}, of a node that still serves it" if await answers_http(self._front.address, HTTP_PROBE_S) else ""

    async def _ask(self) -> Claim | None:
        """The first who answers an ARP probe, or a solicitation."""
        self._claim, self._heard = None, trio.Event()
        for _ in range(PROBES):
            await self._interface.probe()
            with trio.move_on_after(PROBE_GAP_S):
                await self._heard.wait()
                break
        # A loop that lags finds that the time is over together with an answer that came in time.
        for claim in self._interface.unheard():
            self.note(claim)
        return self._claim

    def _remember(self, mac: bytes, mark: Mark) -> None:
        self._marks[mac] = mark
        self._marks.move_to_end(mac)
        if len(self._marks) > HOLDERS_MAX:
            self._marks.popitem(last=False)
