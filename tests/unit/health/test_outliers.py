"""The statistic behind ejections: right for small numbers, and calm where replicas fail alike."""

from math import comb, exp, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.outliers import EVIDENCE_MIN, WINDOWS_S, Counts, Outlier, Tally, divergence, evidence, worst
from lbmesh.model.service import Outliers
from tests.support.planes import replica_id

LOOKS_PER_HOUR = 3600 * len(WINDOWS_S)
counted = st.integers(1, 300).flatmap(lambda finished: st.tuples(st.just(finished), st.integers(0, finished)))


def proof(own: tuple[int, int], siblings: tuple[int, int], ratio: float = 2.0) -> float:
    """Evidence from (failed, finished) of one and of its siblings."""
    return evidence(Counts(own[1], own[0]), Counts(siblings[1], siblings[0]), ratio)


@pytest.mark.parametrize(
    ("own", "siblings", "enough"),
    [
        ((21, 21), (0, 21), True),
        ((20, 20), (0, 20), False),
        ((75, 250), (2, 250), True),
        ((3, 10), (0, 10), False),
        ((50, 1000), (50, 1000), False),
        ((1000, 1000), (1000, 1000), False),
        ((20, 20), (0, 0), False),
        ((0, 500), (0, 500), False),
        ((900, 1000), (450, 1000), True),
        ((25, 25), (24, 25), False),
    ],
)
def test_how_much_is_enough(own: tuple[int, int], siblings: tuple[int, int], enough: bool) -> None:
    assert (proof(own, siblings) >= EVIDENCE_MIN) is enough


@given(counted, counted, st.sampled_from([1.0, 2.0, 5.0]))
def test_evidence_is_the_best_case_for_innocence(own: tuple[int, int], siblings: tuple[int, int], ratio: float) -> None:
    """The closed form is the least over all p of how badly p, and `ratio` times its odds, explain both counts."""

    def surprise(log_odds: float) -> float:
        p = 1 / (1 + exp(-log_odds))
        q = ratio * p / (1 + (ratio - 1) * p)
        high, low = own[1] / own[0], siblings[1] / siblings[0]
        excess = own[0] * divergence(high, q) if high > q else 0.0
        return excess + (siblings[0] * divergence(low, p) if low < p else 0.0)

    found = proof((own[1], own[0]), (siblings[1], siblings[0]), ratio)
    left, right = -15.0, 15.0
    for _ in range(60):
        third = (right - left) / 3
        if surprise(left + third) < surprise(right - third):
            right -= third
        else:
            left += third
    assert found == pytest.approx(surprise(left), abs=1e-3)


@pytest.mark.parametrize("own_finished", [12, 40])
@pytest.mark.parametrize("siblings_finished", [12, 60])
def test_replicas_that_fail_alike_are_told_apart_less_than_once_in_ten_thousand_hours(
    own_finished: int, siblings_finished: int
) -> None:
    """Exact: every pair of counts that would eject, with its probability. So also at the edge of the rule, where
    the odds are just `ratio` times the siblings'.
    """
    ejecting = [
        (own, siblings)
        for own in range(own_finished + 1)
        for siblings in range(siblings_finished + 1)
        if proof((own, own_finished), (siblings, siblings_finished)) >= EVIDENCE_MIN
    ]

    def chance(p: float, q: float) -> float:
        return sum(_binomial(own, own_finished, q) * _binomial(other, siblings_finished, p) for own, other in ejecting)

    for p in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9):
        assert chance(p, p) * LOOKS_PER_HOUR < 1e-8
        assert chance(p, 2 * p / (1 + p)) * LOOKS_PER_HOUR < 1e-4


def test_the_bound_for_all_counts_keeps_the_promise() -> None:
    assert (1 + EVIDENCE_MIN) * exp(-EVIDENCE_MIN) * LOOKS_PER_HOUR < 1e-4


def _binomial(failed: int, finished: int, p: float) -> float:
    return comb(finished, failed) * p**failed * (1 - p) ** (finished - failed)


def test_divergence() -> None:
    assert divergence(0.3, 0.3) == 0.0
    assert divergence(1.0, 0.5) == pytest.approx(log(2))
    assert divergence(0.0, 0.5) == pytest.approx(log(2))
    assert divergence(0.5, 0.0) == divergence(0.5, 1.0) == float("inf")


