"""A request's body on its way to the replica: passed on as it comes, as far as it is taken, and never collected."""

from time import monotonic
from typing import Protocol

from lbmesh.forward.early_response import rest_can_be_discarded
from lbmesh.forward.failure import BAD_BODY, BODY_TOO_LARGE, CLIENT_CLOSED, CLIENT_SLOW, Failure
from lbmesh.forwarder.client_side import ClientSide
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.framing import BodyReader
from lbmesh.forwarder.pace import Pace, begin_pace
from lbmesh.forwarder.upstream import UpstreamConnection
from lbmesh.http1.message import RequestHead
from lbmesh.model.limits import READS_PER_STEP, REPLAY_BYTES_MAX, STEP_S
from lbmesh.routing.rules import BODY_BYTES_MAX


class Sender(Protocol):
    """The exchange that the body belongs to. `bytes_in`: of the body, so far. `request_read`: all of it is here."""

    bytes_in: int
    request_read: bool
    client: ClientSide

    @property
    def active(self) -> bool: ...
    @property
    def head(self) -> RequestHead: ...

    def expect_progress(self) -> None:
        """Something moved: the phase the exchange is in begins, or goes on."""

    def give_up(self, failure: Failure, detail: str) -> None:
        """The client is to blame: there is nothing to try again."""


def take_small_body(client: ClientSide, length: int) -> bytes:
    """A small body that is already here whole, out of the client's buffer: it travels with its head, and can be sent
    again. b"" of any other.
    """
    if not 0 < length <= min(len(client.buffer), REPLAY_BYTES_MAX):
        return b""
    body, client.buffer = client.buffer[:length], client.buffer[length:]
    return body


class RequestBody:
    """A body that does not travel with its head. `has_begun`: some of it went on, so that it cannot be sent again.
    `pace`: what the client must keep up, once its head has gone on.
    """

    __slots__ = ("_bytes_max", "_engine", "_exchange", "_reader", "_upstream", "has_begun", "pace")

    def __init__(self, exchange: Sender, engine: Engine, length: int) -> None:
        self._exchange = exchange
        self._engine = engine
        self._upstream: UpstreamConnection | None = None
        self._reader = BodyReader(length)
        self._bytes_max = BODY_BYTES_MAX
        self.has_begun = False
        self.pace: Pace | None = None

    def limit(self, bytes_max: int) -> None:
        """Have no more than the route allows. One with a Content-Length was judged by that already."""
        if bytes_max < BODY_BYTES_MAX:
            self._bytes_max = bytes_max
            self._reader.counts_content = True

    def follow_head(self, upstream: UpstreamConnection, window_s: float) -> None:
        """The head is on its way to the replica, over this connection: now the client must send.

        A client that waits for 100 is sent it from here, when the replica knows none (RFC 9110 §10.1.1).
        """
        exchange = self._exchange
        self._upstream = upstream
        self.pace = begin_pace(self._engine, window_s, 0)
        exchange.expect_progress()
        demands = exchange.head.demands
        if demands is not None and demands.expects_continue and upstream.replica.speaks_http_1_0:
            exchange.client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if exchange.active:
            self.pump()

    def pump(self) -> None:
        """Pass on what has come, as far as the replica takes it."""
        exchange, upstream = self._exchange, self._upstream
        assert upstream is not None
        client = exchange.client
        began = monotonic()
        for _ in range(READS_PER_STEP):
            if exchange.request_read or upstream.outgoing:
                return
            if client.buffer:
                data, client.buffer = client.buffer, b""
            elif not client.readable:
                client.acknowledge()
                return
            else:
                received = client.receive()
                if received is None:
                    return
                if not received:
                    exchange.give_up(CLIENT_CLOSED, "the client closed before the end of its request")
                    return
                data = received
            self._pass_on(data, upstream)
            if upstream.closed:
                return
            if monotonic() - began > STEP_S:
                break
        self._engine.reactor.again(client)

    def _pass_on(self, data: bytes, upstream: UpstreamConnection) -> None:
        """One piece to the replica; what follows the body goes back to the client's buffer."""
        exchange, reader = self._exchange, self._reader
        piece = reader.take(data)
        if reader.fault:
            exchange.give_up(BAD_BODY, reader.fault)
            return
        self.has_begun = True
        exchange.bytes_in += len(piece)
        if reader.content_bytes > self._bytes_max:
            exchange.give_up(BODY_TOO_LARGE, f"a request body of more than {self._bytes_max} bytes")
            return
        pace = self.pace
        if pace is not None and pace.is_due and not self.keeps_pace():
            return
        if reader.done:
            exchange.request_read = True
            exchange.client.buffer = reader.rest
        exchange.expect_progress()
        if piece:
            upstream.write(piece)
            if upstream.outgoing and pace is not None:
                pace.excuse()

    def keeps_pace(self) -> bool:
        """See `Paced`. While the replica takes nothing, the client is not to blame."""
        pace, upstream = self.pace, self._upstream
        assert pace is not None
        assert upstream is not None
        if upstream.outgoing:
            pace.excuse()
        if pace.is_kept(self._exchange.bytes_in):
            return True
        self._exchange.give_up(CLIENT_SLOW, "the client sends its request too slowly")
        return False

    def rest_to_discard(self, head: RequestHead) -> BodyReader | None:
        """Of a request that is answered already: what reads the rest, None when that is not worth it or never ends."""
        reader = self._reader
        is_worth_it = rest_can_be_discarded(head, missing_bytes=reader.missing, body_begun=self.has_begun)
        return reader if is_worth_it else None
