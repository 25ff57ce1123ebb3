"""What comes of an exchange that takes too long: whose failure it is depends on the phase that it is in."""

from time import monotonic
from typing import NamedTuple, Protocol

from lbmesh.forward.failure import (
    CLIENT_IDLE,
    CONNECT_TIMEOUT,
    QUEUE_TIMEOUT,
    REQUEST_TIMEOUT,
    RESPONSE_TIMEOUT,
    UPSTREAM_IDLE,
    Failure,
    Fault,
    Stage,
)
from lbmesh.forwarder.attempt_outcome import blame
from lbmesh.forwarder.current_attempt import CurrentAttempt
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.pace import Paced
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.model.traffic import Timeouts

REQUEST_TIMEOUT_SLACK_S = 0.001
"""A deadline met so much too early is met."""


class Late(CurrentAttempt, Protocol):
    """`waiting`: for a place at its service. `request_read`: the whole request came from the client."""

    waiting: bool
    request_read: bool

    def attempt_failed(self, failure: Failure, detail: str) -> None:
        """The replica is to blame: another one may be tried."""

    def give_up(self, failure: Failure, detail: str) -> None:
        """There is nothing to try again."""


def meet_deadline(
    engine: Engine,
    exchange: Late,
    service: ServiceState,
    timeouts: Timeouts,
    ends_at: float | None,
    body: Paced | None,
) -> float | None:
    """A deadline of the exchange is over. Seconds to the next one where it may go on, else None, and it has failed.

    `ends_at`: when the whole request must be over (reactor's seconds). `body`: the one under way.
    """
    if exchange.waiting:
        exchange.fail(QUEUE_TIMEOUT, "no place was free in time")
        return None
    now = engine.reactor.now
    if ends_at is not None and ends_at - now < REQUEST_TIMEOUT_SLACK_S:
        _end_request(engine, exchange, service, timeouts)
        return None
    pace = body.pace if body is not None else None
    if body is not None and pace is not None and pace.silent_at > now:
        return min(pace.due, pace.silent_at) - now if not pace.is_due or body.keeps_pace() else None
    _end_phase(exchange)
    return None


def _end_request(engine: Engine, exchange: Late, service: ServiceState, timeouts: Timeouts) -> None:
    """The time for the whole request is over: no other attempt, whoever was slow."""
    replica = exchange.replica
    if replica is not None and exchange.request_read and not exchange.client.outgoing:
        blame(engine, service, replica, REQUEST_TIMEOUT, monotonic() - exchange.attempt_began)
    exchange.give_up(REQUEST_TIMEOUT, f"not over within {timeouts.request_s:g} s")


def _end_phase(exchange: Late) -> None:
    upstream = exchange.upstream
    assert upstream is not None
    failure, detail = overdue(
        Phase(
            connecting=upstream.connecting,
            responding=exchange.stage is Stage.ANSWERED,
            client_behind=bool(exchange.client.outgoing),
            replica_behind=bool(upstream.outgoing),
            request_read=exchange.request_read,
        )
    )
    if failure.fault is Fault.CLIENT:
        exchange.give_up(failure, detail)
    else:
        exchange.attempt_failed(failure, detail)


class Phase(NamedTuple):
    """`connecting`: to the replica. `responding`: the response's head is here. `client_behind`: the client has not
    taken all that came of it. `replica_behind`: the replica has not taken all that came of the request.
    `request_read`: all of it came.
    """

    connecting: bool
    responding: bool
    client_behind: bool
    replica_behind: bool
    request_read: bool


def overdue(phase: Phase) -> tuple[Failure, str]:
    """The failure, and what to say of it."""
    if phase.connecting:
        return CONNECT_TIMEOUT, "the replica did not accept the connection in time"
    if phase.responding:
        if phase.client_behind:
            return CLIENT_IDLE, "the client did not take the response"
        return UPSTREAM_IDLE, "the replica stopped within its response"
    if phase.replica_behind:
        return UPSTREAM_IDLE, "the replica did not take the request"
    if phase.request_read:
        return RESPONSE_TIMEOUT, "the replica did not answer in time"
    return CLIENT_IDLE, "the client stopped within its request"
