"""What counts as a wrong word, and that each counts once."""

from itertools import pairwise

import pytest

from tests.bench.words import Death, Word, wrong

DEATHS = (Death("lb-a", 10.0, 20.0), Death("lb-b", 30.0))


@pytest.mark.parametrize(
    ("partner", "at_s", "is_wrong"),
    [
        ("lb-a", 10.1, False),
        ("lb-a", 19.9, False),
        ("lb-a", 9.9, True),
        ("lb-a", 20.0, True),
        ("lb-a", 30.1, True),
        ("lb-b", 10.1, True),
        ("lb-b", 29.9, True),
        ("lb-b", 99.0, False),
        ("lb-c", 10.1, True),
        ("lb-c", 25.0, True),
    ],
)
def test_a_word_is_wrong_when_its_partner_lived_as_it_was_said(partner: str, at_s: float, is_wrong: bool) -> None:
    assert wrong([Word(partner, at_s)], DEATHS, since_s=0.0) == is_wrong


def test_each_counts_once_whatever_happened_meanwhile() -> None:
    """While nobody dies, about another during a death, during a revival, and about the next one just before its end."""
    words = [Word("lb-c", 5.0), Word("lb-c", 12.0), Word("lb-c", 21.0), Word("lb-b", 29.99), Word("lb-b", 30.1)]
    assert wrong(words, DEATHS, since_s=0.0) == 4
    cuts = (0.0, 7.0, 15.0, 25.0, 35.0)
    after = [wrong(words, DEATHS, since_s) for since_s in cuts]
    assert [before - then for before, then in pairwise(after)] == [1, 1, 1, 1]


def test_what_was_said_before_the_look_began_does_not_count() -> None:
    assert wrong([Word("lb-c", 4.9), Word("lb-c", 5.0)], DEATHS, since_s=5.0) == 1
