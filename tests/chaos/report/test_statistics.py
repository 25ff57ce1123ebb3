"""Bounds against brute force and published values."""

from math import comb
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh_chaos.report.statistics import (
    Cluster,
    binomial_upper,
    clustered_upper,
    faults_upper,
    quantile,
    regularized_beta,
)


def _at_most(lost: int, sent: int, share: float) -> float:
    return sum(comb(sent, k) * share**k * (1 - share) ** (sent - k) for k in range(lost + 1))


@given(sent=st.integers(2, 60), data=st.data(), share=st.floats(0.01, 0.99))
def test_the_incomplete_beta_is_the_binomial_tail(sent: int, data: st.DataObject, share: float) -> None:
    lost = data.draw(st.integers(0, sent - 1))
    assert 1 - regularized_beta(lost + 1, sent - lost, share) == pytest.approx(_at_most(lost, sent, share), abs=1e-10)


@given(sent=st.integers(1, 200), data=st.data())
def test_at_the_bound_so_few_losses_have_a_chance_of_one_in_twenty(sent: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, sent - 1))
    assert _at_most(lost, sent, binomial_upper(lost, sent)) == pytest.approx(0.05, abs=1e-7)


@pytest.mark.parametrize(
    ("lost", "sent", "upper"),
    [(0, 10, 0.2589), (1, 10, 0.3942), (2, 10, 0.5069), (10, 10, 1.0), (0, 0, 1.0)],
)
def test_published_values(lost: int, sent: int, upper: float) -> None:
    assert binomial_upper(lost, sent) == pytest.approx(upper, abs=5e-5)


def test_the_rule_of_three() -> None:
    assert binomial_upper(0, 3_000_000) == pytest.approx(3 / 3_000_000, rel=2e-3)
    assert binomial_upper(0, 2_990_000) > 1e-6 > binomial_upper(0, 3_000_000)


def test_more_lost_than_sent_is_a_bug() -> None:
    with pytest.raises(ValueError, match="3 lost of 2"):
        binomial_upper(3, 2)


def test_losses_in_one_cluster_support_less_than_the_same_losses_spread() -> None:
    spread = [Cluster(1000, 1)] * 20
    lumped = [Cluster(1000, 20), *[Cluster(1000, 0)] * 19]
    assert clustered_upper(spread, Random(1)) == pytest.approx(0.001)
    assert clustered_upper(lumped, Random(1)) > 2 * binomial_upper(20, 20_000)


def test_the_bootstrap_covers_what_it_says() -> None:
    """Of drills whose true share is known, 95 of 100 bounds must be above it, though most faults lose nothing."""
    rng, true, covered = Random(4), 0.1 * 0.2, 0
    for _ in range(200):
        drawn = [Cluster(100, 20 if rng.random() < 0.1 else 0) for _ in range(60)]
        covered += clustered_upper(drawn, rng, draws=200) >= true
    assert covered >= 186  # 190, less two standard deviations of a fair draw


def test_the_same_seed_draws_the_same_bound() -> None:
    clusters = [Cluster(100, lost) for lost in range(12)]
    assert clustered_upper(clusters, Random(3)) == clustered_upper(clusters, Random(3))


def test_of_no_faults_nothing_is_known() -> None:
    assert faults_upper(0, 0) == 1.0
    assert faults_upper(60, 0) == pytest.approx(1 - 0.05 ** (1 / 60))


@given(values=st.lists(st.floats(0, 10), min_size=1, max_size=40), share=st.floats(0.01, 1))
def test_so_large_a_share_does_not_exceed_its_quantile(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = quantile(ordered, share)
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9
    assert sum(value < found for value in ordered) < share * len(ordered)
