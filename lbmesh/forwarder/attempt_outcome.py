"""What comes of an attempt, put down to its replica: in its latency, its counters, and by word to the agent."""

from lbmesh.forward.failure import CONNECT_FAILURES, STATUSES_OF_LOAD, STATUSES_OF_REQUESTS, Failure
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.http1.message import ResponseHead
from lbmesh.http1.retry_after import retry_after_s


def observe_refusal(head: ResponseHead, service: ServiceState, replica: ReplicaState, seconds: float) -> None:
    """An answer that may speak against the replica, or of its load (429 and 503: RFC 6585 §4, RFC 9110 §15.6.4)."""
    status = head.status
    replica.has_answered = True
    if status >= 500:
        replica.responses_5xx += 1
    if status in STATUSES_OF_REQUESTS or 429 < status < 500:
        replica.observe_latency(seconds)
        return
    if status >= 500:
        replica.errors += 1
    rest_s = retry_after_s(head.head) if status in STATUSES_OF_LOAD else 0.0
    replica.observe_failure(seconds, service.siblings_latency_s(replica), rest_s)


def blame(engine: Engine, service: ServiceState, replica: ReplicaState, failure: Failure, seconds: float) -> None:
    """Count a failure after so long against a replica and tell the agent."""
    replica.failures += 1
    replica.observe_failure(seconds, service.siblings_latency_s(replica))
    if failure in CONNECT_FAILURES:
        service.suspend(replica, engine.reactor.now)
    engine.report_failure(replica, failure.reason)


def observe_given_up(service: ServiceState, replica: ReplicaState, seconds: float) -> None:
    """The client had waited so long for the replica, and then did no more."""
    replica.errors += 1
    replica.observe_failure(seconds, service.siblings_latency_s(replica))
