"""The measured hedge delay, and what it does to a balancer that is slow once."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.client.attempts import Attempts, Judgement, Start, Stop, Wait
from lbmesh.client.budget import AttemptBudget
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.pace import ENOUGH, Pace
from lbmesh.client.policy import Policy, Repeat
from lbmesh.model.address import Address

A, B, C = (Address(f"10.0.{zone}.10", 80) for zone in (1, 2, 3))
POLICY = Policy(spread=False)


def quick(policy: Policy = POLICY) -> Pace:
    """Of answers that take a millisecond."""
    pace = Pace(policy)
    for _ in range(ENOUGH):
        pace.note(0.001)
    return pace


def begin(memory: BalancerMemory, pace: Pace, now: float, repeat: Repeat = Repeat.HEDGED) -> Attempts:
    """A request whose first attempt is under way at the first balancer of the order."""
    attempts = Attempts(POLICY, memory, AttemptBudget(0.2, 3), pace, now, repeat=repeat)
    start = attempts.step(now)
    assert isinstance(start, Start)
    attempts.connected(0, start.order[0], now)
    return attempts


def outrun(memory: BalancerMemory, pace: Pace, now: float) -> Attempts:
    """A request whose hedge is answered first."""
    attempts = begin(memory, pace, now)
    assert pace.delay_s is not None
    later = now + pace.delay_s
    start = attempts.step(later)
    assert isinstance(start, Start)
    attempts.connected(1, start.order[0], later)
    assert attempts.answered(1, 200, later + 0.001) is Judgement.TAKE
    return attempts


def test_the_delay_follows_what_is_measured_once_that_is_enough() -> None:
    pace = Pace(POLICY)
    for _ in range(ENOUGH - 1):
        pace.note(0.1)
        assert pace.delay_s == POLICY.hedge_delay_s
    pace.note(0.1)
    assert pace.delay_s == 0.1


@given(st.lists(st.floats(0, 100), max_size=300), st.sampled_from((0.5, 0.9, 0.99, 0.999)))
def test_the_delay_stays_within_its_bounds(taken: list[float], quantile: float) -> None:
    pace = Pace(Policy(hedge_quantile=quantile))
    for each in taken:
        pace.note(each)
        assert pace.delay_s is not None
        assert POLICY.hedge_min_s <= pace.delay_s <= 0.25


def test_it_can_be_fixed_or_off() -> None:
    assert quick(Policy(hedge_quantile=None)).delay_s == 0.25
    assert quick(Policy(hedge_delay_s=None)).delay_s is None


def test_the_delay_does_not_sink_with_each_hedge() -> None:
    """Of 20 answers one takes 150 ms, and is hedged away: it counts all the same."""
    memory, pace = BalancerMemory((A, B, C), POLICY, random.Random(1)), Pace(POLICY)
    for number in range(2000):
        attempts = begin(memory, pace, float(number))
        slow = number % 20 == 0
        if slow and pace.delay_s is not None and pace.delay_s < 0.15:
            attempts.close()
            outrun(memory, pace, float(number)).close()
        else:
            attempts.answered(0, 200, number + (0.15 if slow else 0.1))
            attempts.close()
    assert pace.delay_s is not None
    assert pace.delay_s >= 0.1


def test_one_slow_answer_does_not_move_the_home_but_two_in_a_row_do() -> None:
    memory, pace = BalancerMemory((A, B, C), POLICY, random.Random(1)), quick()
    assert outrun(memory, pace, 1.0).spoiled == set()
    assert memory.order(1.1, may_repeat=True) == (A, B, C)
    memory.worked(A, 1.2)
    assert outrun(memory, pace, 2.0).spoiled == set(), "an answer in between makes good"
    assert outrun(memory, pace, 3.0).spoiled == {A}
    assert memory.order(3.1, may_repeat=True) == (B, C, A)


def test_a_request_with_a_key_waits_for_its_attempt_and_is_no_probe() -> None:
    memory = BalancerMemory((A, B, C), POLICY, random.Random(1))
    memory.failed(A, 0.0)
    attempts = begin(memory, quick(), 100.0, Repeat.AFTER_FAILURE)
    assert attempts.step(160.0) == Wait(None), "two at a time with one key are refused by many origins"
    attempts.broke(0, "reset the connection", 160.0, reused=False, timed_out=False)
    again = attempts.step(160.0)
    assert isinstance(again, Start)
    assert again.order == (C, A)


def test_what_may_not_be_repeated_trusts_a_kept_connection_only_while_its_balancer_answers() -> None:
    memory = BalancerMemory((A, B, C), POLICY, random.Random(1))
    for now, fresh in ((0.0, True), (5.0, False), (5.9, False), (6.1, True)):
        if now == 5.0:
            memory.worked(A, now)
        for repeat in (Repeat.ONCE, Repeat.AFTER_FAILURE):
            step = Attempts(POLICY, memory, AttemptBudget(0.2, 3), Pace(POLICY), now, repeat=repeat).step(now)
            assert step == Start(0, (A, B, C), fresh)
        step = Attempts(POLICY, memory, AttemptBudget(0.2, 3), Pace(POLICY), now, repeat=Repeat.HEDGED).step(now)
        assert step == Start(0, (A, B, C)), "one that is hedged finds out by itself"


def test_a_balancer_that_a_look_up_took_away_meanwhile_harms_nothing() -> None:
    memory, pace = BalancerMemory((A, B, C), POLICY, random.Random(1)), quick()
    attempts = begin(memory, pace, 0.0)
    memory.failed(B, 0.0)
    assert memory.settle((C, B)) == (A,)
    assert memory.order(0.1, may_repeat=True) == (C, B), "what is remembered of one that stays, stays"
    attempts.broke(0, "reset the connection", 0.1, reused=False, timed_out=False)
    attempts.connected(1, B, 0.2) if isinstance(attempts.step(0.2), Start) else None
    attempts.close()
    memory.worked(A, 0.2)
    assert not memory.outrun(A, 1.0, 0.2)
    assert not memory.is_proven(A, 0.2)
    assert not isinstance(attempts.step(0.3), Stop) or attempts.running == 0