def test_a_tally_knows_its_windows() -> None:
    tally = Tally()
    for second in range(100, 170):
        tally.add(10, second % 2, second)
    assert tally.counts(5, 169) == Counts(50, 3, 3)
    assert tally.counts(10, 169) == Counts(100, 5, 5)
    assert tally.counts(60, 169) == Counts(600, 30, 30)
    assert tally.counts(5, 172) == Counts(20, 1, 1)
    assert tally.counts(10, 300) == tally.counts(60, 300) == Counts()


def test_figures_of_several_forwarders_in_one_second_are_one_second() -> None:
    tally = Tally()
    tally.add(10, 4, 100)
    tally.add(20, 6, 100)
    assert tally.counts(5, 100) == tally.counts(60, 100) == Counts(30, 10, 1)


def test_more_failures_than_ends_are_cut() -> None:
    tally = Tally()
    tally.add(3, 5, 1)
    assert tally.counts(5, 1) == Counts(3, 3, 1)


def pair(own_rate: float, sibling_rate: float, seconds: int, per_second: int = 50, seed: int = 1) -> Outlier | None:
    """What one window of traffic over two replicas says about them."""
    rng = Random(seed)
    bad, good = Tally(), Tally()
    for second in range(seconds):
        for tally, rate in ((bad, own_rate), (good, sibling_rate)):
            tally.add(per_second, sum(rng.random() < rate for _ in range(per_second)), second)
    both = {replica_id(1): bad, replica_id(2): good}
    return worst(both, list(both), Outliers(), seconds - 1)


def test_a_third_failing_shows_within_seconds_and_in_words() -> None:
    found = pair(0.3, 0.01, 8)
    assert found
    assert found.replica == replica_id(1)
    assert " requests failed in " in found.reason
    assert found.reason.startswith(f"{found.own.failed} of {found.own.finished} ")


def test_one_second_of_failures_is_one_event() -> None:
    bad, good = Tally(), Tally()
    for second in range(9):
        bad.add(50, 50 if second == 4 else 0, second)
        good.add(50, 0, second)
    both = {replica_id(1): bad, replica_id(2): good}
    assert worst(both, list(both), Outliers(), 8) is None


def test_a_quiet_service_is_judged_by_its_last_minute() -> None:
    bad, good = Tally(), Tally()
    for second in range(0, 58, 2):
        bad.add(1, 1, second)
        good.add(1, 0, second)
    both = {replica_id(1): bad, replica_id(2): good}
    found = worst(both, list(both), Outliers(), 57)
    assert found
    assert (found.replica, found.window_s) == (replica_id(1), 60)


def test_below_the_floor_nobody_is_ejected() -> None:
    assert pair(0.08, 0.0, 10, per_second=500) is None
    assert pair(0.16, 0.0, 10, per_second=500)


def test_the_floor_is_configurable() -> None:
    bad, good = Tally(), Tally()
    for second in range(10):
        bad.add(500, 40, second)
        good.add(500, 0, second)
    both = {replica_id(1): bad, replica_id(2): good}
    assert worst(both, list(both), Outliers(), 9) is None
    assert worst(both, list(both), Outliers(failure_percent=5), 9)


def test_a_ratio_above_the_floor_must_be_sure() -> None:
    def found(own_per_second: int, failed: int) -> Outlier | None:
        bad, good = Tally(), Tally()
        for second in range(10):
            bad.add(own_per_second, failed, second)
            good.add(2000, 0, second)
        both = {replica_id(1): bad, replica_id(2): good}
        return worst(both, list(both), Outliers(), 9)

    assert found(9, 1) is None
    assert found(8, 2)
    assert found(2700, 300)


def test_the_worst_of_several_goes_first() -> None:
    tallies = {replica_id(number): Tally() for number in range(1, 6)}
    for second in range(10):
        for number, tally in enumerate(tallies.values(), 1):
            tally.add(40, {1: 12, 2: 30}.get(number, 0), second)
    found = worst(tallies, list(tallies), Outliers(), 9)
    assert found
    assert found.replica == replica_id(2)


@pytest.mark.parametrize("rate", [0.01, 0.3, 1.0])
def test_equally_bad_ejects_none(rate: float) -> None:
    assert all(pair(rate, rate, 60, per_second=20, seed=seed) is None for seed in range(20))
