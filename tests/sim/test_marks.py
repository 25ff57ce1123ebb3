"""The measuring itself: small measurements reach their marks, and the figures are put right."""

import pytest

from tests.sim.marks import Figure, Table, bar_chart, false_positive_bound
from tests.sim.marks_detection import Kills, Splits, kill, split
from tests.sim.marks_errors import CASES, Case, Slice, watch
from tests.sim.marks_traffic import weigh
from tests.support.percentile import percentile


@pytest.mark.parametrize("zone", [False, True], ids=["node", "zone"])
def test_kills_are_seen_in_time(zone: bool) -> None:
    times = kill(Kills("6/2/2" if zone else "9", 1, 3, zone))
    assert len(times) == 3
    assert min(times) > 0.3
    assert max(times) <= 1.5


@pytest.mark.parametrize("kind", ["2-way", "3-way", "nested"])
def test_splits_heal_in_time(kind: str) -> None:
    (time_s,) = split(Splits("9", kind, 5.0, 1, 1))
    assert 0.0 < time_s <= 5.0


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_half_a_minute_of_each_fault_condemns_no_healthy_member(case: Case) -> None:
    errors = watch(Slice(case, 1, 30.0))
    assert errors.false == 0
    assert errors.turns <= 2


def test_the_detector_is_weighed_apart_from_the_rest() -> None:
    weighed = weigh("3")
    assert 0 < weighed.detector < weighed.all
    assert weighed.row > 0


def test_percentiles_are_of_the_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values[:1], 0.99)) == (50.0, 99.0, 1.0)


def test_none_seen_in_so_many_hours_bounds_the_rate() -> None:
    assert false_positive_bound(0, 24.0) == "≤ 0.125"
    assert false_positive_bound(12, 24.0) == "0.5 seen"


def test_a_table_says_what_missed_its_mark() -> None:
    figures = Figure(("1",), True), Figure(("2",), False), Figure(("3",))
    table = Table("T", "How.", ("a",), figures, bar_chart("c", [("x", 2.0)], "B"))
    assert table.render().splitlines()[4:9] == [
        "| a | mark |",
        "| --- | --- |",
        "| 1 | reached |",
        "| 2 | **missed** |",
        "| 3 |  |",
    ]
