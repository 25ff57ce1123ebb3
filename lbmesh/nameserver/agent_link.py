"""The nameserver's end of its link to the agent: pictures in, figures out. A link that breaks changes no answer."""

from collections.abc import Callable

import structlog
import trio

from lbmesh.control.dns_link import DnsTelemetry, decode_picture, encode_line
from lbmesh.control.lines import Lines
from lbmesh.dns.responder import Responder
from lbmesh.nameserver.limits import FIGURES_S

log = structlog.get_logger(__name__)


class AgentLinkClient:
    """Talks to one agent at a time; `serve` is run anew for each link the sentinel makes."""

    def __init__(self, responder: Responder, figures: Callable[[], DnsTelemetry]) -> None:
        self._responder = responder
        self._figures = figures

    async def serve(self, stream: trio.SocketStream) -> None:
        """Talk until the link breaks."""
        try:
            async with stream, trio.open_nursery() as nursery:
                nursery.start_soon(self._report, stream)
                await self._receive(stream)
                nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            log.info("the link to the agent broke")
        except* ValueError as group:
            # What is answered stays what it was: a bad picture never replaces a good one.
            log.error("the agent broke the link's rules; the link is closed", error=str(group.exceptions[0]))

    async def _report(self, stream: trio.SocketStream) -> None:
        while True:
            await stream.send_all(encode_line(self._figures()))
            await trio.sleep(FIGURES_S)

    async def _receive(self, stream: trio.SocketStream) -> None:
        """Take pictures until the link ends. Raises ValueError for what no agent says."""
        lines = Lines()
        async for data in stream:
            for line in lines.feed(data):
                self._take(line)

    def _take(self, line: bytes) -> None:
        """Only what is newer: an old agent's last words may come after a new one's first."""
        picture, known = decode_picture(line), self._responder.picture
        if known is not None and picture.version <= known.version:
            return
        self._responder.tell(picture)
        withdrawn = [each.address for each in picture.addresses if not each.is_published]
        log.info("answers from a new picture", version=str(picture.version), withdrawn=withdrawn)
