from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.gossip.verdict import Finding, Rule, Subject, judge
from lbmesh.model.member import MemberState

ALIVE, IMPAIRED, DOWN = MemberState.ALIVE, MemberState.IMPAIRED, MemberState.DOWN


def picture(names: str, broken: str, down: str = "") -> list[Subject]:
    """Members by name, their zone the first letter; everybody tests everybody. `broken`: "a1>b1 a2>b1"."""
    members = names.split()
    pairs = set(broken.split())
    return [
        Subject(
            name,
            name[0],
            DOWN if name in down.split() else ALIVE,
            {other: f"{name}>{other}" in pairs for other in members if other != name},
        )
        for name in members
    ]


def everybody_but(names: str, lost: str) -> str:
    """The edges of all others to the lost ones are broken; what the lost say themselves is of before."""
    return " ".join(f"{name}>{gone}" for name in names.split() for gone in lost.split() if name not in lost.split())


def cut_off(names: str, lost: str) -> str:
    """A cut: both sides have broken edges to the other."""
    rest = " ".join(name for name in names.split() if name not in lost.split())
    return f"{everybody_but(names, lost)} {everybody_but(names, rest)}"


def found(subjects: list[Subject], me: str = "a1") -> dict[str, Finding]:
    return dict(judge(subjects, me).findings)


THREE = "a1 b1 c1"
NINE = "a1 a2 a3 b1 b2 b3 c1 c2 c3"
UNEQUAL = "a1 a2 a3 a4 a5 a6 b1 b2 c1 c2"
FIVE_ZONES = "a1 a2 b1 b2 c1 c2 d1 d2 e1 e2"


@pytest.mark.parametrize(
    ("subjects", "subject", "state"),
    [
        (picture(THREE, ""), "c1", ALIVE),
        (picture(THREE, "a1>c1"), "c1", IMPAIRED),
        (picture(THREE, "a1>c1 b1>c1"), "c1", DOWN),
        (picture("a1 b1", "a1>b1"), "b1", DOWN),
        (picture(THREE, "a1>b1 a1>c1 b1>c1", down="c1"), "b1", DOWN),
        (picture(THREE, "a1>b1 a1>c1 b1>c1", down="c1"), "c1", DOWN),
        (picture(THREE, "", down="c1"), "c1", ALIVE),
        (picture(NINE, "a1>c1 a2>c1 a3>c1", down="c1"), "c1", IMPAIRED),
        (picture("a1 a2 b1", "a1>b1"), "b1", IMPAIRED),
        (picture("a1 a2 b1", "a1>b1 a2>b1"), "b1", DOWN),
        (picture("a1 a2 a3 a4", "a1>a2 a3>a2"), "a2", DOWN),
        (picture("a1 a2 a3 a4", "a1>a2"), "a2", IMPAIRED),
        (picture("a1 a2 a3 a4 a5", cut_off("a1 a2 a3 a4 a5", "a3 a4 a5")), "a3", IMPAIRED),
        (picture("a1 a2 a3 a4 a5", cut_off("a1 a2 a3 a4 a5", "a4 a5")), "a4", DOWN),
        (picture(NINE, everybody_but(NINE, "c2")), "c2", DOWN),
        (picture(NINE, everybody_but(NINE, "c1 c2 c3")), "c2", DOWN),
        (picture(NINE, everybody_but(NINE, "a2 b2 c2")), "c2", DOWN),
        (picture(NINE, everybody_but(NINE, "c1 c2 c3 b3")), "b3", DOWN),
        (picture("a1 a2 b1 b2 c1 c2", everybody_but("a1 a2 b1 b2 c1 c2", "b2 c2")), "b2", DOWN),
        (picture(NINE, "a1>c2 a2>c2 a3>c2 b1>c2"), "c2", IMPAIRED),
        (picture(UNEQUAL, "a1>b1 a2>b1 a3>b1 a4>b1 a5>b1 a6>b1"), "b1", IMPAIRED),
        (picture(NINE, "a1>c2 a2>c2 a3>c2 b1>c2 b2>c2"), "c2", DOWN),
        (picture(NINE, everybody_but(NINE, "b1 b2 b3 c1 c2 c3")), "b1", IMPAIRED),
        (picture(NINE, everybody_but(NINE, "b1 b2 b3"), down="c1 c2 c3"), "b2", DOWN),
    ],
)
def test_the_rules(subjects: list[Subject], subject: str, state: MemberState) -> None:
    assert found(subjects)[subject].state is state


def test_who_died_with_most_others_at_once_is_impaired_as_a_cut_would_look_the_same() -> None:
    findings = found(picture(NINE, everybody_but(NINE, "a2 a3 b2 b3 c1 c2")))
    assert {findings[name].state for name in ["a2", "a3", "b2", "b3", "c1", "c2"]} == {IMPAIRED}
    assert {findings[name].state for name in ["a1", "b1", "c3"]} == {ALIVE}


def test_a_dead_zone_of_six_among_ten_is_outvoted_as_one_subject() -> None:
    dead = "a1 a2 a3 a4 a5 a6"
    findings = found(picture(UNEQUAL, everybody_but(UNEQUAL, dead)), "b1")
    assert [name for name, finding in findings.items() if finding.state is DOWN] == dead.split()
    assert findings["a3"].rule is Rule.ZONE_DOWN
    assert "zone a is down" in findings["a3"].reason


def test_one_edge_into_a_zone_keeps_it_from_being_judged_as_one() -> None:
    broken = set(everybody_but(NINE, "c1 c2 c3").split()) - {"a1>c1", "a2>c1", "a3>c1", "b1>c1"}
    findings = found(picture(NINE, " ".join(broken)))
    assert findings["c1"].state is IMPAIRED
    assert findings["c2"].state is DOWN


