"""Flap damping slows the return, and nothing else."""

from itertools import pairwise
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.damping import Damping
from lbmesh.health.limits import HOLD_MAX_S, PENALTY_MAX
from lbmesh.model.health import Availability

UP, UNKNOWN, DOWN = Availability.UP, Availability.UNKNOWN, Availability.DOWN


def after(*steps: tuple[Availability, float]) -> Damping:
    damping = Damping()
    for availability, at_s in steps:
        damping = damping.after(availability, at_s)
    return damping


def test_the_first_restart_is_never_held_back() -> None:
    assert not after((UP, 0), (DOWN, 1), (UP, 1.1)).is_held(1.1)
    assert not after((DOWN, 0), (UP, 0.1)).is_held(0.1)


def test_the_second_within_a_short_time_is_held_until_the_penalty_has_decayed() -> None:
    damping = after((UP, 0), (DOWN, 0), (UP, 1), (DOWN, 10), (UP, 11))
    assert 3 < damping.penalty < 4
    assert damping.is_held(11)
    assert 60 < damping.release_s - 11 < 120
    assert damping.penalty_at(damping.release_s) <= 1.0 + 1e-9
    assert not damping.is_held(damping.release_s)


def test_what_is_held_back_goes_down_at_once_and_is_held_when_it_returns() -> None:
    held = after((UP, 0), (DOWN, 0), (UP, 1), (DOWN, 10), (UP, 11))
    gone = held.after(DOWN, 20)
    assert not gone.is_held(20)
    assert gone.after(UP, 30).is_held(30)
    assert gone.after(UP, 30).held_since_s == 11, "the five minutes count from the first return"


def test_what_this_nodes_own_link_did_is_no_flap_of_the_replica() -> None:
    """The link breaks three times; each time the replica is out of reach first, or only once no peer is heard."""
    damping = Damping().after(UP, 0.0)
    for cut_s in (0.0, 3.0, 6.0):
        for down_s in (cut_s + 0.4, cut_s + 1.0):
            isolated_from_s, isolated_to_s, up_s = cut_s + 0.6, cut_s + 1.6, cut_s + 2.0
            isolated_s = down_s if down_s >= isolated_from_s else -inf
            broken = damping.after(DOWN, down_s, isolated_s=isolated_s)
            whole = broken.after(UP, up_s, isolated_s=isolated_to_s)
            assert whole.penalty <= 0.01
            assert not whole.is_held(up_s)
        damping = whole
    assert damping.after(DOWN, 100.0, isolated_s=7.6).after(UP, 101.0, isolated_s=7.6).penalty > 1.9


def test_restarts_some_minutes_apart_are_never_held_back() -> None:
    steps = [
        (availability, start + delay) for start in range(0, 3600, 120) for availability, delay in ((DOWN, 0), (UP, 5))
    ]
    damping = after((UP, -1))
    for availability, at_s in steps:
        damping = damping.after(availability, at_s)
        assert not damping.is_held(at_s)


def test_what_flaps_for_ever_is_tried_once_in_five_minutes() -> None:
    damping = Damping().after(UP, 0.0)
    returns = []
    for second in range(1, 3600):
        damping = damping.after(DOWN if second % 10 < 5 else UP, float(second))
        if damping.availability is UP and not damping.is_held(second) and second % 10 == 5:
            returns.append(second)
    gaps = [later - earlier for earlier, later in pairwise(returns)]
    assert returns[:1] == [5]
    assert all(gap >= HOLD_MAX_S - 10 for gap in gaps[1:])
    assert max(gaps) <= HOLD_MAX_S + 20
    assert damping.penalty <= PENALTY_MAX


transitions = st.lists(st.tuples(st.sampled_from(Availability), st.floats(0, 400)), max_size=60)


@given(transitions)
def test_nothing_is_held_longer_than_the_cap_and_only_while_up(steps: list[tuple[Availability, float]]) -> None:
    damping, now, held_for_s = Damping(), 0.0, 0.0
    for availability, wait_s in steps:
        if damping.is_held(now):
            held_for_s = min(damping.release_s, now + wait_s) - damping.held_since_s
            assert damping.availability is UP
            assert held_for_s <= HOLD_MAX_S
            assert damping.release_s < inf
        now += wait_s
        damping = damping.after(availability, now)
        assert 0 <= damping.penalty <= PENALTY_MAX
        if availability is DOWN:
            assert not damping.is_held(now)


def test_unknown_is_no_transition() -> None:
    assert after((UP, 0), (UNKNOWN, 1), (UP, 2), (UNKNOWN, 3), (UP, 4)).penalty == 0


def test_words_that_cross_each_other_are_no_flaps() -> None:
    """One outage of eight seconds, in which a peer's word comes a moment before this node's own probe."""
    once = Damping()
    for availability, at_s in ((UP, 0), (DOWN, 10), (UP, 10.1), (DOWN, 10.2), (UP, 18), (DOWN, 18.1), (UP, 18.2)):
        once = once.after(availability, at_s, by_peers=True)
    assert once.penalty_at(18.2) < 2.1
    assert not once.is_held(18.2)


def test_what_this_node_saw_for_itself_counts_however_short_it_was() -> None:
    damping = after((UP, 0), (DOWN, 2), (UP, 2.3), (DOWN, 4.3), (UP, 4.6))
    assert damping.penalty > 3.5
    assert damping.is_held(4.6)
