"""The forwarders that are linked, what they serve from, and what their figures say about replicas."""

from dataclasses import replace
from math import inf

from lbmesh.control.link import ReplicaTelemetry, Telemetry
from lbmesh.control.state import ForwarderState
from lbmesh.model.service import ReplicaId
from lbmesh.model.view import ViewVersion

SILENT_S = 3.0
"""A forwarder sends its figures each second; one that has said nothing for so long is taken for frozen."""

LATE_S = 0.2
"""A deadline kept later than this means that this agent itself stood still: the forwarders' words may wait unread."""

SECOND_LOOK_S = 1.0
"""Until that deadline is judged once more."""


class Forwarders:
    """Linked forwarders by worker. A worker's newest link counts; the end of an older one changes nothing."""

    def __init__(self) -> None:
        self._states: dict[int, ForwarderState] = {}
        self._silent_at_s: dict[int, float] = {}

    def link(self, worker: int, pid: int, now: float) -> None:
        """A link to the worker's process stands."""
        self._states[worker] = ForwarderState(worker, pid, now)
        self._silent_at_s[worker] = now + SILENT_S

    def unlink(self, worker: int, pid: int) -> None:
        """The link to this process broke."""
        state = self._states.get(worker)
        if state is not None and state.pid == pid:
            del self._states[worker], self._silent_at_s[worker]

    def view(self, worker: int, version: ViewVersion) -> None:
        """The worker serves from this View."""
        state = self._states.get(worker)
        if state is not None:
            self._states[worker] = replace(state, viewed=version)

    def take(self, telemetry: Telemetry, now: float) -> tuple[ReplicaId, ...]:
        """Note a worker's figures; the replicas that since its last ones had successes and no failure."""
        state = self._states.get(telemetry.worker)
        if state is None or state.pid != telemetry.pid:
            return ()
        before = {one.replica: one for one in state.telemetry.replicas} if state.telemetry else {}
        self._states[telemetry.worker] = replace(state, telemetry=telemetry, silent=False)
        self._silent_at_s[telemetry.worker] = now + SILENT_S
        return tuple(one.replica for one in telemetry.replicas if _only_succeeded(before.get(one.replica), one))

    def judge(self, now: float) -> tuple[ForwarderState, ...]:
        """The forwarders that have just been found silent."""
        found = []
        for worker, silent_at_s in self._silent_at_s.items():
            if now - silent_at_s > LATE_S:
                self._silent_at_s[worker] = now + SECOND_LOOK_S
            elif now >= silent_at_s:
                self._silent_at_s[worker] = inf
                self._states[worker] = replace(self._states[worker], silent=True)
                found.append(self._states[worker])
        return tuple(found)

    def next_deadline(self) -> float:
        """When `judge` is due; infinite when never."""
        return min(self._silent_at_s.values(), default=inf)

    def is_silent(self, worker: int) -> bool:
        """True while the worker is taken for frozen."""
        state = self._states.get(worker)
        return state is not None and state.silent

    def states(self) -> tuple[ForwarderState, ...]:
        """All linked forwarders, by worker."""
        return tuple(self._states[worker] for worker in sorted(self._states))


def _only_succeeded(before: ReplicaTelemetry | None, after: ReplicaTelemetry) -> bool:
    requests, failures = (before.requests, before.failures) if before else (0, 0)
    return after.requests > requests and after.failures == failures
