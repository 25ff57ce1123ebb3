"""The link to the nameserver: it gets the newest picture, and says what it counts."""

import socket

import structlog
import trio

from lbmesh.agent.hub import Hub
from lbmesh.control.dns_link import decode_telemetry, encode_line
from lbmesh.control.lines import Lines
from lbmesh.model.dns import DnsPicture

log = structlog.get_logger(__name__)


class NameserverLink:
    """To one nameserver process at a time: the sentinel makes a link for each."""

    def __init__(self, hub: Hub, nursery: trio.Nursery) -> None:
        self._hub = hub
        self._nursery = nursery
        self._scope = trio.CancelScope()
        self._newest: DnsPicture | None = None
        self._wake = trio.Event()
        hub.on_dns = self._offer

    def add(self, descriptor: int) -> None:
        """Talk over this socket, and over none before it."""
        self._scope.cancel()
        self._scope = trio.CancelScope()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptor)))
        self._nursery.start_soon(self._serve, stream, self._scope)

    def _offer(self, picture: DnsPicture) -> None:
        self._newest = picture
        self._wake.set()

    async def _serve(self, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
        try:
            with scope:
                async with stream, trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, stream)
                    await self._read(stream)
                    nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            log.debug("the link to the nameserver broke")
        except* ValueError as group:
            log.error("the nameserver broke the link's rules", error=str(group.exceptions[0]))

    async def _write(self, stream: trio.SocketStream) -> None:
        """Each picture whole. While one is being written, only the newest waits."""
        written: DnsPicture | None = None
        while True:
            picture = self._newest
            if picture is not None and picture is not written:
                await stream.send_all(encode_line(picture))
                written = picture
                continue
            self._wake = trio.Event()
            await self._wake.wait()

    async def _read(self, stream: trio.SocketStream) -> None:
        """Raises ValueError for what no nameserver says."""
        lines = Lines()
        async for data in stream:
            for line in lines.feed(data):
                self._hub.figures.nameserver = decode_telemetry(line)
