"""Long computations in small steps: none goes over more than it may, and what comes out is as if done at once."""

from collections.abc import Callable, Generator, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.traffic import Balance
from lbmesh.routing.affinity import key_ring
from lbmesh.routing.hashing import FILLED, MANY, SLOTS_OF_MANY, hash_table
from lbmesh.routing.policies import policy_over
from lbmesh.routing.steps import ITEMS_PER_STEP, are_same, collect, finish, sort
from lbmesh.routing.warming import warming_policy_over
from tests.support.candidates import Candidate

MANY_REPLICAS = 20 * ITEMS_PER_STEP


class Watched:
    """Counts the looks at it."""

    looks = 0

    def __init__(self, number: int, weight: int) -> None:
        self.in_flight, self.cost_s, self._weight, self.name = 0, 0.001, weight, f"10.0.{number >> 8}.{number & 255}:80"

    @property
    def weight(self) -> int:
        Watched.looks += 1
        return self._weight


def most_looks(steps: Generator[None, None, Any]) -> int:
    """Within one step."""
    most = 0
    while True:
        Watched.looks = 0
        try:
            next(steps)
        except StopIteration:
            return max(most, Watched.looks)
        most = max(most, Watched.looks)


@given(st.lists(st.text(max_size=3), max_size=3 * ITEMS_PER_STEP))
def test_what_is_sorted_in_steps_is_sorted(items: list[str]) -> None:
    assert finish(sort(items, str)) == sorted(items)
    assert finish(collect(iter(items), list)) == items


def test_a_step_collects_no_more_than_it_may() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(MANY_REPLICAS):
            taken.append(number)
            yield number

    before = 0
    for _ in collect(numbers(), list):
        assert len(taken) - before <= ITEMS_PER_STEP
        before = len(taken)


@pytest.mark.parametrize("weight_of", [lambda _: 1, lambda number: 1 + number % 3], ids=["even", "weighted"])
@pytest.mark.parametrize("balance", Balance)
def test_a_policy_over_many_looks_at_few_in_a_step(balance: Balance, weight_of: Callable[[int], int]) -> None:
    group = [Watched(number, weight_of(number)) for number in range(MANY_REPLICAS)]
    assert most_looks(policy_over(balance, group, Random(1).random)) <= 3 * ITEMS_PER_STEP


def test_so_does_one_over_many_that_warm_up() -> None:
    group = [Watched(number, 1 + number % 3) for number in range(MANY_REPLICAS)]
    warmths = dict.fromkeys(group[::2], 0.5)
    random = Random(1).random
    steps = warming_policy_over(group, warmths, lambda warm: policy_over(Balance.P2C, warm, random), random)
    assert most_looks(steps) <= 3 * ITEMS_PER_STEP


def test_the_table_of_many_comes_in_steps_and_before_the_first_key() -> None:
    many = [Candidate(f"10.0.{number >> 8}.{number & 255}:80") for number in range(MANY + 1)]
    steps = key_ring([one.name for one in many], many)
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            ring = end.value
            break
        count += 1
    assert count >= SLOTS_OF_MANY * FILLED / ITEMS_PER_STEP
    assert ring._table is not None  # noqa: SLF001
    few = finish(key_ring([one.name for one in many[:-1]], many[:-1]))
    assert few._table is None  # noqa: SLF001


def test_a_step_fills_no_more_slots_than_it_may() -> None:
    names = [f"10.0.{number >> 8}.{number & 255}:80" for number in range(MANY + 1)]
    steps = sum(1 for _ in hash_table(names, [1] * len(names)))
    assert steps >= SLOTS_OF_MANY * FILLED / ITEMS_PER_STEP


def test_a_step_sorts_no_more_than_it_may() -> None:
    keyed = 0

    def key(item: int) -> str:
        nonlocal keyed
        keyed += 1
        return str(item)

    steps = sort(list(range(MANY_REPLICAS)), key)
    before_merging = 0
    for _ in range(20):
        next(steps)
        assert keyed - before_merging <= ITEMS_PER_STEP
        before_merging = keyed
    assert keyed == MANY_REPLICAS


def test_a_step_compares_no_more_than_it_may() -> None:
    class Item:
        """Equal to every other."""

        looks = 0

        def __eq__(self, other: object) -> bool:
            Item.looks += 1
            return isinstance(other, Item)

        def __hash__(self) -> int:
            return 0

    steps = are_same([Item() for _ in range(1000)], [Item() for _ in range(1000)], 64)
    for number in range(1, 1000 // 64 + 1):
        next(steps)
        assert Item.looks == 64 * number
    assert finish(steps)
    assert not finish(are_same([1, 2], [1, 3], 64))
    assert not finish(are_same([1, 2], [1], 64))
