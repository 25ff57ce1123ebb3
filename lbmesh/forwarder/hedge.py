"""A second attempt at another replica while the first is out: the first answer wins, the other is dropped.

Only for what may be repeated (idempotent, and all of it here), once a request, and within the service's budget. The
loser's connection is closed, since an answer that nobody waits for will come on it; its replica has failed nothing.
"""

from time import monotonic
from typing import Protocol

from lbmesh.forward.failure import BAD_RESPONSE, STALE, Failure
from lbmesh.forward.retry import IDEMPOTENT_METHODS
from lbmesh.forwarder.connection_taking import take_connection
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.hedge_timer import Hedged, HedgeTimer
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.service_watch import ServiceWatch
from lbmesh.forwarder.upstream import Asker, Receiver, UpstreamConnection
from lbmesh.http1.message import RequestHead, ResponseHead


class Owner(Protocol):
    """Who made the hedge."""

    def take_hedge(self, hedge: "Hedge", *, has_won: bool = False) -> None:
        """The hedge's attempt is the exchange's own from now on."""

    def hedge_connected(self) -> None:
        """The hedge's connection was made."""

    def hedge_failed(self, replica: ReplicaState, failure: Failure | None) -> None:
        """Nothing will come of the hedge; None when that is nobody's fault."""


class Planned(Hedged, Protocol):
    """The exchange before its first attempt. `request_read`: all of the request is here."""

    @property
    def head(self) -> RequestHead: ...
    @property
    def request_read(self) -> bool: ...


class Hedge:
    """The second attempt. It is the Requester of its connection until it wins. `sent`: bytes of the request are out.
    `connect_s`: how long its connection took to be made, None when it was there.
    """

    __slots__ = ("_exchange", "_owner", "began", "connect_s", "replica", "sent", "upstream")

    def __init__(self, exchange: Asker, owner: Owner, replica: ReplicaState) -> None:
        self._exchange = exchange
        self._owner = owner
        self.replica = replica
        self.began = monotonic()
        self.sent = False
        self.connect_s: float | None = None
        self.upstream: UpstreamConnection | None = None

    @property
    def request(self) -> bytes:
        """What the exchange has sent."""
        return self._exchange.request

    @property
    def head(self) -> RequestHead:
        """The exchange's."""
        return self._exchange.head

    @property
    def active(self) -> bool:
        """Does anybody wait for an answer?"""
        return self._exchange.active

    @property
    def client(self) -> Receiver:
        """The exchange's."""
        return self._exchange.client

    def begin(self, engine: Engine) -> None:
        """Send. Raises OSError when no connection can be opened."""
        self.upstream = upstream = take_connection(engine, self.replica, is_repeatable=True)
        if upstream.connecting:
            upstream.connect(self)
        else:
            upstream.send_request(self)

    def drop(self) -> None:
        """The exchange has its answer, or has ended."""
        upstream, self.upstream = self.upstream, None
        self.replica.in_flight -= 1
        if upstream is not None:
            upstream.close()

    def connected(self) -> None:
        """A connection was made."""
        self.connect_s = monotonic() - self.began
        self._owner.hedge_connected()

    def request_sent(self) -> None:
        """The first bytes are out."""
        self.sent = True

    def upstream_progress(self) -> None:
        """What had waited to be sent is out."""

    def informational(self, head: ResponseHead) -> bool:
        """Nothing is passed on before there is an answer."""
        del head
        return True

    def respond(self, head: ResponseHead, head_out: bytes, data: bytes) -> None:
        """It wins."""
        self._owner.take_hedge(self, has_won=True)
        self._exchange.respond(head, head_out, data)

    def switch_protocols(self, head: ResponseHead, head_out: bytes, data: bytes) -> None:
        """Not for a second attempt: no request that asks for another protocol is hedged."""
        del head, head_out, data
        self.attempt_failed(BAD_RESPONSE, "101 to a request that asked for no other protocol")

    def response_data(self, data: bytes) -> None:
        """The exchange itself takes the body."""

    def response_ended(self) -> None:
        """The exchange itself takes the end."""

    def attempt_failed(self, failure: Failure, detail: str) -> None:
        """It has lost."""
        del detail
        is_stale = self.upstream is not None and self.upstream.reused and failure in STALE
        self.drop()
        self._owner.hedge_failed(self.replica, None if is_stale else failure)


def plan_hedge(timer: HedgeTimer, exchange: Planned, watch: ServiceWatch, delay_s: float | None) -> None:
    """Have a second attempt made if the first is out for longer than that, and if it may be repeated."""
    watch.hedge_budget.earn()
    repeatable = exchange.request_read and exchange.head.method in IDEMPOTENT_METHODS and exchange.head.demands is None
    if delay_s is not None and repeatable:
        timer.plan(exchange, delay_s)
