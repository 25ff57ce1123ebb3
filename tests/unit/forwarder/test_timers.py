"""The timer wheel: no deadline is reported early, none later than it says."""

from dataclasses import dataclass
from math import nextafter

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.forwarder.timers import NEVER, PERIOD_S, SLOTS, TICK_S, TimerWheel

START = 1000.0
EPSILON_S = 1e-6
LOOK_AHEAD_S = TICK_S * (SLOTS - 2)


@dataclass(slots=True, eq=False)
class Connection:
    deadline: float
    closed: bool = False


GAPS = st.lists(st.floats(0.001, 3.0) | st.floats(0.001, 2 * TICK_S) | st.just(20.0), min_size=1, max_size=60)
DEADLINES = st.lists(st.floats(0, 40) | st.floats(0, 1), min_size=1, max_size=10)


@given(GAPS, DEADLINES, st.booleans())
def test_a_deadline_is_never_early_and_late_by_a_period_at_most(
    gaps: list[float], delays: list[float], watched_late: bool
) -> None:
    now = START
    wheel = TimerWheel(now)
    if watched_late:
        now += gaps[0]
        wheel.expired(now)
    connections = [Connection(now + delay) for delay in delays]
    for connection in connections:
        wheel.watch(connection)
    watched_at = now
    for gap in gaps:
        now += gap
        for due in wheel.expired(now):
            assert due.deadline <= now
            due.deadline = NEVER
        overdue_from = now - PERIOD_S - TICK_S - EPSILON_S
        assert not [each for each in connections if each.deadline <= overdue_from and watched_at <= overdue_from]


@given(st.floats(0, LOOK_AHEAD_S - TICK_S), st.floats(0, TICK_S * 0.99), st.integers(0, 100))
def test_a_look_is_late_by_two_ticks_at_most(after_s: float, phase_s: float, ticks_before: int) -> None:
    """With the wheel turned each tick, and the look asked for anywhere between two ticks."""
    wheel = TimerWheel(START)
    now = START
    for _ in range(ticks_before):
        now += TICK_S
        wheel.expired(now)
    now = min(now + phase_s, nextafter((int(now / TICK_S) + 1) * TICK_S, 0))
    connection = Connection(now + after_s)
    wheel.look(connection, after_s)
    due: list[float] = []
    while not due and now < connection.deadline + 1:
        now += TICK_S
        if connection in wheel.expired(now):
            due.append(now)
    assert due
    assert connection.deadline <= due[0] <= connection.deadline + 3 * TICK_S + EPSILON_S


def test_a_look_too_far_ahead_is_left_to_the_period() -> None:
    wheel = TimerWheel(START)
    connection = Connection(START + LOOK_AHEAD_S + 1)
    wheel.look(connection, LOOK_AHEAD_S + 1)
    assert not [now for now in range(1, 60) if wheel.expired(START + now)]


@given(GAPS)
def test_what_is_closed_or_never_due_is_not_reported(gaps: list[float]) -> None:
    wheel = TimerWheel(START)
    closed, idle = Connection(START, closed=True), Connection(NEVER)
    for connection in (closed, idle):
        wheel.watch(connection)
        wheel.look(connection, 0.1)
    now = START
    for gap in gaps:
        now += gap
        assert wheel.expired(now) == []


def test_the_closed_are_forgotten_within_a_period() -> None:
    wheel = TimerWheel(START)
    connections = [Connection(NEVER) for _ in range(100)]
    for connection in connections:
        wheel.watch(connection)
    assert len(wheel.everything()) == 100
    for connection in connections[:60]:
        connection.closed = True
    assert wheel.everything() == connections[60:]
    wheel.expired(START + PERIOD_S + TICK_S)
    for connection in connections[:60]:
        connection.closed = False
    assert wheel.everything() == connections[60:]


def test_after_a_stall_each_is_reported_once() -> None:
    """Else a stall would end an exchange's every retry at once."""
    wheel = TimerWheel(START)
    connections = [Connection(START + 0.1), Connection(START + 0.2)]
    for connection in connections:
        wheel.watch(connection)
        wheel.look(connection, 0.1)
        wheel.look(connection, 0.5)
    assert wheel.expired(START + 1000) == connections


def test_time_that_stands_still_reports_nothing_again() -> None:
    wheel = TimerWheel(START)
    wheel.watch(Connection(START))
    assert len(wheel.expired(START + 2)) == 1
    assert wheel.expired(START + 2) == []
    assert wheel.expired(START + 1) == []
    assert len(wheel.expired(START + 4)) == 1
