"""Histograms: buckets without gaps, a bounded error, figures that add up."""

from itertools import pairwise
from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.observe.histogram import BUCKETS, SUBBUCKETS, Histogram, bucket_index, bucket_upper_s

LARGEST_KEPT_S = bucket_upper_s(BUCKETS - 2)
MICROSECONDS = st.integers(0, 10**6) | st.integers(0, 2 * round(LARGEST_KEPT_S * 1e6))
SECONDS = MICROSECONDS.map(lambda microseconds: microseconds / 1e6)


def test_bounds_rise_to_infinity() -> None:
    bounds = [bucket_upper_s(index) for index in range(BUCKETS)]
    assert all(lower < upper for lower, upper in pairwise(bounds))
    assert bounds[-1] == inf


@given(MICROSECONDS)
def test_a_duration_lies_in_its_bucket(microseconds: int) -> None:
    index = bucket_index(microseconds)
    assert 0 <= index < BUCKETS
    assert microseconds < bucket_upper_s(index) * 1e6
    assert index == 0 or microseconds >= round(bucket_upper_s(index - 1) * 1e6)


@given(MICROSECONDS, MICROSECONDS)
def test_a_longer_duration_never_lies_in_a_lower_bucket(one: int, other: int) -> None:
    assert bucket_index(min(one, other)) <= bucket_index(max(one, other))


@given(st.integers(-(10**9), 0))
def test_a_clock_that_went_back_counts_as_nothing(microseconds: int) -> None:
    assert bucket_index(microseconds) == 0


@pytest.mark.parametrize("index", range(BUCKETS - 1))
def test_a_bucket_is_narrow(index: int) -> None:
    lower_us = round(bucket_upper_s(index - 1) * 1e6) if index else 0
    width_us = round(bucket_upper_s(index) * 1e6) - lower_us
    assert width_us == 1 or width_us <= lower_us / SUBBUCKETS


def recorded(values: list[float]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.lists(SECONDS.filter(lambda seconds: seconds < LARGEST_KEPT_S / 2), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_a_close_upper_bound(values: list[float], fraction: float) -> None:
    exact = sorted(values)[max(1, ceil(fraction * len(values) - 1e-6)) - 1]
    assert exact <= recorded(values).quantile(fraction) <= exact * (1 + 1 / SUBBUCKETS) + 2e-6


@pytest.mark.parametrize(
    ("count", "fraction", "rank"), [(5, 0.5, 3), (100, 0.07, 7), (151, 0.99, 150), (100, 0.99, 99)]
)
def test_a_quantile_leaves_its_share_below(count: int, fraction: float, rank: int) -> None:
    histogram = Histogram()
    for index in range(count):
        histogram.counts[index] += 1
    assert histogram.quantile(fraction) == bucket_upper_s(rank - 1)


def test_no_duration_no_quantile() -> None:
    assert Histogram().quantile(0.99) == 0.0


@given(st.lists(SECONDS, max_size=30), st.lists(SECONDS, max_size=30))
def test_merging_is_recording_both(ours: list[float], theirs: list[float]) -> None:
    merged = recorded(ours)
    other = recorded(theirs)
    merged.merge(other.nonzero(), other.sum_s)
    together = recorded([*ours, *theirs])
    assert merged.counts == together.counts
    assert merged.count == len(ours) + len(theirs)
    assert merged.sum_s == pytest.approx(together.sum_s)
    assert dict(merged.nonzero()) == {index: count for index, count in enumerate(together.counts) if count}
