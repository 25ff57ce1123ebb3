"""What the clients saw, in figures."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.dev.ledger import Call, Gap, Kind, Ledger, duplicates, gaps, longest_gap, tally


def call(ended_s: float, *, client: str = "one", problem: str = "", took_s: float = 0.0) -> Call:
    return Call(client, Kind.READ, ended_s - took_s, ended_s, problem)


def test_a_gap_is_between_two_successes_of_one_client() -> None:
    calls = [call(1.0), call(1.1, client="two"), call(2.0, problem="lost"), call(3.5), call(1.2, client="two")]

    assert gaps(calls) == [Gap("two", 1.1, 1.2), Gap("one", 1.0, 3.5)]


def test_a_client_that_sees_no_success_again_has_a_gap_to_its_last_failure() -> None:
    assert gaps([call(1.0), call(9.0, problem="lost")]) == [Gap("one", 1.0, 9.0)]


def test_a_gap_belongs_to_the_stretch_that_has_most_of_it() -> None:
    across = Gap("one", 9.9, 10.5)

    assert longest_gap([across], 0.0, 10.0) is None
    assert longest_gap([across], 10.0, 20.0) == across
    assert longest_gap([], 0.0, 20.0) is None


def test_the_ledger_counts_reads_and_knows_the_longest_gap_while_it_lasts() -> None:
    ledger = Ledger()
    assert ledger.longest_gap_s(5.0) == 0.0
    for one in (call(10.0), call(10.4), call(10.5, problem="lost"), replace(call(10.6), kind=Kind.ORDER)):
        ledger.add(one)

    assert (ledger.sent, ledger.lost) == (3, 1)
    assert ledger.longest_gap_s(10.7) == pytest.approx(0.4)
    assert ledger.longest_gap_s(12.6) == pytest.approx(2.0)
    assert [one.ended_s for one in ledger.since(10.45)] == [10.6, 10.5]


def test_tally_tells_moved_from_hedged_and_reads_from_orders() -> None:
    calls = [
        call(1.0, took_s=0.010),
        replace(call(1.1, took_s=0.020), attempts=2, moved=True),
        replace(call(1.2, took_s=0.300), attempts=2),
        call(1.3, problem="lost", took_s=10.0),
        replace(call(1.4), kind=Kind.ORDER),
        replace(call(1.5, problem="lost"), kind=Kind.ORDER),
    ]

    counted = tally(calls)

    assert (counted.reads, counted.lost, counted.moved, counted.hedged) == (4, 1, 1, 1)
    assert (counted.orders, counted.orders_unanswered) == (2, 1)
    assert counted.p50_s == pytest.approx(0.020)
    assert counted.p99_s == pytest.approx(0.300)


def test_tally_of_nothing() -> None:
    assert tally([]).p99_s == 0.0


def test_duplicates_are_counted_beyond_the_first() -> None:
    assert duplicates([["a", "b"], ["b"], ["b", "c"]]) == 2
    assert duplicates([]) == 0


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 1000), st.booleans()), max_size=50))
def test_the_ledger_and_the_report_agree_on_the_longest_gap(outcomes: list[tuple[str, int, bool]]) -> None:
    calls = [
        call(ended, client=client, problem="" if answered else "lost")
        for client, ended, answered in sorted(outcomes, key=lambda outcome: outcome[1])
    ]
    ledger = Ledger()
    for one in calls:
        ledger.add(one)
    end_s = max((one.ended_s for one in calls), default=0.0)
    between_successes = [gap.length_s for gap in gaps([one for one in calls if one.answered])]

    assert ledger.longest_gap_s(end_s) >= max(between_successes, default=0.0)
    assert ledger.longest_gap_s(end_s) >= max((gap.length_s for gap in gaps(calls)), default=0.0)
