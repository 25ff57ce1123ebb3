"""Merging: the rules one by one, and what holds for all of them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.merge import Merged, Rule, merge
from lbmesh.health.verdict import Verdict
from lbmesh.model.address import Address
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.service import ReplicaId

NOW, EXPIRY_S, DOUBT_S = 100.0, 6.0, 2.0
OLD_S = 60.0
"""Older than anything expires: a word counts however old it is."""
REPLICA = ReplicaId("shop", Address("10.0.0.1", 80))
UP, UNKNOWN, DOWN = Availability.UP, Availability.UNKNOWN, Availability.DOWN


def word(observer: str, *, up: bool, zone: str = "zone-a", age_s: float = OLD_S) -> Opinion:
    return Opinion(observer, zone, REPLICA, up, NOW - age_s, "ok" if up else "refused")


def peers(near: str, far: str = "") -> list[Opinion]:
    """Opinions of this zone and of others, "+" for up and "-" for down."""
    return [word(f"lb-a{index}", up=sign == "+") for index, sign in enumerate(near)] + [
        word(f"lb-b{index}", up=sign == "+", zone="zone-b") for index, sign in enumerate(far)
    ]


def own(availability: Availability, streak: int = 0, age_s: float = 0.0, *, first_hand: bool = True) -> Verdict:
    return Verdict(availability, streak, NOW - age_s, NOW - age_s, "seen", first_hand)


def merged(verdict: Verdict, said: list[Opinion]) -> Merged:
    return merge(verdict, said, zone="zone-a", now=NOW, expiry_s=EXPIRY_S, doubt_s=DOUBT_S)


OWN, SAME, OTHERS = Rule.OWN_EVIDENCE, Rule.SAME_ZONE_MAJORITY, Rule.OTHER_ZONES


@pytest.mark.parametrize(
    ("verdict", "near", "far", "availability", "rule"),
    [
        (own(DOWN), "+++", "+++", DOWN, OWN),
        (own(DOWN, streak=1), "+++", "", DOWN, OWN),
        (own(UP), "---", "---", UP, OWN),
        (own(UP, streak=1), "---", "", DOWN, Rule.OWN_FAILING_CONFIRMED),
        (own(UP, streak=1), "--+", "", DOWN, Rule.OWN_FAILING_CONFIRMED),
        (own(UP, streak=1), "", "-", DOWN, Rule.OWN_FAILING_CONFIRMED),
        (own(UP, streak=1), "+", "--", UP, OWN),
        (own(UP, streak=1), "-+", "", UP, OWN),
        (own(UP, streak=2), "", "", UP, OWN),
        (own(DOWN, age_s=6.0), "+", "", UP, SAME),
        (own(UP, age_s=6.0), "-", "", DOWN, SAME),
        (own(UNKNOWN), "-", "", DOWN, SAME),
        (own(UNKNOWN), "--+", "+++", DOWN, SAME),
        (own(UNKNOWN), "++-", "---", UP, SAME),
        (own(UNKNOWN), "", "--+", DOWN, OTHERS),
        (own(UNKNOWN), "", "-++", UP, OTHERS),
        (own(UNKNOWN), "+-", "--", DOWN, OTHERS),
        (own(UNKNOWN), "+-", "+", UP, OTHERS),
        (own(UNKNOWN), "-+", "", UP, OTHERS),
        (own(UNKNOWN), "", "-+", UP, OTHERS),
        (own(UNKNOWN), "-", "-+", DOWN, SAME),
        (own(UNKNOWN), "-", "++", UNKNOWN, Rule.DOUBT),
        (own(UNKNOWN), "", "", UNKNOWN, Rule.NOBODY),
        (own(DOWN, first_hand=False), "", "", DOWN, Rule.LAST_KNOWN),
        (own(DOWN, first_hand=False), "+", "", UP, SAME),
        (own(UP, first_hand=False), "-", "", DOWN, SAME),
        (own(DOWN, age_s=6.0, first_hand=False), "", "", UNKNOWN, Rule.NOBODY),
    ],
)
def test_the_rules(verdict: Verdict, near: str, far: str, availability: Availability, rule: Rule) -> None:
    found = merged(verdict, peers(near, far))
    assert (found.availability, found.rule) == (availability, rule)


def test_the_reason_names_who_said_what() -> None:
    assert merged(Verdict(), peers("--+")).reason == "2 of 3 observers of this zone say down; lb-a0: refused"


def test_news_from_elsewhere_is_doubted_until_this_zone_has_looked() -> None:
    news = word("lb-b1", up=False, zone="zone-b", age_s=0.5)
    before = [word("lb-a1", up=True), word("lb-a2", up=True), word("lb-c1", up=True, zone="zone-c")]
    found = merged(Verdict(), [*before, news])
    assert (found.availability, found.rule, found.until_s) == (UNKNOWN, Rule.DOUBT, news.at_s + DOUBT_S)
    looked = merged(Verdict(), [*before[1:], news, word("lb-a1", up=True, age_s=0.1)])
    assert (looked.availability, looked.rule) == (UP, SAME)
    late = merged(Verdict(), [*before, replace(news, at_s=NOW - DOUBT_S)])
    assert (late.availability, late.rule) == (UP, SAME)
    assert merged(own(UP), [*before, news]).availability is UP, "what this node has seen itself is not doubted"


verdicts = st.builds(
    own,
    st.sampled_from(Availability),
    st.integers(0, 3),
    st.floats(0, 2 * EXPIRY_S),
    first_hand=st.booleans(),
)
words = st.builds(
    word,
    st.text("abc", min_size=1),
    up=st.booleans(),
    zone=st.sampled_from(["zone-a", "zone-b"]),
    age_s=st.floats(0, 2 * DOUBT_S),
)
opinions = st.lists(words, max_size=8, unique_by=lambda opinion: opinion.observer)


@given(verdicts, opinions, st.randoms(use_true_random=False))
def test_the_order_of_opinions_does_not_matter(verdict: Verdict, said: list[Opinion], rng: object) -> None:
    shuffled = list(said)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merged(verdict, said) == merged(verdict, shuffled)


@given(opinions)
def test_own_fresh_evidence_wins(said: list[Opinion]) -> None:
    for availability in (UP, DOWN):
        assert merged(own(availability), said).availability is availability


@given(verdicts, opinions, st.data())
def test_one_more_voice_for_up_never_takes_a_replica_away(
    verdict: Verdict, said: list[Opinion], data: st.DataObject
) -> None:
    before = merged(verdict, said)
    index = data.draw(st.integers(0, len(said)))
    if index < len(said):
        said = [*said[:index], replace(said[index], up=True, at_s=NOW), *said[index + 1 :]]
    else:
        said = [*said, data.draw(words.map(lambda one: replace(one, observer="another", up=True, at_s=NOW)))]
    after = merged(verdict, said)
    assert not (before.availability is not DOWN and after.availability is DOWN)
    assert not (before.availability is UP and after.availability is not UP)


@given(verdicts, opinions, words)
def test_one_peer_among_others_cannot_take_a_replica_away(verdict: Verdict, said: list[Opinion], liar: Opinion) -> None:
    ups = [replace(one, up=True) for one in said]
    found = merged(verdict, [*ups, replace(liar, observer="liar", up=False)])
    if ups and verdict.availability is not DOWN:
        assert found.availability is not DOWN


@given(verdicts, opinions)
def test_doubt_ends_by_itself_or_by_a_second_word_of_the_zone(verdict: Verdict, said: list[Opinion]) -> None:
    found = merged(verdict, said)
    if found.rule is not Rule.DOUBT:
        return
    if found.until_s is None:
        (near,) = [one for one in said if one.observer_zone == "zone-a"]
        for up, availability in ((True, UP), (False, DOWN)):
            second = replace(near, observer="second", up=up, at_s=NOW)
            assert merged(verdict, [*said, second]).availability is availability
    else:
        assert NOW < found.until_s <= NOW + DOUBT_S
        assert (
            merge(verdict, said, zone="zone-a", now=found.until_s, expiry_s=1e9, doubt_s=DOUBT_S).rule is not Rule.DOUBT
        )
