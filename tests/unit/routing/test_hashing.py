"""Maglev's table: even by weight, the same everywhere, and little moves when replicas come and go for good."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmesh.routing.hashing import MANY, hash_of, hash_table, rendezvous
from lbmesh.routing.steps import finish

KEYS = [hash_of(b"user-%d" % number) for number in range(20_000)]


def names(count: int) -> list[str]:
    return [f"10.0.{number >> 8}.{number & 255}:8080" for number in range(count)]


def first_owners(of: list[str], weights: list[int] | None = None) -> list[str]:
    """By key."""
    table = finish(hash_table(of, weights or [1] * len(of)))
    return [of[next(table.owners(key))] for key in KEYS]


def test_the_order_of_the_replicas_means_nothing() -> None:
    ordered = names(7)
    shuffled = Random(1).sample(ordered, 7)
    weights = {name: 1 + number % 3 for number, name in enumerate(ordered)}
    assert first_owners(ordered, [weights[one] for one in ordered]) == first_owners(
        shuffled, [weights[one] for one in shuffled]
    )


def test_a_key_is_at_home_where_it_was_in_the_last_release() -> None:
    """Nodes of two releases in one mesh must agree."""
    owners = first_owners(names(5))
    assert [owners[number].partition(":")[0][-1] for number in range(20)] == list("30432111242041040024")


@pytest.mark.parametrize(("count", "most"), [(3, 1.05), (10, 1.1), (100, 1.3)])
def test_shares_are_even(count: int, most: float) -> None:
    held = Counter(first_owners(names(count)))
    assert max(held.values()) * count / len(KEYS) < most
    assert len(held) == count


def test_weights_count() -> None:
    held = Counter(first_owners(names(3), [1, 1, 98]))
    shares = [held[name] / len(KEYS) for name in names(3)]
    assert shares == pytest.approx([0.01, 0.01, 0.98], abs=0.004)


@pytest.mark.parametrize("count", [3, 10, 100])
def test_removing_one_for_good_moves_little_beside_its_own_keys(count: int) -> None:
    gone = names(count)[count // 2]
    before = first_owners(names(count))
    after = first_owners([name for name in names(count) if name != gone])
    moved = sum(was != now for was, now in zip(before, after, strict=True) if was != gone)
    assert moved / len(KEYS) < 0.05


def test_a_key_has_many_who_stand_in_and_they_are_not_the_same_for_all() -> None:
    table = finish(hash_table(names(10), [1] * 10))
    seconds: Counter[int] = Counter()
    for key in KEYS:
        owners = list(dict.fromkeys(table.owners(key)))
        assert len(owners) >= 5
        if owners[0] == 0:
            seconds[owners[1]] += 1
    assert max(seconds.values()) < 2 * sum(seconds.values()) / 9


def test_many_replicas_have_a_larger_table() -> None:
    many = names(MANY + 1)
    table = finish(hash_table(many, [1] * len(many)))
    held = Counter(next(table.owners(key)) for key in KEYS)
    assert max(held.values()) < 60


def test_no_replica_owns_nothing() -> None:
    assert list(finish(hash_table([], [])).owners(KEYS[0])) == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=20, unique=True), st.integers(0, 2**64 - 1))
def test_any_names_will_do(some: list[str], key: int) -> None:
    owners = list(finish(hash_table(some, [1] * len(some))).owners(key))
    assert owners
    assert all(0 <= number < len(some) for number in owners)
    assert 0 <= rendezvous(key, some) < len(some)


def test_rendezvous_moves_only_what_the_missing_one_had() -> None:
    every = names(6)
    for key in KEYS[:300]:
        home = every[rendezvous(key, every)]
        left = [name for name in every if name != every[0]]
        if home != every[0]:
            assert left[rendezvous(key, left)] == home
