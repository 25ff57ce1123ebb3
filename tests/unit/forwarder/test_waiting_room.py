"""Who waits is let in when more may be active, in turn, and a bug about one of them holds up nobody else."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from lbmesh.forward.retry import RetryBudget
from lbmesh.forwarder.reactor import Reactor
from lbmesh.forwarder.service_state import SUSPENDED_S
from lbmesh.forwarder.waiting_room import WaitingRoom
from lbmesh.model.restraint import ServiceLimits
from lbmesh.model.traffic import TrafficPolicy
from tests.support.stepped import stepped_forwarder


class Request:
    """One that waits. `entered`: it has its place. `crashed`: it was ended by a bug, which it has if `has_bug`."""

    def __init__(self, room: WaitingRoom, budget: RetryBudget, *, has_bug: bool = False) -> None:
        self.entered = self.crashed = False
        self._room = room
        self._budget = budget
        self._has_bug = has_bug

    def enter_service(self) -> bool:
        if self._has_bug:
            raise RuntimeError("a bug")
        self._room.leave(self)
        self._budget.begun += 1
        self.entered = True
        return True

    def on_crash(self) -> None:
        self.crashed = True


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor(lambda: None)
    yield reactor
    reactor.close_all()


def a_full_service() -> tuple[WaitingRoom, RetryBudget]:
    """One request is active, and no more may be."""
    budget = RetryBudget()
    room = WaitingRoom(budget)
    room.set_limits(ServiceLimits(), 1)
    budget.begun = 1
    return room, budget


def test_who_waits_goes_before_who_comes_when_more_may_be_active(reactor: Reactor) -> None:
    room, budget = a_full_service()
    requests = [Request(room, budget) for _ in range(3)]
    for request in requests:
        assert room.enter(request, reactor)
    room.set_active_max(3)
    assert room.admits == 0
    reactor.drain()
    assert [request.entered for request in requests] == [True, True, False]
    assert (budget.active, room.admits) == (3, 0)
    room.set_active_max(4)
    reactor.drain()
    assert (budget.active, room.admits, len(room)) == (4, 4, 0)


def test_a_bug_in_letting_one_in_ends_that_one_and_the_others_enter(reactor: Reactor) -> None:
    room, budget = a_full_service()
    faulty, other = Request(room, budget, has_bug=True), Request(room, budget)
    for request in (faulty, other):
        assert room.enter(request, reactor)
    budget.ended = budget.begun
    room.look()
    with capture_logs() as lines:
        while not reactor.drain():
            continue
    assert [line["log_level"] for line in lines] == ["error"]
    assert faulty.crashed
    assert other.entered
    assert (len(room), room.admits) == (0, 1)


def test_who_waits_is_let_in_when_a_replica_that_was_left_out_comes_back() -> None:
    with stepped_forwarder(2, TrafficPolicy(limits=ServiceLimits(replica_connections=1))) as forwarder:
        full, left_out = forwarder.replicas
        forwarder.ask_at(full)
        now = forwarder.engine.reactor.now
        forwarder.service.suspend(forwarder.state_of(left_out), now)
        forwarder.ask()
        forwarder.step()
        assert (len(forwarder.service.room), left_out.requests) == (1, 0)
        for _ in forwarder.engine.tick(now + SUSPENDED_S):
            continue
        forwarder.reached(left_out)
