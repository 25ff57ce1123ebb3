"""Overload told from bursts, and the kernel's queue kept as short as it can be emptied in time."""

import pytest

from lbmesh.forward.overload import BACKLOG_MIN, INTERVAL_S, STEADY_S, BacklogRule, LagWatch

FULL = 4096
TARGET_S = 0.1


def test_one_long_wait_is_no_lag_where_another_was_short() -> None:
    watch = LagWatch(0.0)
    for wait_s in (0.5, 0.002, 0.7):
        watch.observe(wait_s)
    assert watch.step(INTERVAL_S)
    assert watch.lag_s == 0.002


def test_the_least_wait_of_an_interval_is_the_lag() -> None:
    watch = LagWatch(0.0)
    watch.observe(0.5)
    watch.observe(0.4)
    assert not watch.step(INTERVAL_S / 2)
    assert watch.lag_s == 0.0
    assert watch.step(INTERVAL_S)
    assert watch.lag_s == 0.4


def test_an_interval_without_a_sample_was_idle() -> None:
    watch = LagWatch(0.0)
    watch.observe(0.5)
    watch.step(INTERVAL_S)
    assert watch.step(2 * INTERVAL_S)
    assert watch.lag_s == 0.0


def steps(rule: BacklogRule, waiting: int, limit: int, per_s: float, *times_s: float) -> list[int | None]:
    return [rule.step(waiting, limit, per_s, TARGET_S, now_s) for now_s in times_s]


def test_a_queue_that_cannot_be_emptied_in_time_is_shortened() -> None:
    assert steps(BacklogRule(FULL), 2000, FULL, 5000.0, 1.0, 1.0 + INTERVAL_S) == [None, 500]


def test_a_burst_shortens_nothing() -> None:
    rule = BacklogRule(FULL)
    assert steps(rule, 2000, FULL, 5000.0, 1.0) == [None]
    assert steps(rule, 100, FULL, 5000.0, 1.0 + INTERVAL_S) == [None]
    assert steps(rule, 2000, FULL, 5000.0, 1.0 + 2 * INTERVAL_S) == [None]


@pytest.mark.parametrize("per_s", [0.0, 10.0])
def test_the_queue_is_never_shorter_than_the_least(per_s: float) -> None:
    assert steps(BacklogRule(FULL), 2000, FULL, per_s, 1.0, 1.0 + INTERVAL_S) == [None, BACKLOG_MIN]


def test_a_queue_that_is_short_enough_is_left_alone() -> None:
    assert steps(BacklogRule(FULL), 400, 450, 5000.0, 1.0, 2.0, 3.0) == [None, None, None]


def test_a_queue_that_stays_short_gets_its_length_back() -> None:
    assert steps(BacklogRule(FULL), 0, 64, 100.0, 1.0, 1.0 + STEADY_S / 2, 1.0 + STEADY_S) == [None, None, FULL]


def test_a_queue_that_fills_again_meanwhile_does_not() -> None:
    rule = BacklogRule(FULL)
    assert steps(rule, 0, 64, 100.0, 1.0) == [None]
    assert steps(rule, 60, 64, 100.0, 1.0 + STEADY_S / 2) == [None]
    assert steps(rule, 0, 64, 100.0, 1.0 + STEADY_S) == [None]
