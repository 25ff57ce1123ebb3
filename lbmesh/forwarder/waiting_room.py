"""Where a service's requests wait for a place, in one forwarder, and are let in as places are freed."""

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from lbmesh.forward.admission import WaitingList
from lbmesh.forward.retry import RetryBudget
from lbmesh.forwarder.reactor import Reactor
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.model.restraint import ServiceLimits


class Waiting(Protocol):
    """A request that waits."""

    def on_crash(self) -> None:
        """Be ended by a bug of ours."""

    def enter_service(self) -> bool:
        """Leave the room and go to a replica, or fail; False, and nothing happens, when no replica has room."""


FREED_MAX = 64
"""Replicas remembered that have had a place freed while requests wait: more than the batch that frees them lets in."""


class WaitingRoom:
    """Lets requests in from the reactor's next round on, so that one that fails at once frees no place within another's
    step.

    `admits`: a new request goes past the room while fewer than so many are active; 0 while anybody waits.
    `active_max`: how many may be active, at most `limits.active`.
    """

    urgent = True

    __slots__ = (
        "_budget",
        "_entering",
        "_freed",
        "_list",
        "_reactor",
        "_will_look",
        "active_max",
        "admits",
        "limits",
    )

    def __init__(self, budget: RetryBudget) -> None:
        self._budget = budget
        self._list: WaitingList[Waiting] = WaitingList(ServiceLimits())
        self._reactor: Reactor | None = None
        self._entering: Waiting | None = None
        self._freed: deque[ReplicaState] = deque(maxlen=FREED_MAX)
        self._will_look = False
        self.set_limits(ServiceLimits(), ServiceLimits().active)

    def __len__(self) -> int:
        return len(self._list)

    def set_limits(self, limits: ServiceLimits, active_max: int) -> None:
        """Take over limits; who waits already is looked at again."""
        self.limits = self._list.limits = limits
        self.set_active_max(active_max)

    def set_active_max(self, active_max: int) -> None:
        """Let so many be active at a time."""
        self.active_max = active_max
        if self._list:
            self.look()
        else:
            self.admits = active_max

    def has_room(self, replica: ReplicaState) -> bool:
        """May another request go to this replica now?"""
        if replica.in_flight >= self.limits.replica_connections:
            return False
        return bool(replica.idle) or replica.connecting < self.limits.connecting

    def enter(self, request: Waiting, reactor: Reactor) -> bool:
        """Wait; False when the room is full."""
        self._reactor = reactor
        if not self._list.enter(request, reactor.now):
            return False
        self.admits = 0
        return True

    def leave(self, request: Waiting) -> None:
        """Give the place in the queue back."""
        self._list.leave(request)
        if not self._list:
            self.admits = self.active_max
            self._freed.clear()

    def freed(self) -> Iterator[ReplicaState]:
        """The replicas that have had a place freed while requests wait, the first one first; each is given once."""
        while self._freed:
            yield self._freed.popleft()

    def look(self, freed: ReplicaState | None = None) -> None:
        """A place may be free, at this replica if it is known: let somebody in soon."""
        if not self._list:
            return
        if freed is not None:
            self._freed.append(freed)
        if not self._will_look:
            self._will_look = True
            assert self._reactor is not None
            self._reactor.again(self)

    def on_ready(self, events: int) -> None:
        """Let in as many as there is room for."""
        del events
        self._will_look = False
        assert self._reactor is not None
        while self._list and self._budget.active < self.active_max:
            self._entering = self._list.next(self._reactor.now)
            if not self._entering.enter_service():
                break
        self._entering = None

    def on_crash(self) -> None:
        """A bug in letting a request in ends that request; the others are looked at again."""
        crashed, self._entering = self._entering, None
        self.look()
        if crashed is not None:
            self._list.leave(crashed)
            crashed.on_crash()
