"""How often EC2 is called, over any pattern of calls and refusals."""

from random import Random

import pytest

from lbmesh.drivers.ec2.limits import BURST, PAUSE_MAX_S, PAUSE_S, RATE_PER_S, RESERVE
from lbmesh.drivers.ec2.pace import Pace


def test_a_burst_and_then_the_rate() -> None:
    pace = Pace(100.0)
    assert [pace.wait_s(100.0) for _ in range(BURST)] == [0.0] * BURST
    assert pace.wait_s(100.0) == pytest.approx(1 / RATE_PER_S)
    assert pace.wait_s(100.0 + 1 / RATE_PER_S) == 0.0


def test_looks_leave_calls_for_orders() -> None:
    pace = Pace(100.0)
    while pace.wait_s(100.0, RESERVE) == 0.0:
        pass
    assert pace.calls == pytest.approx(RESERVE)
    assert pace.wait_s(100.0) == 0.0


def test_calls_that_follow_at_once_are_counted_before() -> None:
    pace = Pace(100.0)
    assert pace.wait_s(100.0, 0.0, 3) == 0.0
    assert pace.calls == BURST - 3
    pace.calls = 1.5
    assert pace.wait_s(100.0, 0.0, 2) == pytest.approx(0.5 / RATE_PER_S)


def test_a_pause_doubles_while_refused_and_ends_with_an_answer() -> None:
    pace, now, pauses = Pace(100.0), 100.0, []
    for _ in range(8):
        pace.refused(now, 1.0)
        pauses.append(pace.paused_until_s - now)
        pace.refused(now, 1.0)
        assert pace.paused_until_s - now == pauses[-1], "of several calls that are refused together one counts"
        now = pace.paused_until_s
    assert pauses == [min(PAUSE_MAX_S, PAUSE_S * 2**number) for number in range(8)]
    pace.answered()
    pace.refused(now, 1.0)
    assert pace.paused_until_s - now == PAUSE_S


@pytest.mark.parametrize("seed", range(20))
def test_never_more_than_the_burst_and_the_rate(seed: int) -> None:
    rng, pace, now, calls = Random(seed), Pace(0.0), 0.0, 0
    for _ in range(2000):
        now += rng.expovariate(20.0)
        wait_s = pace.wait_s(now)
        assert wait_s <= PAUSE_MAX_S
        if wait_s == 0.0:
            calls += 1
            if rng.random() < 0.1:
                pace.refused(now, rng.random())
            else:
                pace.answered()
        assert calls <= BURST + now * RATE_PER_S
