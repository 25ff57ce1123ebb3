"""A response's body on its way to the client: passed on as it comes, and counted.

A response that is here whole when its head is read has none: it goes out with its head.
"""

from time import monotonic
from typing import Protocol

from lbmesh.forward.failure import BAD_RESPONSE, CLIENT_SLOW, UPSTREAM_CLOSED, Failure
from lbmesh.forwarder.client_side import ClientSide
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.framing import BodyReader
from lbmesh.forwarder.pace import Pace, begin_pace
from lbmesh.http1.message import UNTIL_CLOSE


class Recipient(Protocol):
    """The exchange that the body belongs to. `bytes_out`: of the body, so far."""

    bytes_out: int

    @property
    def active(self) -> bool: ...
    @property
    def client(self) -> ClientSide: ...

    def expect_progress(self) -> None:
        """Something moved: the phase the exchange is in goes on."""

    def complete(self, *, clean: bool, now: float) -> None:
        """The response is whole. `clean`: nothing came after it, so that the connection may serve again."""

    def attempt_failed(self, failure: Failure, detail: str) -> None:
        """The replica did not keep to what it began."""

    def give_up(self, failure: Failure, detail: str) -> None:
        """The client is to blame."""


class ResponseBody:
    """A body that follows its head. `began`: when its head went out, monotonic seconds.

    `pace`: what the client must keep up, from when it first takes some of what had waited.
    """

    __slots__ = ("_engine", "_exchange", "_length", "_reader", "began", "pace")

    def __init__(self, exchange: Recipient, engine: Engine, length: int, *, payload_only: bool) -> None:
        self._exchange = exchange
        self._engine = engine
        self._length = length
        self._reader = BodyReader(length, payload_only=payload_only)
        self.began = monotonic()
        self.pace: Pace | None = None

    def pass_on(self, data: bytes) -> None:
        """A piece for the client."""
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
        if self._length == UNTIL_CLOSE:
            self._exchange.complete(clean=False, now=monotonic())
        else:
            self._exchange.attempt_failed(UPSTREAM_CLOSED, "the replica closed the connection within the body")

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
