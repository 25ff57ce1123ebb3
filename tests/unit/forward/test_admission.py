"""Waiting for a place: bounded, in order while the queue empties, newest first once it stands."""

from lbmesh.forward.admission import STANDING_S, WaitingList
from lbmesh.model.restraint import ServiceLimits


def a_list(pending: int = 3) -> WaitingList[str]:
    return WaitingList(ServiceLimits(pending=pending))


def take(waiting: WaitingList[str], now_s: float) -> str:
    one = waiting.next(now_s)
    waiting.leave(one)
    return one


def test_a_burst_is_served_in_the_order_it_came_in() -> None:
    waiting = a_list()
    for name in "abc":
        assert waiting.enter(name, 1.0)
    assert [take(waiting, 1.0 + STANDING_S / 2) for _ in "abc"] == ["a", "b", "c"]


def test_a_queue_that_stands_is_served_newest_first() -> None:
    waiting = a_list()
    waiting.enter("a", 1.0)
    waiting.enter("b", 1.1)
    assert take(waiting, 1.01 + STANDING_S) == "b"


def test_a_queue_that_was_empty_meanwhile_does_not_stand() -> None:
    waiting = a_list()
    waiting.enter("a", 1.0)
    take(waiting, 1.05)
    waiting.enter("b", 1.08)
    waiting.enter("c", 1.09)
    assert take(waiting, 1.07 + STANDING_S) == "b"


def test_no_more_wait_than_may() -> None:
    waiting = a_list(pending=1)
    assert waiting.enter("a", 1.0)
    assert not waiting.enter("b", 1.0)
    assert len(waiting) == 1
    waiting.leave("a")
    assert waiting.enter("b", 1.0)


def test_who_never_waited_may_leave() -> None:
    waiting = a_list()
    waiting.enter("a", 1.0)
    waiting.leave("b")
    assert take(waiting, 1.0) == "a"


def test_a_lower_bound_sends_nobody_away_who_waits_already() -> None:
    waiting = a_list()
    waiting.enter("a", 1.0)
    waiting.enter("b", 1.0)
    waiting.limits = ServiceLimits(pending=1)
    assert not waiting.enter("c", 1.0)
    assert len(waiting) == 2
