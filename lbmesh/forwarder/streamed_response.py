"""A response that does not go out in one piece with its head: its body is passed on as it comes, and counted.

So are those that end their client's connection, that go to an HTTP/1.0 client, and that come ahead of the end of their
request.
"""

from time import monotonic
from typing import Protocol

from lbmesh.forward.failure import BAD_RESPONSE, CLIENT_SLOW, UPSTREAM_CLOSED, Failure
from lbmesh.forwarder.client_side import ClientSide
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.framing import BodyReader
from lbmesh.forwarder.pace import Pace, begin_pace
from lbmesh.forwarder.request_body import RequestBody
from lbmesh.http1.message import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from lbmesh.http1.response_rewrite import rewrite_for_client, via


class Recipient(Protocol):
    """The exchange that the response belongs to. `bytes_out`: of the body, so far. `began`: monotonic seconds."""

    bytes_out: int

    @property
    def active(self) -> bool: ...
    @property
    def began(self) -> float: ...
    @property
    def client(self) -> ClientSide: ...
    @property
    def head(self) -> RequestHead: ...

    def expect_progress(self) -> None:
        """Something moved: the phase the exchange is in goes on."""

    def complete(self, *, clean: bool, now: float) -> None:
        """The response is whole. `clean`: nothing came after it, so that the connection may serve again."""

    def attempt_failed(self, failure: Failure, detail: str) -> None:
        """The replica did not keep to what it began."""

    def give_up(self, failure: Failure, detail: str) -> None:
        """The client is to blame."""


class StreamedResponse:
    """`first_byte_s`: from the request to when this response's head was out; None before.

    `pace`: what the client must keep up, from when it first takes some of what had waited.
    """

    __slots__ = (
        "_engine",
        "_exchange",
        "_head",
        "_keep_alive",
        "_reader",
        "_rest",
        "_unframed",
        "first_byte_s",
        "pace",
    )

    def __init__(
        self,
        exchange: Recipient,
        engine: Engine,
        head: ResponseHead,
        *,
        keep_alive: bool,
        unread: RequestBody | None,
    ) -> None:
        """`keep_alive`: what the request allows. `unread`: its body, when that has not come whole."""
        self._exchange = exchange
        self._engine = engine
        self._head = head
        self._unframed = head.body_length == CHUNKED and exchange.head.minor_version == 0
        self._keep_alive = keep_alive and head.body_length != UNTIL_CLOSE and not self._unframed
        self._rest: BodyReader | None = None
        if unread is not None and self._keep_alive:
            self._rest = unread.rest_to_discard(exchange.head)
            self._keep_alive = self._rest is not None
        self._reader = BodyReader(head.body_length, payload_only=self._unframed)
        self.first_byte_s: float | None = None
        self.pace: Pace | None = None

    def send_head(self) -> None:
        """The body is to follow, unless the client turns out to be gone."""
        exchange, head = self._exchange, self._head
        exchange.client.write(
            rewrite_for_client(
                head.head,
                via=via(head.minor_version),
                minor_version=exchange.head.minor_version,
                keep_alive=self._keep_alive,
                without_framing=self._unframed,
            )
        )
        if exchange.active:
            self.first_byte_s = monotonic() - exchange.began

    def pass_on(self, data: bytes) -> None:
        """A piece of the body for the client."""
        exchange, reader = self._exchange, self._reader
        piece = reader.take(data)
        if piece:
            exchange.bytes_out += len(piece)
            exchange.expect_progress()
            exchange.client.write(piece)
            if not exchange.active:
                return
        if reader.fault:
            exchange.attempt_failed(BAD_RESPONSE, reader.fault)
        elif reader.done:
            exchange.complete(clean=not reader.rest, now=monotonic())

    def ended(self) -> None:
        """The replica closed the connection in the middle of the body, which ends it only if nothing else does."""
        if self._head.body_length == UNTIL_CLOSE:
            self._exchange.complete(clean=False, now=monotonic())
        else:
            self._exchange.attempt_failed(UPSTREAM_CLOSED, "the replica closed the connection within the body")

    # The client

    def client_took(self, window_s: float) -> bool:
        """The client took some of what had waited. False: that was too slow, and the exchange has ended for it."""
        if self.pace is None:
            self.pace = begin_pace(self._engine, window_s, self._taken())
            return True
        return not self.pace.is_due or self.keeps_pace()

    def keeps_pace(self) -> bool:
        """See `Paced`. A client for which nothing waits is not to blame, nor one that has just come to be behind."""
        pace, client = self.pace, self._exchange.client
        assert pace is not None
        if not client.outgoing or client.behind_since > self._engine.reactor.now - pace.window_s:
            pace.excuse()
        if pace.is_kept(self._taken()):
            return True
        self._exchange.give_up(CLIENT_SLOW, "the client takes the response too slowly")
        return False

    def _taken(self) -> int:
        """Bytes of the body that the client's kernel has confirmed, give or take the head."""
        return self._exchange.bytes_out - self._exchange.client.unacknowledged()

    def release(self, client: ClientSide) -> None:
        """The exchange is over: the connection goes on where it may, behind what is left of the request."""
        if not self._keep_alive:
            client.finish_and_close()
        elif self._rest is None or self._rest.done:
            client.next_request()
        else:
            client.discard(self._rest)
