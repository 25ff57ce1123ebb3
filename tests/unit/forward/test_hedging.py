"""When a second attempt is made, and how many."""

import pytest

from lbmesh.forward.hedging import DELAY_MIN_S, SAMPLES_MAX, SAMPLES_MIN, TOKENS_MAX, HedgeBudget, HedgeDelay
from lbmesh.model.restraint import Hedging


@pytest.mark.parametrize("percent", [1, 5, 50])
def test_no_more_than_the_share_is_hedged(percent: int) -> None:
    budget = HedgeBudget(percent)
    hedged = 0
    for _ in range(10_000):
        budget.earn()
        hedged += budget.spend()
    assert hedged == pytest.approx(100 * percent, abs=2)


def test_what_quiet_times_save_up_is_bounded() -> None:
    budget = HedgeBudget(50)
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend() for _ in range(1000)) == int(TOKENS_MAX)


def test_nothing_is_hedged_before_anything_is_known() -> None:
    delay = HedgeDelay(Hedging())
    for _ in range(SAMPLES_MIN - 1):
        delay.observe(0.1)
    delay.tick()
    assert delay.delay_s is None


def test_the_delay_is_what_all_but_five_of_a_hundred_take() -> None:
    delay = HedgeDelay(Hedging())
    for number in range(200):
        delay.observe(0.5 if number % 100 >= 96 else 0.02)
    delay.tick()
    assert delay.delay_s == 0.02
    for number in range(SAMPLES_MAX):
        delay.observe(0.5 if number % 100 >= 94 else 0.02)
    delay.tick()
    assert delay.delay_s == 0.5


def test_the_delay_is_never_shorter_than_the_least() -> None:
    delay = HedgeDelay(Hedging())
    for _ in range(SAMPLES_MIN):
        delay.observe(0.00001)
    delay.tick()
    assert delay.delay_s == DELAY_MIN_S


def test_a_delay_that_is_written_stands() -> None:
    delay = HedgeDelay(Hedging(after_s=0.05))
    for _ in range(SAMPLES_MIN):
        delay.observe(9.0)
    delay.tick()
    assert delay.delay_s == 0.05
