"""The nameserver's end of its link to the agent: pictures in, figures out. A link that breaks changes no answer."""

from collections.abc import Callable

import structlog
import trio

from lbmesh.control.dns_link import LINE_BYTES_MAX, DnsTelemetry, decode_picture, encode_line
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

    async def _report(self, stream: trio.SocketStream) -> None:
        while True:
            await stream.send_all(encode_line(self._figures()))
            await trio.sleep(FIGURES_S)

    async def _receive(self, stream: trio.SocketStream) -> None:
        buffer = b""
        async for data in stream:
            *lines, buffer = (buffer + data).split(b"\n")
            if len(buffer) > LINE_BYTES_MAX:
                log.error("the agent sent a line that does not end; the link is closed", bytes=len(buffer))
                return
            for line in lines:
                try:
                    self._take(line)
                except ValueError as error:
                    # What is answered stays what it was: a bad picture never replaces a good one.
                    log.error("the agent sent what is no picture; the link is closed", error=str(error))
                    return

    def _take(self, line: bytes) -> None:
        """Only what is newer: an old agent's last words may come after a new one's first."""
        picture, known = decode_picture(line), self._responder.picture
        if known is not None and picture.version <= known.version:
            return
        self._responder.tell(picture)
        withdrawn = [each.address for each in picture.addresses if not each.is_published]
        log.info("answers from a new picture", version=str(picture.version), withdrawn=withdrawn)
