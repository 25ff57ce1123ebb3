import pytest

from lbmesh.gossip.verdict import Subject, judge
from lbmesh.model.member import MemberState

ALIVE, IMPAIRED, DOWN = MemberState.ALIVE, MemberState.IMPAIRED, MemberState.DOWN


def picture(names: str, broken: str, stale: str = "", down: str = "") -> list[Subject]:
    """Members by name, their zone the first letter; everybody tests everybody. `broken`: "a1>b1 a2>b1"."""
    members = names.split()
    pairs = set(broken.split())
    return [
        Subject(
            name,
            name[0],
            DOWN if name in down.split() else ALIVE,
            name not in stale.split(),
            {other: f"{name}>{other}" in pairs for other in members if other != name},
        )
        for name in members
    ]


def everybody_but(names: str, lost: str) -> str:
    return " ".join(f"{name}>{gone}" for name in names.split() for gone in lost.split() if name not in lost.split())


THREE = "a1 b1 c1"
NINE = "a1 a2 a3 b1 b2 b3 c1 c2 c3"


@pytest.mark.parametrize(
    ("subjects", "subject", "state"),
    [
        (picture(THREE, ""), "c1", ALIVE),
        (picture(THREE, "a1>c1"), "c1", IMPAIRED),
        (picture(THREE, "a1>c1 b1>c1"), "c1", DOWN),
        (picture("a1 b1", "a1>b1"), "b1", DOWN),
        (picture(THREE, "a1>b1 a1>c1", down="c1"), "b1", DOWN),
        (picture("a1 a2 b1", "a1>b1"), "b1", IMPAIRED),
        (picture("a1 a2 b1", "a1>b1 a2>b1"), "b1", DOWN),
        (picture("a1 a2 a3 a4", "a1>a2 a3>a2"), "a2", DOWN),
        (picture("a1 a2 a3 a4", "a1>a2"), "a2", IMPAIRED),
        (picture(NINE, everybody_but(NINE, "c2")), "c2", DOWN),
        (picture(NINE, everybody_but(NINE, "c1 c2 c3")), "c2", DOWN),
        (picture(NINE, "a1>c2 a2>c2 a3>c2 b1>c2"), "c2", IMPAIRED),
        (picture(NINE, "a1>c2 a2>c2 a3>c2 b1>c2 b2>c2"), "c2", DOWN),
        (picture(NINE, everybody_but(NINE, "b1 b2 b3 c1 c2 c3"), stale="b1 b2 b3 c1 c2 c3"), "b1", IMPAIRED),
        (picture(NINE, everybody_but(NINE, "a2 a3 b2 b3 c1 c2"), stale="a2 a3 b2 b3 c1 c2"), "c1", DOWN),
        (picture(NINE, everybody_but(NINE, "b1 b2 b3"), down="c1 c2 c3"), "b2", DOWN),
    ],
)
def test_the_rules(subjects: list[Subject], subject: str, state: MemberState) -> None:
    assert judge(subjects, "a1")[subject].state is state


def test_a_dead_zone_of_six_among_ten_is_outvoted_as_one_subject() -> None:
    names = "a1 a2 a3 a4 a5 a6 b1 b2 c1 c2"
    dead = "a1 a2 a3 a4 a5 a6"
    findings = judge(picture(names, everybody_but(names, dead)), "b1")
    assert [name for name, finding in findings.items() if finding.state is DOWN] == dead.split()
    assert "zone a is down" in findings["a3"].reason


def test_one_edge_into_a_zone_keeps_it_from_being_judged_as_one() -> None:
    broken = set(everybody_but(NINE, "c1 c2 c3").split()) - {"a1>c1", "a2>c1", "a3>c1", "b1>c1"}
    findings = judge(picture(NINE, " ".join(broken)), "a1")
    assert findings["c1"].state is IMPAIRED
    assert findings["c2"].state is DOWN


def test_who_is_down_has_no_vote() -> None:
    accusations = " ".join(f"c1>{name}" for name in NINE.split() if name != "c1")
    findings = judge(picture(NINE, f"{everybody_but(NINE, 'c1')} {accusations}"), "a1")
    assert findings["c1"].state is DOWN
    assert {finding.state for name, finding in findings.items() if name != "c1"} == {ALIVE}


def test_the_judge_is_not_among_the_judged() -> None:
    assert set(judge(picture(THREE, "b1>a1 c1>a1"), "a1")) == {"b1", "c1"}
