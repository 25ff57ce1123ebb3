"""The forwarders that are linked, what they serve from, and what their figures say about replicas."""

from dataclasses import replace

from lbmesh.control.link import ReplicaTelemetry, Telemetry
from lbmesh.control.state import ForwarderState
from lbmesh.model.service import ReplicaId
from lbmesh.model.view import ViewVersion


class Forwarders:
    """Linked forwarders by worker. A worker's newest link counts; the end of an older one changes nothing."""

    def __init__(self) -> None:
        self._states: dict[int, ForwarderState] = {}

    def link(self, worker: int, pid: int, now: float) -> None:
        """A link to the worker's process stands."""
        self._states[worker] = ForwarderState(worker, pid, now)

    def unlink(self, worker: int, pid: int) -> None:
        """The link to this process broke."""
        state = self._states.get(worker)
        if state is not None and state.pid == pid:
            del self._states[worker]

    def view(self, worker: int, version: ViewVersion) -> None:
        """The worker serves from this View."""
        state = self._states.get(worker)
        if state is not None:
            self._states[worker] = replace(state, viewed=version)

    def take(self, telemetry: Telemetry) -> tuple[ReplicaId, ...]:
        """Note a worker's figures; the replicas that since its last ones had successes and no failure."""
        state = self._states.get(telemetry.worker)
        if state is None or state.pid != telemetry.pid:
            return ()
        before = {one.replica: one for one in state.telemetry.replicas} if state.telemetry else {}
        self._states[telemetry.worker] = replace(state, telemetry=telemetry)
        return tuple(one.replica for one in telemetry.replicas if _only_succeeded(before.get(one.replica), one))

    def states(self) -> tuple[ForwarderState, ...]:
        """All linked forwarders, by worker."""
        return tuple(self._states[worker] for worker in sorted(self._states))


def _only_succeeded(before: ReplicaTelemetry | None, after: ReplicaTelemetry) -> bool:
    requests, failures = (before.requests, before.failures) if before else (0, 0)
    return after.requests > requests and after.failures == failures
