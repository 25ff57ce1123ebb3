"""The forwarders that are linked, what they serve from, and what their figures say about replicas."""

from collections.abc import Set
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class ReplicaTraffic:
    """What a forwarder's newest figures add to those before: attempts that came to an end, and how many of these
    speak against the replica. `succeeded`: some requests were sent and no attempt failed.
    """

    replica: ReplicaId
    finished: int
    failed: int
    succeeded: bool


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

    def take(self, telemetry: Telemetry, now: float) -> tuple[ReplicaTraffic, ...]:
        """Note a worker's figures; what they add for each replica that had any traffic. An inventory's are
        of unknown age, and prove no more than a success.
        """
        state = self._states.get(telemetry.worker)
        if state is None or state.pid != telemetry.pid:
            return ()
        self._states[telemetry.worker] = replace(state, telemetry=telemetry, silent=False)
        self._silent_at_s[telemetry.worker] = now + SILENT_S
        known = state.replicas
        added = [_added(known.get(one.replica), one, is_new=not telemetry.is_inventory) for one in telemetry.replicas]
        known.update((one.replica, one) for one in telemetry.replicas)
        return tuple(one for one in added if one)

    def keep(self, replicas: Set[ReplicaId]) -> None:
        """Forget the figures of all others: they are no longer balanced."""
        for state in self._states.values():
            for replica in state.replicas.keys() - replicas:
                del state.replicas[replica]

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


def _added(was: ReplicaTelemetry | None, after: ReplicaTelemetry, *, is_new: bool) -> ReplicaTraffic | None:
    """Counters that fell began anew: the replica was taken out by a reload, and put back by the next."""
    is_known = was is not None or is_new
    if was is None or was.requests > after.requests:
        was = ReplicaTelemetry(after.replica, 0, 0, 0, 0, 0.0)
    finished = (after.requests - after.in_flight) - (was.requests - was.in_flight)
    failed = (after.failures + after.errors) - (was.failures + was.errors)
    succeeded = after.requests > was.requests and after.failures == was.failures
    if not is_known:
        finished = failed = 0
    if not finished and not succeeded:
        return None
    return ReplicaTraffic(after.replica, max(0, finished), max(0, failed), succeeded)
