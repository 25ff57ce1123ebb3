"""Whom a request has asked in vain, and whom it may ask instead. A request whose first attempt succeeds has none."""

from lbmesh.forward.failure import REPLICA_DOWN, Failure, Stage
from lbmesh.forward.retry import may_repeat
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.http1.message import RequestHead


class FailedAttempts:
    """Of one request to one service, which counts in the service's retry budget from its first costly repeat on."""

    __slots__ = ("_before", "_head", "_is_retrying", "_is_stale", "_service", "_source", "_tried")

    def __init__(self, service: ServiceState, head: RequestHead, source: str) -> None:
        """`source`: the client's address."""
        self._service = service
        self._head = head
        self._source = source
        self._tried: tuple[ReplicaState, ...] = ()
        self._before: tuple[ReplicaState, ...] = ()
        self._is_stale = self._is_retrying = False

    def add(self, replica: ReplicaState, *, is_stale: bool = False) -> None:
        """An attempt at this replica came to nothing. `is_stale`: that is nobody's fault, the pooled connection had
        just been closed. Who belongs to this replica is then to have it still.
        """
        self._before, self._is_stale = self._tried, is_stale
        if not is_stale or self._service.affinity is None:
            self._tried = (*self._tried, replica)

    def next_replica(
        self, failure: Failure, stage: Stage, *, body_replayable: bool, retries_left: int
    ) -> ReplicaState | None:
        """The replica to ask after the last failure, one not tried yet; None when nobody may be asked.

        What was not sent draws on no budget: no replica has to do it twice, and when one dies, all that was meant for
        it comes back at once.
        """
        service = self._service
        if not may_repeat(
            failure, stage, self._head.method, body_replayable=body_replayable, retries_left=retries_left
        ) or not self._is_within_budget(stage):
            return None
        other = self._pick()
        if other is None and self._is_stale:
            self._tried = self._before
            other = self._pick()
        if other is not None and not service.room.has_room(other):
            other = service.pick_with_room(self._tried)
        if other is not None and stage is Stage.SENT and not self._is_retrying:
            self._is_retrying = True
            service.budget.retrying += 1
        return other

    def _is_within_budget(self, stage: Stage) -> bool:
        return stage is Stage.NOT_SENT or self._service.budget.spend(already_retrying=self._is_retrying)

    def _pick(self) -> ReplicaState | None:
        service = self._service
        if service.affinity is None:
            other, _ = service.balancer.pick_other(self._tried)
        else:
            other, _ = service.affinity.pick_other(self._head, self._source, self._tried)
        return other

    def stand_in_for(
        self, replica: ReplicaState, stage: Stage, *, body_replayable: bool, retries_left: int
    ) -> ReplicaState | None:
        """The replica to ask instead of one that is down while its answer is waited for; None where that is not safe
        or none has room.

        It costs an attempt, but is outside the budget: the load is the service's own, and no more of it than before.
        """
        tried = (*self._tried, replica)
        other = self._service.pick_with_room(tried)
        if (
            other is None
            or other in tried
            or not may_repeat(
                REPLICA_DOWN, stage, self._head.method, body_replayable=body_replayable, retries_left=retries_left
            )
        ):
            return None
        self._tried = tried
        return other

    def end(self) -> None:
        """The request is over."""
        if self._is_retrying:
            self._service.budget.retrying -= 1
