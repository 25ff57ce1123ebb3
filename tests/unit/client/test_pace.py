"""The measured hedge delay, and what it does to a balancer that is slow once."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.client.attempts import Attempts, Judgement, Start, Stop, Wait
from lbmesh.client.budget import AttemptBudget
from lbmesh.client.limits import GUESSES_MAX, PACES_MAX
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.pace import CAUTION, ENOUGH, EVERY, SOME, WIDTH, Pace, Paces
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


def begin(
    memory: BalancerMemory, pace: Pace, now: float, repeat: Repeat = Repeat.HEDGED, *, connect_s: float = 0.0
) -> Attempts:
    """A request whose first attempt is under way at the first balancer of the order."""
    attempts = Attempts(POLICY, memory, AttemptBudget(0.2, 3), pace, now, repeat=repeat)
    start = attempts.step(now)
    assert isinstance(start, Start)
    attempts.connected(0, start.order[0], now, connect_s=connect_s)
    return attempts


def delay_s(pace: Pace, connect_s: float = 0.0) -> float:
    """Where hedging is not off."""
    found = pace.delay_s(connect_s)
    assert found is not None
    return found


def outrun(memory: BalancerMemory, pace: Pace, now: float) -> Attempts:
    """A request whose hedge is answered first."""
    attempts = begin(memory, pace, now)
    later = now + delay_s(pace)
    start = attempts.step(later)
    assert isinstance(start, Start)
    attempts.connected(1, start.order[0], later)
    assert attempts.answered(1, 200, later + 0.001) is Judgement.TAKE
    return attempts


def test_where_nothing_is_measured_the_connect_says_how_far_away_the_balancer_is() -> None:
    pace = Pace(POLICY)
    assert delay_s(pace, 0.0) == POLICY.hedge_min_s
    assert delay_s(pace, 0.03) == POLICY.hedge_min_s + 0.06
    assert delay_s(pace, 0.5) == POLICY.hedge_delay_s, "never later than without having looked"


def test_one_slow_answer_is_no_proof_and_a_few_are_enough_to_ask_a_slow_service_once() -> None:
    for slow_s in (0.4, 3.0):
        pace = Pace(POLICY)
        for _ in range(SOME - 1):
            pace.note(slow_s)
            assert delay_s(pace) == POLICY.hedge_delay_s
        pace.note(slow_s)
        assert delay_s(pace) == CAUTION * slow_s


def test_the_delay_follows_what_is_measured_closely_once_that_is_enough() -> None:
    pace = Pace(POLICY)
    for _ in range(ENOUGH - 1):
        pace.note(0.1)
        assert delay_s(pace) == CAUTION * 0.1
    pace.note(0.1)
    assert delay_s(pace, 0.5) == 0.1


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300), st.sampled_from((0.5, 0.9, 0.99, 0.999)))
def test_the_delay_stays_within_its_bounds(taken: list[float], quantile: float) -> None:
    """At most 250 ms, or twice what four of five answers take."""
    pace = Pace(Policy(hedge_quantile=quantile))
    for number, each in enumerate(taken, 1):
        pace.note(each)
        if number <= ENOUGH or not (number - ENOUGH) % EVERY:
            four_of_five = sorted(taken[:number])[int(0.8 * number)]
            assert POLICY.hedge_min_s <= delay_s(pace) <= max(0.25, WIDTH * four_of_five)


def test_a_few_slow_answers_do_not_have_the_quick_ones_wait() -> None:
    pace = Pace(POLICY)
    for number in range(200):
        pace.note(5.0 if number % 10 == 0 else 0.005)
    assert delay_s(pace) == POLICY.hedge_delay_s


def test_a_service_that_is_slow_by_nature_is_waited_for_as_long_as_it_takes() -> None:
    pace, rng = Pace(POLICY), random.Random(1)
    taken = [2.0 * rng.lognormvariate(0.0, 0.3) for _ in range(ENOUGH + 10 * EVERY)]
    for each in taken:
        pace.note(each)
    assert sum(each > delay_s(pace) for each in taken) <= 0.02 * len(taken)


@given(st.lists(st.floats(0, 100), min_size=ENOUGH, max_size=ENOUGH))
def test_no_service_is_asked_twice_for_more_than_the_budgets_share_of_its_answers(taken: list[float]) -> None:
    pace = Pace(POLICY)
    for each in taken:
        pace.note(each)
    assert sum(each > delay_s(pace) for each in taken) <= POLICY.budget_share * ENOUGH


def test_it_can_be_fixed_or_off() -> None:
    assert delay_s(quick(Policy(hedge_quantile=None))) == 0.25
    assert quick(Policy(hedge_delay_s=None)).delay_s(0.0) is None


def test_the_delay_does_not_sink_with_each_hedge() -> None:
    """Of 20 answers one takes 150 ms, and is hedged away: it counts all the same."""
    memory, pace = BalancerMemory((A, B, C), POLICY, random.Random(1)), Pace(POLICY)
    memory.worked(A, 0.0)
    for number in range(2000):
        attempts = begin(memory, pace, float(number))
        slow = number % 20 == 0
        if slow and delay_s(pace) < 0.15:
            attempts.close()
            outrun(memory, pace, float(number)).close()
        else:
            attempts.answered(0, 200, number + (0.15 if slow else 0.1))
            attempts.close()
    assert delay_s(pace) >= 0.1


def test_the_delay_does_not_rise_with_each_new_transport_at_a_frozen_balancer() -> None:
    """Each remembers nothing, so each waits for it once: times that are not the service's."""
    pace = quick()
    for number in range(500):
        memory = BalancerMemory((A, B, C), POLICY, random.Random(1))
        attempts = outrun(memory, pace, float(number))
        assert attempts.spoiled == {A}, "one that never answered needs no second chance"
        attempts.close()
    assert delay_s(pace) == POLICY.hedge_min_s


