"""The decisions of one request, without a socket or a clock."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.client.attempts import Attempts, Failure, Judgement, Start, Stop, Wait
from lbmesh.client.budget import AttemptBudget
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.pace import Pace
from lbmesh.client.policy import Policy, Repeat
from lbmesh.model.address import Address

A, B, C = (Address(f"10.0.{zone}.10", 80) for zone in (1, 2, 3))
LISTED = Policy(spread=False, hedge_quantile=None)


def begin(
    policy: Policy = LISTED, *, repeat: Repeat = Repeat.HEDGED, budget: AttemptBudget | None = None
) -> tuple[Attempts, BalancerMemory, AttemptBudget]:
    """A request at time 0 over A, B and C."""
    memory = BalancerMemory((A, B, C), policy, random.Random(1))
    budget = budget or AttemptBudget(policy.budget_share, policy.budget_floor)
    return Attempts(policy, memory, budget, Pace(policy), 0.0, repeat=repeat), memory, budget


def test_the_first_attempt_starts_at_once_over_all() -> None:
    attempts, _, _ = begin()
    assert attempts.step(0.0) == Start(0, (A, B, C))
    assert attempts.step(0.0) == Wait(None), "while it dials there is nothing to hedge"


def test_the_hedge_is_due_after_the_delay_on_those_left() -> None:
    attempts, _, budget = begin()
    attempts.step(0.0)
    attempts.connected(0, A, 0.1)
    assert attempts.step(0.1) == Wait(0.1 + LISTED.hedge_delay_s)  # type: ignore[operator]
    assert attempts.step(0.35) == Start(1, (B, C))
    assert budget.extra == 1


@pytest.mark.parametrize("policy", [Policy(spread=False, hedge_delay_s=None), Policy(spread=False, attempts_max=1)])
def test_hedging_can_be_switched_off(policy: Policy) -> None:
    attempts, _, _ = begin(policy)
    attempts.step(0.0)
    attempts.connected(0, A, 0.0)
    assert attempts.step(60.0) == Wait(None)


def test_a_request_that_cannot_be_repeated_is_sent_once() -> None:
    attempts, _, _ = begin(repeat=Repeat.ONCE)
    attempts.step(0.0)
    attempts.connected(0, A, 0.0)
    assert attempts.step(60.0) == Wait(None)
    attempts.broke(0, "reset the connection", 60.0, reused=False, timed_out=False)
    assert attempts.step(60.0) == Stop()


def test_a_break_is_repeated_at_once_elsewhere_and_remembered() -> None:
    attempts, memory, _ = begin()
    attempts.step(0.0)
    attempts.connected(0, A, 0.0)
    attempts.broke(0, "reset the connection", 0.0, reused=False, timed_out=False)
    assert attempts.step(0.0) == Start(1, (B, C))
    assert memory.order(0.0, may_repeat=True) == (B, C, A)


def test_a_kept_connection_that_ended_is_no_black_mark_and_its_balancer_comes_last() -> None:
    attempts, memory, _ = begin()
    attempts.step(0.0)
    attempts.connected(0, A, 0.0)
    attempts.broke(0, "reset the connection", 0.0, reused=True, timed_out=False)
    assert attempts.step(0.0) == Start(1, (B, C, A))
    assert attempts.spoiled == {A}
    assert memory.order(0.0, may_repeat=True) == (A, B, C)


def test_nothing_begins_after_the_callers_patience_is_over() -> None:
    attempts, _, _ = begin()
    attempts.step(0.0)
    attempts.connected(0, A, 0.0)
    attempts.broke(0, "did not answer in time", 5.0, reused=False, timed_out=True)
    assert attempts.step(5.0) == Stop()


def test_the_winner_of_a_hedge_makes_the_loser_rest() -> None:
    attempts, memory, budget = begin()
    attempts.step(0.0)
    attempts.connected(0, A, 0.0)
    attempts.step(0.3)
    attempts.connected(1, B, 0.3)
    assert attempts.answered(1, 200, 0.31) is Judgement.TAKE
    attempts.close()
    assert memory.order(0.31, may_repeat=True) == (B, C, A)
    assert (budget.extra, budget.requests) == (0, 0)


def test_a_hedge_that_lost_is_no_black_mark() -> None:
    attempts, memory, _ = begin()
    attempts.step(0.0)
    attempts.connected(0, A, 0.0)
    attempts.step(0.3)
    attempts.connected(1, B, 0.3)
    assert attempts.answered(0, 200, 0.31) is Judgement.TAKE
    assert memory.order(0.31, may_repeat=True) == (A, B, C)


def test_an_answer_that_could_be_better_is_put_aside_and_only_a_better_one_marks_it() -> None:
    attempts, memory, _ = begin()
    attempts.step(0.0)
    attempts.connected(0, A, 0.0)
    assert attempts.answered(0, 503, 0.0) is Judgement.KEEP
    assert memory.order(0.0, may_repeat=True) == (A, B, C)
    assert attempts.step(0.0) == Start(1, (B, C))
    attempts.connected(1, B, 0.0)
    assert attempts.answered(1, 404, 0.0) is Judgement.TAKE
    assert memory.order(0.0, may_repeat=True) == (B, C, A)


def test_those_outrun_in_a_race_are_tried_last() -> None:
    attempts, _, _ = begin()
    attempts.step(0.0)
    attempts.connected(0, B, 0.05, outrun=(A,))
    attempts.broke(0, "reset the connection", 0.05, reused=False, timed_out=False)
    assert attempts.step(0.05) == Start(1, (C, A))


def test_an_empty_budget_is_waited_for_but_not_for_ever() -> None:
    attempts, _, budget = begin(budget=AttemptBudget(0.0, 1, extra=1))
    attempts.step(0.0)
    attempts.connected(0, A, 0.0)
    attempts.broke(0, "reset the connection", 0.0, reused=False, timed_out=False)
    assert isinstance(attempts.step(0.0), Wait)
    assert attempts.step(LISTED.budget_wait_s) == Stop()
    assert "retry budget" in attempts.describe()
    budget.give_back()
    assert isinstance(attempts.step(LISTED.budget_wait_s), Start)


EVENTS = st.lists(st.sampled_from(["answer", "503", "break", "stale", "timeout", "refused", "all refused", "tick"]))


@given(EVENTS, st.sampled_from(Repeat), st.integers(1, 5), st.integers(0, 2))
def test_whatever_happens_the_bounds_hold(events: list[str], repeat: Repeat, attempts_max: int, floor: int) -> None:
    """Never more attempts than allowed, one send when it must not be repeated, and everything is given back."""
    policy = Policy(spread=False, attempts_max=attempts_max, budget_floor=floor, budget_share=0.0)
    attempts, _, budget = begin(policy, repeat=repeat)
    sent: list[Address] = []
    dialling: list[Start] = []
    connected: list[int] = []
    now = 0.0
    for event in events:
        match attempts.step(now):
            case Start() as start:
                assert start.order
                assert budget.extra <= floor
                dialling.append(start)
            case Wait(until):
                assert until is None or until > now
            case Stop():
                assert attempts.running == 0
        now += 0.1
        if dialling and event == "all refused":
            refused = dialling.pop()
            attempts.dial_failed(refused.attempt, [Failure(b, "refused") for b in refused.order], now, timed_out=False)
        elif dialling:
            start = dialling.pop()
            skipped = start.order[: 1 if event == "refused" and len(start.order) > 1 else 0]
            balancer = start.order[len(skipped)]
            attempts.connected(start.attempt, balancer, now, failed=[Failure(b, "refused") for b in skipped])
            sent.append(balancer)
            connected.append(start.attempt)
        elif connected and event in ("answer", "503"):
            taken = attempts.answered(connected.pop(), 200 if event == "answer" else 503, now)
            if taken is Judgement.TAKE:
                break
        elif connected and event in ("break", "stale", "timeout"):
            attempts.broke(connected.pop(), event, now, reused=event == "stale", timed_out=event == "timeout")
    attempts.close()
    assert len(sent) <= (1 if repeat is Repeat.ONCE else attempts_max)
    assert (budget.extra, budget.requests) == (0, 0)


def test_the_description_names_each_balancer() -> None:
    attempts, _, _ = begin()
    attempts.step(0.0)
    attempts.dial_failed(0, [Failure(b, "refused the connection") for b in (A, B, C)], 0.25, timed_out=False)
    assert attempts.step(0.25) == Stop()
    for balancer in (A, B, C):
        assert f"{balancer} refused the connection (after 0.250 s)" in attempts.describe()


def test_the_description_says_when_a_request_may_have_been_carried_out() -> None:
    attempts, _, _ = begin(repeat=Repeat.ONCE)
    attempts.step(0.0)
    assert "carried out" not in attempts.describe(), "nothing was sent"
    attempts.connected(0, A, 0.0)
    attempts.broke(0, "reset the connection", 0.25, reused=False, timed_out=False)
    assert "may have been carried out, so it was not sent again" in attempts.describe()
    other, _, _ = begin()
    other.step(0.0)
    other.connected(0, A, 0.0)
    assert "carried out" not in other.describe(), "one that is sent again"
