"""What an experiment's actions do to the target, and what is refused."""

from collections.abc import Iterator

import pytest

from lbmesh_chaos.toolkit import actions, session
from lbmesh_chaos.toolkit.session import Session
from lbmesh_chaos.toolkit.target import RefusedError
from tests.chaos.faults.worlds import three_zones
from tests.chaos.toolkit.targets import Remembering

KILL = {"targets": "lb-a1", "at_most": "10s"}
CUT = {"targets": "zone-a", "at_most": "10s"}


@pytest.fixture
def target() -> Iterator[Remembering]:
    target = Remembering(three_zones())
    session.opened(Session(target))
    yield target
    session.forgotten()


def test_all_are_healed_the_newest_first(target: Remembering) -> None:
    now = session.current()
    now.apply("kill", KILL)
    now.apply("cut", CUT)
    now.heal_all()
    assert target.asked == [("apply", "kill"), ("apply", "cut"), ("heal", 2), ("heal", 1)]
    assert now.standing == ()


def test_what_is_left_behind_is_remembered(target: Remembering) -> None:
    target.leaves[1] = ("lb-a1: a process is stopped",)
    now = session.current()
    now.apply("kill", KILL)
    assert now.heal("kill") == target.leaves[1]
    assert now.residue == list(target.leaves[1])


def test_what_was_refused_does_not_stand(target: Remembering) -> None:
    target.refuses = "no"
    now = session.current()
    with pytest.raises(RefusedError, match="no"):
        now.apply("kill", KILL)
    assert now.standing == ()


def test_only_what_stands_can_be_healed(target: Remembering) -> None:
    session.current().apply("kill", KILL)
    with pytest.raises(RefusedError, match='no fault "kil" stands; those that do: kill'):
        session.current().heal("kil")
    assert target.asked == [("apply", "kill")]


def test_an_impossible_order_does_not_reach_the_target(target: Remembering) -> None:
    with pytest.raises(RefusedError, match='nothing in the world "test" is called "lb-a9"'):
        session.current().apply("kill", {**KILL, "targets": "lb-a9"})
    assert target.asked == []


def test_an_action_is_named_as_the_fault_and_takes_its_arguments(target: Remembering) -> None:
    done = vars(actions)["kill"](targets="lb-a1", at_most="10s", label="a-label")
    assert done == {"label": "a-label", "at_most_s": 10.0}
    assert target.asked == [("apply", "kill")]
    assert actions.heal("a-label") == []


def test_without_a_session_actions_say_how_to_get_one() -> None:
    with pytest.raises(RefusedError, match="give the experiment the control"):
        vars(actions)["kill"](targets="lb-a1", at_most="10s")


def test_one_session_at_a_time(target: Remembering) -> None:
    with pytest.raises(RefusedError, match="one at a time"):
        session.opened(Session(target))
