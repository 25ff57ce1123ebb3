"""The policies within one group: shares by weight, loads even for their weight, at a bounded cost."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.traffic import Balance
from lbmesh.routing.policies import LEAST_REQUEST_LOOKS_MAX, policy_over
from lbmesh.routing.steps import finish
from tests.support.candidates import Candidate

DRAWS = 6000
weight_lists = st.lists(st.integers(1, 100), min_size=1, max_size=8)
policies = pytest.mark.parametrize("policy", list(Balance))


def weighted(*weights: int) -> list[Candidate]:
    return [Candidate(str(index), weight=weight) for index, weight in enumerate(weights)]


@policies
@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (1, 100), (99, 100), (1, 2, 3, 4), (100, 1, 1, 1, 1)])
def test_among_equals_the_shares_are_the_weights(policy: Balance, weights: tuple[int, ...]) -> None:
    group = weighted(*weights)
    pick = finish(policy_over(policy, group, Random(3).random))
    drawn = Counter(pick().name for _ in range(DRAWS))
    for one in group:
        assert drawn[one.name] / DRAWS == pytest.approx(one.weight / sum(weights), abs=0.025)


@pytest.mark.parametrize("policy", [Balance.P2C, Balance.LEAST_REQUEST])
@given(weight_lists, st.integers())
def test_what_piles_up_is_even_for_its_weight(policy: Balance, weights: list[int], seed: int) -> None:
    group = weighted(*weights)
    pick = finish(policy_over(policy, group, Random(seed).random))
    for _ in range(400):
        pick().in_flight += 1
    for one in group:
        fair = 400 * one.weight / sum(weights)
        assert abs(one.in_flight - fair) <= 12 + 0.2 * fair


@given(weight_lists.filter(lambda weights: len(set(weights)) > 1), st.integers())
def test_turns_by_weight_are_spread_evenly(weights: list[int], seed: int) -> None:
    """At no time is anybody more than one turn ahead of its share, or behind by more: what smooth means."""
    group = weighted(*weights)
    pick = finish(policy_over(Balance.ROUND_ROBIN, group, Random(seed).random))
    turns: Counter[str] = Counter()
    for number in range(1, 301):
        turns[pick().name] += 1
        for one in group:
            assert abs(turns[one.name] - number * one.weight / sum(weights)) <= len(group)


def test_turns_do_not_come_in_runs() -> None:
    pick = finish(policy_over(Balance.ROUND_ROBIN, weighted(5, 1, 1), Random(2).random))
    names = "".join(pick().name for _ in range(70))
    assert "000000" not in names
    assert (names.count("1"), names.count("2")) == (10, 10)


@given(st.integers(), st.integers(2, 8), st.integers(0, 7))
def test_a_costly_one_loses_to_any_other(seed: int, size: int, number: int) -> None:
    group = weighted(*range(1, size + 1))
    costly = group[number % size]
    costly.cost_s = 1.0
    pick = finish(policy_over(Balance.P2C, group, Random(seed).random))
    share = sum(pick() is costly for _ in range(300)) / 300
    part = costly.weight / sum(one.weight for one in group)
    assert share <= part**3 + 0.12


def test_least_request_looks_at_no_more_than_it_says() -> None:
    looks = 0

    class Counting(Candidate):
        __slots__ = ()

        @property
        def in_flight(self) -> int:
            nonlocal looks
            looks += 1
            return 5

        @in_flight.setter
        def in_flight(self, _: int) -> None: ...

    group = [Counting(str(number)) for number in range(1000)]
    finish(policy_over(Balance.LEAST_REQUEST, group, Random(1).random))()
    assert looks <= 2 * LEAST_REQUEST_LOOKS_MAX + 4


def test_least_request_finds_the_idle_one_in_the_end() -> None:
    group = [Candidate(str(number), in_flight=3) for number in range(200)]
    group[77].in_flight = 0
    pick = finish(policy_over(Balance.LEAST_REQUEST, group, Random(1).random))
    assert group[77] in [pick() for _ in range(200 // LEAST_REQUEST_LOOKS_MAX + 1)]
