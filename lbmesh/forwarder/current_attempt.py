"""What those who judge or follow up an exchange's attempt ask of the exchange."""

from typing import Protocol

from lbmesh.forward.failure import Failure, Stage
from lbmesh.forwarder.client_side import ClientSide
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.upstream import UpstreamConnection


class CurrentAttempt(Protocol):
    """An exchange, and the attempt that it has out: at which replica, over which connection, since when (monotonic
    seconds), how far it has come.
    """

    @property
    def client(self) -> ClientSide: ...
    @property
    def replica(self) -> ReplicaState | None: ...
    @property
    def upstream(self) -> UpstreamConnection | None: ...
    @property
    def attempt_began(self) -> float: ...
    @property
    def stage(self) -> Stage: ...

    def fail(self, failure: Failure, detail: str) -> None:
        """No replica has it, and none will."""
