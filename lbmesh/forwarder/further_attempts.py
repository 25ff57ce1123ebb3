"""What a request tries beyond its first attempt: another replica after a failure or instead of one that went down, and
a second one while the first is late. A request whose first attempt succeeds in time has none of this.
"""

from time import monotonic
from typing import Protocol

from lbmesh.forward.failure import STALE, Failure, Stage
from lbmesh.forwarder.attempt_outcome import blame
from lbmesh.forwarder.current_attempt import CurrentAttempt
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.failed_attempts import FailedAttempts
from lbmesh.forwarder.hedge import Hedge
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.request_body import RequestBody
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.forwarder.upstream import Asker, UpstreamConnection


class Attempting(CurrentAttempt, Asker, Protocol):
    """`attempts`: made so far. `request_body`: None of a request that is all in `request`."""

    attempts: int

    @property
    def request_body(self) -> RequestBody | None: ...

    def drop_upstream(self) -> None:
        """Close the attempt's connection; the replica is free of it."""

    def attempt_again(self, replica: ReplicaState) -> None:
        """Send the request to this replica."""

    def take_over(self, upstream: UpstreamConnection, began: float, connect_s: float | None, *, is_sent: bool) -> None:
        """Go on with the attempt that this connection carries instead of the exchange's own."""


class FurtherAttempts:
    """Of one request to one service."""

    __slots__ = ("_engine", "_exchange", "_failed", "_hedge", "_retries", "_service")

    def __init__(self, engine: Engine, exchange: Attempting, service: ServiceState, retries: int) -> None:
        """`retries`: attempts that the request may have after its first."""
        self._engine = engine
        self._exchange = exchange
        self._service = service
        self._retries = retries
        self._failed = FailedAttempts(service, exchange.head, exchange.client.peer.address)
        self._hedge: Hedge | None = None

    # After a failure

    def attempt_failed(self, failure: Failure, detail: str) -> None:
        """The exchange's attempt came to nothing: go on with the hedge, or try another replica where that is safe."""
        exchange = self._exchange
        upstream, replica, stage = exchange.upstream, exchange.replica, exchange.stage
        assert upstream is not None
        assert replica is not None
        is_stale = upstream.reused and stage is not Stage.ANSWERED and failure in STALE
        exchange.drop_upstream()
        if not is_stale:
            self._blame(replica, failure)
        self._failed.add(replica, is_stale=is_stale)
        if self._hedge is not None and stage is not Stage.ANSWERED:
            self.take_hedge(self._hedge)
            return
        other = self._failed.next_replica(
            failure, stage, body_replayable=self._is_replayable, retries_left=self._retries_left
        )
        if other is None:
            exchange.fail(failure, detail)
        else:
            exchange.attempt_again(other)

    def leave(self, fallen: ReplicaState) -> None:
        """Ask another replica than the one that is down, where that is safe and one has room."""
        exchange = self._exchange
        if self._hedge is not None:
            self.take_hedge(self._hedge)
            return
        other = self._failed.stand_in_for(
            fallen, exchange.stage, body_replayable=self._is_replayable, retries_left=self._retries_left
        )
        if other is None:
            return
        exchange.drop_upstream()
        self._service.moved += 1
        exchange.attempt_again(other)

    @property
    def _is_replayable(self) -> bool:
        """Is all that was sent of the request still here?"""
        body = self._exchange.request_body
        return body is None or not body.has_begun

    @property
    def _retries_left(self) -> int:
        return self._retries + 1 - self._exchange.attempts

    def _blame(self, replica: ReplicaState, failure: Failure) -> None:
        blame(self._engine, self._service, replica, failure, monotonic() - self._exchange.attempt_began)

    # While the first attempt is out

    def hedge(self) -> None:
        """A second attempt may answer sooner: make one, if a replica has room and the service's budget allows it."""
        service, first = self._service, self._exchange.replica
        assert service.watch is not None
        other = service.pick_with_room((first,) if first else ())
        if other is None or other is first or not service.watch.hedge_budget.spend():
            return
        service.hedges += 1
        self._exchange.attempts += 1
        self._hedge = hedge = Hedge(self._exchange, self, other)
        try:
            hedge.begin(self._engine)
        except OSError:
            self.answered()

    def take_hedge(self, hedge: Hedge, *, has_won: bool = False) -> None:
        """The second attempt takes the place of the first: it has won, or the first has failed."""
        upstream = hedge.upstream
        assert upstream is not None
        self._hedge = None
        self._service.hedges_won += has_won
        self._exchange.take_over(upstream, hedge.began, hedge.connect_s, is_sent=hedge.sent)

    def hedge_connected(self) -> None:
        """One handshake less is under way: somebody may have waited for that."""
        self._service.room.look()

    def hedge_failed(self, replica: ReplicaState, failure: Failure | None) -> None:
        """The second attempt came to nothing; the first is still out."""
        self._hedge = None
        self._service.room.look()
        self._failed.add(replica)
        if failure is not None:
            self._blame(replica, failure)

    # The end

    def answered(self) -> None:
        """The exchange's attempt has its answer: the other one is not waited for."""
        if self._hedge is not None:
            self._hedge.drop()
            self._hedge = None
            self._service.room.look()

    def end(self) -> None:
        """The request is over."""
        self.answered()
        self._failed.end()
