"""Claims and votes as rows: what is written comes back, and what a hostile peer writes does no harm."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.control.front_book import FRONTS_MAX, FrontBook
from lbmesh.control.front_rows import (
    CLAIM_PREFIX,
    REASON_CHARACTERS_MAX,
    TEXT_MAX,
    VOTE_PREFIX,
    WILLING_KEY,
    claim_value,
    is_front_row,
    parse_claim,
    parse_vote,
    parse_willing,
    vote_value,
    willing_value,
)
from lbmesh.failover.claims import Bid, Claim, FrontState, Grant
from lbmesh.gossip.limits import KEY_BYTES_MAX, VALUE_BYTES_MAX
from lbmesh.gossip.records import Row

texts = st.text("abcdef-.0123456789", max_size=TEXT_MAX)
numbers = st.integers(0, 2**53)
bids = st.builds(Bid, texts, numbers, texts)
claims = st.builds(
    Claim,
    st.sampled_from(FrontState),
    numbers,
    st.text("abc :,", max_size=REASON_CHARACTERS_MAX),
    texts,
    st.booleans(),
    st.booleans(),
    st.none() | bids,
)
votes = st.builds(Grant, texts, numbers, bids)


@given(claims, votes)
def test_what_is_written_comes_back_and_fits_a_row(claim: Claim, vote: Grant) -> None:
    assert parse_claim(claim_value(claim)) == claim
    assert parse_vote(vote_value(vote)) == vote
    assert len(claim_value(claim)) <= VALUE_BYTES_MAX
    assert len(vote_value(vote)) <= VALUE_BYTES_MAX


@given(st.text(max_size=1000))
def test_any_reason_fits_a_row(reason: str) -> None:
    bid = Bid("s" * TEXT_MAX, 2**53, "e" * TEXT_MAX)
    value = claim_value(Claim(FrontState.DRAINING, 2**53, reason, "h" * TEXT_MAX, True, True, bid))
    assert len(value) <= VALUE_BYTES_MAX
    assert parse_claim(value) is not None


def test_keys_fit_whatever_the_address() -> None:
    longest = "2001:0db8:ffff:ffff:ffff:ffff:ffff:ffff"
    assert len(f"{CLAIM_PREFIX}{longest}") <= KEY_BYTES_MAX
    assert is_front_row(WILLING_KEY)
    assert is_front_row(f"{VOTE_PREFIX}{longest}")
    assert not is_front_row("opinion:shop/10.0.0.1:80")


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"null", b"{" * 500, b'{"state":"held"}']))
def test_a_malformed_row_says_nothing(value: bytes) -> None:
    assert parse_claim(value) is None
    assert parse_vote(value) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "king"},
        {"epoch": -1},
        {"epoch": 1.5},
        {"epoch": True},
        {"epoch": 2**60},
        {"why": 7},
        {"why": "x" * 161},
        {"heir": ["a"]},
        {"bid": ["s", 1]},
        {"bid": ["s", "1", "e"]},
    ],
)
def test_a_claim_out_of_bounds_is_none(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {"state": "held", "epoch": 1, "why": ""}
    assert parse_claim(json.dumps(good).encode()) is not None
    assert parse_claim(json.dumps(good | wrong).encode()) is None


def test_willing_is_true_or_false_or_not_said() -> None:
    assert parse_willing(willing_value(is_willing=True)) is True
    assert parse_willing(willing_value(is_willing=False)) is False
    assert parse_willing(b'{"willing":1}') is parse_willing(b"x") is None


def test_the_book_keeps_what_stands_and_bounds_what_one_member_says() -> None:
    book = FrontBook()
    value = claim_value(Claim(FrontState.HELD, 1, ""))
    book.take(Row("b", f"{CLAIM_PREFIX}{number}", value, 5.0) for number in range(FRONTS_MAX + 10))
    book.take([Row("b", WILLING_KEY, willing_value(is_willing=True), 6.0), Row("c", WILLING_KEY, b"", 6.0)])
    assert len(book.peers["b"].claims) == FRONTS_MAX
    assert book.peers["b"].is_willing is True
    assert book.peers["c"].is_willing is None
    book.take_back("b", f"{CLAIM_PREFIX}0")
    assert len(book.peers["b"].claims) == FRONTS_MAX - 1
    book.take([Row("b", f"{CLAIM_PREFIX}1", b"nonsense", 7.0)])
    assert "1" not in book.peers["b"].claims
    book.forget(["c"])
    assert book.peers.keys() == {"c"}