def test_answers_that_are_put_aside_and_requests_that_are_never_hedged_say_nothing_of_the_service() -> None:
    memory, pace = BalancerMemory((A, B, C), POLICY, random.Random(1)), Pace(POLICY)
    assert begin(memory, pace, 0.0).answered(0, 503, 0.001) is Judgement.KEEP
    assert begin(memory, pace, 0.0, Repeat.ONCE).answered(0, 200, 3.0) is Judgement.TAKE
    assert not pace.is_measured


def test_a_burst_of_requests_at_a_slow_service_guesses_a_few_times_only_and_learns_from_the_first_answer() -> None:
    memory, pace, budget = BalancerMemory((A, B, C), POLICY, random.Random(1)), Pace(POLICY), AttemptBudget(0.2, 10)
    burst = [Attempts(POLICY, memory, budget, pace, 0.0, repeat=Repeat.HEDGED) for _ in range(50)]
    for attempts in burst:
        attempts.step(0.0)
        attempts.connected(0, A, 0.0)
    now = POLICY.hedge_min_s
    steps = [attempts.step(now) for attempts in burst]
    assert [isinstance(step, Start) for step in steps] == [True] * GUESSES_MAX + [False] * (50 - GUESSES_MAX)
    assert all(isinstance(step, Wait) and step.until is not None and step.until > now for step in steps[GUESSES_MAX:])
    for attempts in burst[:GUESSES_MAX]:
        attempts.connected(1, B, now)
    burst[-1].answered(0, 200, 0.15)
    assert not any(isinstance(attempts.step(0.16), Start) for attempts in burst[GUESSES_MAX:-1])
    for attempts in burst:
        attempts.close()
    assert budget.extra == 0
    assert [pace.try_guess() for _ in range(GUESSES_MAX + 1)] == [True] * GUESSES_MAX + [False], "all given back"


def test_guesses_that_hang_hold_nobody_up_longer_than_the_delay() -> None:
    pace = Pace(POLICY)
    for _ in range(GUESSES_MAX):
        assert pace.try_guess()
    attempts = begin(BalancerMemory((A, B, C), POLICY, random.Random(1)), pace, 0.0)
    assert isinstance(attempts.step(0.24), Wait)
    assert isinstance(attempts.step(0.25), Start)


def test_services_have_paces_of_their_own_which_are_bounded_and_forgotten_in_a_child() -> None:
    paces = Paces()
    shop = paces.of("shop", POLICY)
    shop.note(0.1)
    assert paces.of("shop", Policy(spread=False)) is shop, "another transport with the same policy"
    assert paces.of("shop", Policy(hedge_min_s=0.01)) is not shop
    for number in range(PACES_MAX):
        paces.of(number, POLICY)
    fresh = paces.of("shop", POLICY)
    assert fresh is not shop, "the least recently used is given up"
    fresh.note(0.1)
    paces.start_afresh()
    assert not paces.of("shop", POLICY).is_measured


def test_one_slow_answer_does_not_move_the_home_but_two_in_a_row_do() -> None:
    memory, pace = BalancerMemory((A, B, C), POLICY, random.Random(1)), quick()
    memory.worked(A, 0.0)
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
