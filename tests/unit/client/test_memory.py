"""Which balancer a request should try first, after what happened before."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.client.memory import BalancerMemory
from lbmesh.client.policy import PROBE_S, Policy
from lbmesh.model.address import Address

A, B, C = (Address(f"10.0.{zone}.10", 80) for zone in (1, 2, 3))
LISTED = Policy(spread=False)


def remember(policy: Policy = LISTED, seed: int = 1) -> BalancerMemory:
    """A memory of A, B and C."""
    return BalancerMemory((A, B, C), policy, random.Random(seed))


def test_a_failed_balancer_rests_then_is_probed_once() -> None:
    memory = remember()
    memory.failed(A, 0.0)
    assert memory.order(0.1, may_repeat=True) == (B, C, A)
    assert memory.order(2.0, may_repeat=True) == (A, B, C)
    assert memory.order(2.0, may_repeat=True) == (B, C, A), "one request probes, the others stay away"
    assert memory.order(2.0 + PROBE_S, may_repeat=True) == (A, B, C)
    memory.worked(A, 2.0)
    assert memory.order(2.0 + PROBE_S, may_repeat=True) == (A, B, C)


def test_a_request_that_cannot_be_repeated_is_no_probe() -> None:
    memory = remember()
    memory.failed(A, 0.0)
    assert memory.order(100.0, may_repeat=False) == (B, C, A)
    assert memory.order(100.0, may_repeat=True) == (A, B, C), "nor does it use the probe up"


def test_failing_over_goes_to_a_good_one_before_one_that_is_due() -> None:
    memory = remember()
    memory.failed(B, 0.0)
    assert memory.order(100.0, may_repeat=True) == (A, C, B)


def test_when_all_have_failed_the_first_to_return_is_tried_first() -> None:
    memory = remember()
    for now in (0.0, 2.0, 6.0):
        memory.failed(A, now)
    for balancer in (B, C):
        memory.failed(balancer, 6.0)
    assert memory.order(6.0, may_repeat=True)[-1] == A


def test_requests_that_fail_together_are_one_failure_and_a_try_that_fails_is_another() -> None:
    memory = remember()
    for _ in range(20):
        memory.failed(A, 0.0)
    assert memory.order(1.5, may_repeat=True)[0] == A, "after the first rest, the shortest"
    for _ in range(20):
        memory.failed(A, 1.6)
    assert memory.order(2.5, may_repeat=True)[0] == B, "the second is longer"
    assert memory.order(1.6 + 3.0, may_repeat=True)[0] == A


@given(st.integers(1, 200), st.integers(0, 1000))
def test_the_rest_is_bounded_and_jittered(failures: int, seed: int) -> None:
    memory, last = remember(seed=seed), 0.0
    for number in range(failures):
        last = 2 * LISTED.rest_max_s * number
        memory.failed(A, last)
    rest_s = min(LISTED.rest_s * 2.0 ** (failures - 1), LISTED.rest_max_s)
    assert memory.order(last + 0.49 * rest_s, may_repeat=True)[0] == B
    assert memory.order(last + 1.5 * rest_s, may_repeat=True)[0] == A


@given(st.lists(st.tuples(st.sampled_from((A, B, C)), st.booleans(), st.floats(0, 100))), st.booleans())
def test_the_order_always_has_every_balancer_once(history: list[tuple[Address, bool, float]], may_repeat: bool) -> None:
    memory = remember()
    for balancer, good, now in history:
        if good:
            memory.worked(balancer, now)
        else:
            memory.failed(balancer, now)
        assert sorted(memory.order(now, may_repeat=may_repeat)) == [A, B, C]
