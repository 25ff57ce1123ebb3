"""Whose words count, and who is found to accuse everybody."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.credit import Credit, contradicted
from lbmesh.health.standing import DISCOUNTED, IMPAIRED, NOT_TRUSTED, Standing, weigh
from lbmesh.model.address import Address
from lbmesh.model.health import Opinion
from lbmesh.model.service import ReplicaId


def replica(number: int) -> ReplicaId:
    return ReplicaId("shop", Address("10.0.0.1", number + 1))


def word(observer: str, *, up: bool, number: int = 0) -> Opinion:
    """The observer's zone is the letter in its name: lb-a1 is in zone-a."""
    return Opinion(observer, f"zone-{observer[3]}", replica(number), up, 1.0, "said")


ZONES = {f"lb-{letter}{number}": f"zone-{letter}" for letter in "abc" for number in (1, 2, 3)}


def test_words_of_the_untrusted_and_the_discounted_do_not_count() -> None:
    standing = Standing({"lb-a1": "zone-a", "lb-b1": "zone-b"}, frozenset(), frozenset({"lb-b1"}))
    found = weigh([word("lb-c1", up=False), word("lb-b1", up=False), word("lb-a1", up=True)], standing)
    assert [one.observer for one in found.counting] == ["lb-a1"]
    assert {one.observer: why for one, why in found.aside} == {"lb-b1": DISCOUNTED, "lb-c1": NOT_TRUSTED}
    assert not found.is_dispute


def test_the_impaired_count_only_when_nobody_else_has_looked() -> None:
    standing = Standing(ZONES, frozenset({"lb-a1"}))
    alone = weigh([word("lb-a1", up=False)], standing)
    assert [one.observer for one in alone.counting] == ["lb-a1"]
    both = weigh([word("lb-a1", up=False), word("lb-b1", up=True)], standing)
    assert [one.observer for one in both.counting] == ["lb-b1"]
    assert [why for _, why in both.aside] == [IMPAIRED]
    assert both.is_dispute, "it is worth a look"


words = st.lists(
    st.builds(word, st.sampled_from([*ZONES, "lb-d9"]), up=st.booleans()),
    unique_by=lambda one: one.observer,
    max_size=9,
)
standings = st.builds(
    Standing,
    st.just(ZONES),
    st.frozensets(st.sampled_from(sorted(ZONES)), max_size=4),
    st.frozensets(st.sampled_from(sorted(ZONES)), max_size=4),
)


@given(words, standings, st.integers())
def test_weighing_loses_no_word_and_does_not_depend_on_their_order(
    said: list[Opinion], standing: Standing, seed: int
) -> None:
    found = weigh(said, standing)
    assert sorted([*found.counting, *(one for one, _ in found.aside)], key=str) == sorted(said, key=str)
    shuffled = list(said)
    random.Random(seed).shuffle(shuffled)
    assert weigh(shuffled, standing) == found
    assert contradicted(shuffled) == contradicted(said)


def test_an_accusation_is_contradicted_by_the_own_zone_first() -> None:
    assert contradicted([word("lb-a1", up=False), word("lb-a2", up=True)]) == {"lb-a1"}
    assert contradicted([word("lb-a1", up=False), word("lb-b1", up=True)]) == {"lb-a1"}
    zone = [word("lb-a1", up=False), word("lb-a2", up=False)]
    assert contradicted([*zone, word("lb-b1", up=True), word("lb-c1", up=True), word("lb-c2", up=True)]) == frozenset()
    assert contradicted([word("lb-a1", up=False), word("lb-b1", up=False)]) == frozenset()


def say(credit: Credit, number: int, *said: Opinion) -> None:
    credit.note(replica(number), f"zone-{'abc'[number % 3]}", [*said])


def test_who_accuses_everybody_is_discounted_and_comes_back() -> None:
    credit = Credit()
    for number in range(6):
        say(credit, number, word("lb-a1", up=False), word("lb-b1", up=True), word("lb-c1", up=True))
        assert (credit.discounted == {"lb-a1"}) is (number >= 2)
    for number in range(3):
        say(credit, number, word("lb-a1", up=True), word("lb-b1", up=True), word("lb-c1", up=True))
    assert credit.discounted == frozenset()


def test_who_accuses_one_zone_or_is_not_contradicted_is_not() -> None:
    credit = Credit()
    for number in range(9):
        say(credit, number, word("lb-a1", up=number % 3 != 1), word("lb-b1", up=True))
    assert credit.discounted == frozenset(), "only zone-b's replicas: a broken way there is likelier"
    for number in range(9):
        say(credit, number, word("lb-a1", up=False), word("lb-a2", up=False), word("lb-b1", up=True))
    assert credit.discounted == frozenset(), "its whole zone sees the same"
    for number in range(9):
        say(credit, number, word("lb-a1", up=False), word("lb-b1", up=False))
    assert credit.discounted == frozenset(), "they are dead"


@given(st.lists(st.tuples(st.integers(0, 4), words), max_size=20))
def test_the_count_does_not_depend_on_what_was_said_before(changes: list[tuple[int, list[Opinion]]]) -> None:
    credit, last = Credit(), dict[int, list[Opinion]]()
    for number, said in changes:
        changed = credit.discounted
        assert credit.note(replica(number), f"zone-{number % 3}", said) is (changed != credit.discounted)
        last[number] = said
    afresh = Credit()
    for number, said in last.items():
        afresh.note(replica(number), f"zone-{number % 3}", said)
    assert afresh.discounted == credit.discounted
    for number in last:
        credit.forget(replica(number))
    assert credit.discounted == frozenset()
    assert not credit._tallies  # noqa: SLF001
