"""The admin server: h11 around `admin.api`, a bounded number of connections, each request within a bounded time."""

from collections.abc import Iterable
from http import HTTPStatus
from time import monotonic

import h11
import structlog
import trio

from lbmesh import __version__
from lbmesh.admin.api import AdminAnswer, AdminRequest, AdminSource, answer
from lbmesh.admin.key_shapes import ORDER_BYTES_MAX
from lbmesh.agent.limits import (
    ADMIN_ANSWER_S,
    ADMIN_CONNECTIONS_MAX,
    ADMIN_HEAD_BYTES_MAX,
    ADMIN_HEAD_S,
    ADMIN_IDLE_S,
    SLICE_S,
)

_READ_BYTES = 16 * 1024

log = structlog.get_logger(__name__)


class AdminServer:
    """Serves one listening socket until cancelled."""

    def __init__(self, listener: trio.SocketListener, source: AdminSource) -> None:
        self._listener = listener
        self._source = source
        self._connections = 0

    async def run(self) -> None:
        """Serve."""
        await trio.serve_listeners(self._serve, [self._listener])

    async def _serve(self, stream: trio.SocketStream) -> None:
        """One connection. Too many at once: closed without an answer, as an answer would cost what we lack."""
        if self._connections >= ADMIN_CONNECTIONS_MAX:
            await trio.aclose_forcefully(stream)
            return
        self._connections += 1
        try:
            async with stream:
                await _Conversation(stream, self._source).run()
        except trio.BrokenResourceError:
            log.debug("an admin client went away")
        finally:
            self._connections -= 1


class _Conversation:
    """The requests on one connection."""

    def __init__(self, stream: trio.SocketStream, source: AdminSource) -> None:
        self._stream = stream
        self._source = source
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=ADMIN_HEAD_BYTES_MAX)

    async def run(self) -> None:
        idle_s = ADMIN_HEAD_S
        while await self._exchange(idle_s):
            self._http.start_next_cycle()
            idle_s = ADMIN_IDLE_S

    async def _exchange(self, idle_s: float) -> bool:
        """One request and its answer; True when the connection may carry another."""
        try:
            received = await self._request(idle_s)
            if received is None:
                return False
            request, body = received
            reply = answer(_admin_request(request, body), self._source)
        except h11.RemoteProtocolError as error:
            if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
                return False
            request = None
            text = f"{error}\n".encode()
            reply = AdminAnswer(error.error_status_hint, "text/plain; charset=utf-8", (text,))
        with trio.move_on_after(ADMIN_ANSWER_S) as limit:
            await self._send(reply, without_body=request is not None and request.method == b"HEAD")
        return not limit.cancelled_caught and self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _request(self, idle_s: float) -> tuple[h11.Request, bytes | None] | None:
        """The next request with its body, None for one that is too large; None when the client ends or is too slow."""
        with trio.move_on_after(idle_s) as limit:
            request: h11.Request | None = None
            body = b""
            while True:
                match self._http.next_event():
                    case h11.Request() as request if request.method != b"POST":
                        self._http.next_event()
                        return request, b""
                    case h11.Request() as request:
                        await self._promise_to_read()
                    case h11.Data(data=data):
                        body += data
                        if request is not None and len(body) > ORDER_BYTES_MAX:
                            return request, None
                    case h11.EndOfMessage() if request is not None:
                        return request, body
                    case h11.NEED_DATA:
                        self._http.receive_data(await self._stream.receive_some(_READ_BYTES))
                        limit.deadline = min(limit.deadline, trio.current_time() + ADMIN_HEAD_S)
                    case _:
                        return None
        return None

    async def _promise_to_read(self) -> None:
        """The client may wait for our word before it sends the body (RFC 9110, 10.1.1)."""
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._stream.send_all(self._http.send(go_on) or b"")

    async def _send(self, reply: AdminAnswer, *, without_body: bool) -> None:
        fields = [
            ("Content-Type", reply.content_type),
            ("Server", f"lbmesh/{__version__}"),
            ("Cache-Control", "no-store"),
            *reply.extra_fields,
        ]
        if self._http.their_state is not h11.DONE:
            fields.append(("Connection", "close"))
        reason = HTTPStatus(reply.status).phrase.encode()
        await self._write(h11.Response(status_code=reply.status, headers=fields, reason=reason))
        if not without_body:
            await self._send_body(reply.body)
        await self._write(h11.EndOfMessage())

    async def _send_body(self, chunks: Iterable[bytes]) -> None:
        began = monotonic()
        for chunk in chunks:
            await self._write(h11.Data(data=chunk))
            if monotonic() - began > SLICE_S:
                await trio.lowlevel.checkpoint()
                began = monotonic()

    async def _write(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        if data := self._http.send(event):
            await self._stream.send_all(data)


def _admin_request(request: h11.Request, body: bytes | None) -> AdminRequest:
    fields = {name: value.decode("latin-1") for name, value in reversed(request.headers)}
    return AdminRequest(
        request.method.decode("ascii"),
        request.target.decode("latin-1"),
        authorization=fields.get(b"authorization", ""),
        content_type=fields.get(b"content-type", ""),
        origin=fields.get(b"origin", ""),
        body=body,
    )