def test_one_accuser_does_not_condemn_though_nobody_else_has_tested_yet() -> None:
    subjects = [
        Subject("a1", "a", ALIVE, {"a2": False, "a3": True}),
        Subject("a2", "a", ALIVE, {"a1": False}),
        Subject("a3", "a", ALIVE, {}),
    ]
    assert found(subjects)["a3"].state is IMPAIRED


def test_one_zone_does_not_condemn_another_that_the_third_has_not_tested_yet() -> None:
    untested = ("b1>c1", "b2>c1", "c1>a1", "c1>a2", "c1>b1", "c1>b2")
    subjects = [
        replace(one, edges={to: flag for to, flag in one.edges.items() if f"{one.name}>{to}" not in untested})
        for one in picture("a1 a2 b1 b2 c1", "a1>c1 a2>c1")
    ]
    assert found(subjects)["c1"].state is IMPAIRED


def test_who_is_down_has_no_vote() -> None:
    accusations = " ".join(f"c1>{name}" for name in NINE.split() if name != "c1")
    findings = found(picture(NINE, f"{everybody_but(NINE, 'c1')} {accusations}"))
    assert findings["c1"].state is DOWN
    assert {finding.state for name, finding in findings.items() if name != "c1"} == {ALIVE}


def test_who_accuses_everybody_alone_is_not_believed() -> None:
    lies = " ".join(f"c1>{name}" for name in NINE.split() if name != "c1")
    judgement = judge(picture(NINE, lies), "a1")
    assert {finding.state for finding in judgement.findings.values()} == {ALIVE}
    assert judgement.discounted == {"c1": 8}


def test_who_reaches_one_of_nine_knows_that_the_trouble_is_its_own() -> None:
    broken = " ".join(f"c1>{name} {name}>c1" for name in NINE.split() if name not in ("c1", "a1"))
    mine = found(picture(NINE, broken), "c1")
    assert (mine["c1"].state, mine["c1"].rule) == (IMPAIRED, Rule.CONTRADICTED)
    assert {finding.state for name, finding in mine.items() if name != "c1"} == {ALIVE}
    theirs = found(picture(NINE, broken), "b1")
    assert theirs.pop("c1").state is DOWN
    assert {finding.state for finding in theirs.values()} == {ALIVE}


def test_one_accusation_against_all_the_others_impairs_for_it_may_be_a_cut_link() -> None:
    judgement = judge(picture(NINE, "c1>b1"), "a1")
    assert not judgement.discounted
    assert judgement.findings["b1"].state is IMPAIRED


@pytest.mark.parametrize(
    ("names", "smaller"),
    [
        (NINE, "c1 c2 c3"),
        (UNEQUAL, "a1 a2 a3 a4 a5 a6"),
        (FIVE_ZONES, "d1 d2 e1 e2"),
        (NINE, "c1 c2"),
        (NINE, "a1 b1 c1"),
    ],
    ids=["zone", "zone of most", "two zones", "part of a zone", "across"],
)
def test_of_a_split_one_side_at_most_condemns_the_other(names: str, smaller: str) -> None:
    subjects = picture(names, cut_off(names, smaller))
    inside = smaller.split()
    outside = [name for name in names.split() if name not in inside]
    assert all(found(subjects, outside[0])[name].state is DOWN for name in inside)
    theirs = found(subjects, inside[0])
    assert {theirs[name].state for name in outside} == {IMPAIRED}
    assert {theirs[name].state for name in inside if name != inside[0]} <= {ALIVE}


@given(data=st.data(), zones=st.integers(1, 5), size=st.integers(1, 4))
def test_no_split_lets_both_sides_condemn_each_other(data: st.DataObject, zones: int, size: int) -> None:
    """Except between two zones, where one other zone's word must do."""
    members = [f"{zone}{number}" for zone in "abcde"[:zones] for number in range(size)]
    inside = data.draw(st.sets(st.sampled_from(members), min_size=1, max_size=max(1, len(members) - 1)))
    outside = [name for name in members if name not in inside]
    if not outside or zones == 2 or len(members) == 2:
        return
    subjects = picture(" ".join(members), cut_off(" ".join(members), " ".join(inside)))
    condemned = [
        any(found(subjects, judge_)[name].state is DOWN for name in others)
        for judge_, others in ((min(inside), outside), (outside[0], inside))
    ]
    assert not all(condemned)


def test_the_words_of_the_unreachable_do_not_count() -> None:
    judgement = judge(picture(NINE, cut_off(NINE, "c1 c2 c3")), "a1")
    assert judgement.trusted == {"a1", "a2", "a3", "b1", "b2", "b3"}


def test_a_chain_of_edges_carries_trust() -> None:
    broken = " ".join(f"c1>{name} {name}>c1" for name in NINE.split() if name not in ("c1", "a1"))
    assert judge(picture(NINE, broken), "c1").trusted == frozenset(NINE.split())


def test_who_watches_only_the_dead_hears_of_it_from_those_that_speak_to_it() -> None:
    subjects = [
        Subject(
            one.name,
            one.zone,
            one.state,
            dict.fromkeys(("c1", "c2", "c3"), True) if one.name == "a1" else one.edges,
        )
        for one in picture(NINE, everybody_but(NINE, "c1 c2 c3"))
    ]
    assert judge(subjects, "a1").trusted == {"a1"}
    heard = judge(subjects, "a1", heard=["b1", "c1"])
    assert {"a2", "b1", "b3"} < heard.trusted
    assert found_states(heard.findings, "c1 c2 c3") == {DOWN}


def found_states(findings: Mapping[str, Finding], names: str) -> set[MemberState]:
    return {findings[name].state for name in names.split()}
