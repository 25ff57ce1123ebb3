"""Merging: the rules one by one, and what holds for all of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.merge import Basis, Merged, merge
from lbmesh.health.removal import limit_removal
from lbmesh.health.verdict import Verdict
from lbmesh.model.address import Address
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.service import ReplicaId

NOW, EXPIRY_S = 100.0, 6.0
REPLICA = ReplicaId("shop", Address("10.0.0.1", 80))
UP, UNKNOWN, DOWN = Availability.UP, Availability.UNKNOWN, Availability.DOWN


def word(observer: str, *, up: bool, age_s: float = 0.0) -> Opinion:
    return Opinion(observer, "zone-a", REPLICA, up, NOW - age_s, "ok" if up else "refused")


def peers(text: str) -> list[Opinion]:
    """Fresh opinions, "+" for up and "-" for down."""
    return [word(f"lb-{index}", up=sign == "+") for index, sign in enumerate(text)]


def own(availability: Availability, streak: int = 0, age_s: float = 0.0, *, first_hand: bool = True) -> Verdict:
    return Verdict(availability, streak, NOW - age_s, NOW - age_s, "seen", first_hand)


@pytest.mark.parametrize(
    ("verdict", "others", "availability", "basis"),
    [
        (own(DOWN), "+++", DOWN, Basis.OWN),
        (own(DOWN, streak=1), "+++", DOWN, Basis.OWN),
        (own(UP), "---", UP, Basis.OWN),
        (own(UP, streak=1), "---", DOWN, Basis.OWN),
        (own(UP, streak=1), "--+", DOWN, Basis.OWN),
        (own(UP, streak=1), "-+", UP, Basis.OWN),
        (own(UP, streak=2), "", UP, Basis.OWN),
        (own(DOWN, age_s=6.0), "+", UP, Basis.PEERS),
        (own(UP, age_s=6.0), "-", DOWN, Basis.PEERS),
        (own(UNKNOWN), "-", DOWN, Basis.PEERS),
        (own(UNKNOWN), "--+", DOWN, Basis.PEERS),
        (own(UNKNOWN), "-+", UP, Basis.PEERS),
        (own(UNKNOWN), "", UNKNOWN, Basis.NOBODY),
        (own(DOWN, first_hand=False), "", DOWN, Basis.INHERITED),
        (own(DOWN, first_hand=False), "+", UP, Basis.PEERS),
        (own(UP, first_hand=False), "-", DOWN, Basis.PEERS),
        (own(DOWN, age_s=6.0, first_hand=False), "", UNKNOWN, Basis.NOBODY),
    ],
)
def test_the_rules(verdict: Verdict, others: str, availability: Availability, basis: Basis) -> None:
    merged = merge(verdict, peers(others), now=NOW, expiry_s=EXPIRY_S)
    assert (merged.availability, merged.basis) == (availability, basis)


def test_a_stale_opinion_has_no_say() -> None:
    said = [word("lb-1", up=False, age_s=6.0), word("lb-2", up=False, age_s=7.0), word("lb-3", up=True)]
    assert merge(Verdict(), said, now=NOW, expiry_s=EXPIRY_S).availability is UP


def test_the_reason_names_who_said_what() -> None:
    merged = merge(Verdict(), peers("--+"), now=NOW, expiry_s=EXPIRY_S)
    assert merged.reason == "2 of 3 observers say down; lb-0: refused"


verdicts = st.builds(
    own,
    st.sampled_from(Availability),
    st.integers(0, 3),
    st.floats(0, 2 * EXPIRY_S),
    first_hand=st.booleans(),
)
opinions = st.lists(
    st.builds(word, st.text("abc", min_size=1), up=st.booleans(), age_s=st.floats(0, 2 * EXPIRY_S)),
    max_size=8,
    unique_by=lambda opinion: opinion.observer,
)


@given(verdicts, opinions, st.randoms(use_true_random=False))
def test_the_order_of_opinions_does_not_matter(verdict: Verdict, said: list[Opinion], rng: object) -> None:
    shuffled = list(said)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(verdict, said, now=NOW, expiry_s=EXPIRY_S) == merge(verdict, shuffled, now=NOW, expiry_s=EXPIRY_S)


@given(opinions)
def test_own_fresh_evidence_wins(said: list[Opinion]) -> None:
    for availability in (UP, DOWN):
        assert merge(own(availability), said, now=NOW, expiry_s=EXPIRY_S).availability is availability


@given(verdicts, opinions, st.data())
def test_one_more_voice_for_up_never_takes_a_replica_away(
    verdict: Verdict, said: list[Opinion], data: st.DataObject
) -> None:
    before = merge(verdict, said, now=NOW, expiry_s=EXPIRY_S)
    index = data.draw(st.integers(0, len(said)))
    if index < len(said):
        said = [*said[:index], replace(said[index], up=True, at_s=NOW), *said[index + 1 :]]
    else:
        said = [*said, word("another", up=True)]
    after = merge(verdict, said, now=NOW, expiry_s=EXPIRY_S)
    assert not (before.availability is not DOWN and after.availability is DOWN)


@given(verdicts, opinions)
def test_one_peer_among_others_cannot_take_a_replica_away(verdict: Verdict, said: list[Opinion]) -> None:
    fresh_ups = [one for one in said if one.up and one.at_s + EXPIRY_S > NOW]
    merged = merge(verdict, [*fresh_ups, word("liar", up=False)], now=NOW, expiry_s=EXPIRY_S)
    if fresh_ups and verdict.availability is not DOWN:
        assert merged.availability is UP


merged_words = st.builds(Merged, st.sampled_from(Availability), st.sampled_from(Basis), st.just("said"))


@given(st.lists(merged_words, max_size=9))
def test_hearsay_never_empties_a_service(merged: list[Merged]) -> None:
    limited = limit_removal(merged)
    seen_failing = sum(one.availability is DOWN and one.basis is not Basis.PEERS for one in merged)
    assert sum(one.availability is DOWN for one in limited) <= max(seen_failing, len(merged) // 2)
    for before, after in zip(merged, limited, strict=True):
        assert after == before or (before.basis is Basis.PEERS and after.availability is UNKNOWN)


def test_a_minority_may_go_on_hearsay() -> None:
    merged = [Merged(DOWN, Basis.PEERS, ""), Merged(UP, Basis.OWN, ""), Merged(UP, Basis.OWN, "")]
    assert limit_removal(merged) == tuple(merged)
