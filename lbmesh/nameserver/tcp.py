"""DNS over TCP (RFC 7766): messages behind their lengths, as many on a connection as the client likes."""

from collections import Counter
from time import monotonic

import structlog
import trio

from lbmesh.dns.responder import Responder
from lbmesh.nameserver.limits import (
    CONNECTIONS_MAX,
    CONNECTIONS_PER_HOST_MAX,
    IDLE_S,
    MESSAGE_S,
    QUERIES_PER_CONNECTION_MAX,
)

_LENGTH_BYTES = 2
_READ_BYTES = 4096

log = structlog.get_logger(__name__)


class TcpServer:
    """All connections of the nameserver, on whichever socket they come."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._by_host: Counter[str] = Counter()
        self._open: dict[trio.CancelScope, None] = {}
        self.shed = 0

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    async def run(self, listener: trio.SocketListener) -> None:
        """Serve one listening socket until cancelled."""
        await trio.serve_listeners(self._serve, [listener])

    async def _serve(self, stream: trio.SocketStream) -> None:
        """One connection. Where there are too many, the one that rests longest makes room."""
        async with stream:
            try:
                host = stream.socket.getpeername()[0]
            except OSError:
                return
            if self._by_host[host] >= CONNECTIONS_PER_HOST_MAX:
                self.shed += 1
                return
            if len(self._open) >= CONNECTIONS_MAX:
                self.shed += 1
                # Forgotten at once, lest a burst of newcomers end the same one again and again.
                oldest = next(iter(self._open))
                del self._open[oldest]
                oldest.cancel()
            self._by_host[host] += 1
            try:
                with trio.CancelScope() as scope:
                    self._open[scope] = None
                    await self._converse(stream, host, scope)
            except trio.BrokenResourceError:
                log.debug("a DNS client went away", client=host)
            finally:
                self._open.pop(scope, None)
                self._by_host[host] -= 1
                if not self._by_host[host]:
                    del self._by_host[host]

    async def _converse(self, stream: trio.SocketStream, host: str, scope: trio.CancelScope) -> None:
        """All queries that have come are answered in one piece, in their order: none takes longer than another, so
        there is nothing to overtake (RFC 7766, 6.2.1.1 and 7).
        """
        buffer = b""
        left = QUERIES_PER_CONNECTION_MAX
        deadline = trio.current_time() + IDLE_S
        while left:
            with trio.move_on_at(deadline) as patience:
                data = await stream.receive_some(_READ_BYTES)
            if patience.cancelled_caught or not data:
                return
            had_begun = bool(buffer)
            messages, buffer = split(buffer + data)
            if messages or not had_begun:
                deadline = trio.current_time() + (MESSAGE_S if buffer else IDLE_S)
            if not messages:
                continue
            self._heard_of(scope)
            answers = self._answers(messages[:left], host)
            left -= len(messages[:left])
            if answers is None:
                return
            with trio.move_on_after(MESSAGE_S) as patience:
                await stream.send_all(answers)
            if patience.cancelled_caught:
                return

    def _heard_of(self, scope: trio.CancelScope) -> None:
        """The most recent one is the last to make room."""
        if scope in self._open:
            del self._open[scope]
            self._open[scope] = None

    def _answers(self, messages: list[bytes], host: str) -> bytes | None:
        """With their lengths; None when one is no query, and the client no client."""
        answers = bytearray()
        for message in messages:
            answer = self._responder.respond(message, host, monotonic(), is_udp=False)
            if answer is None:
                return None
            answers += len(answer).to_bytes(_LENGTH_BYTES, "big") + answer
        return bytes(answers)


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages, and the rest."""
    messages, at = [], 0
    while len(buffer) - at >= _LENGTH_BYTES:
        end = at + _LENGTH_BYTES + int.from_bytes(buffer[at : at + _LENGTH_BYTES], "big")
        if end > len(buffer):
            break
        messages.append(buffer[at + _LENGTH_BYTES : end])
        at = end
    return messages, buffer[at:]
