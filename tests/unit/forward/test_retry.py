"""When an attempt may be made again: the table, and the budget."""

import pytest

from lbmesh.forward import failure as failures
from lbmesh.forward.failure import CONNECT_FAILURES, Failure, Fault, Stage
from lbmesh.forward.retry import BUDGET_MINIMUM, BUDGET_SHARE, RetryBudget, may_repeat

ALL = [value for value in vars(failures).values() if isinstance(value, Failure)]
NOT_SENT, SENT, ANSWERED = Stage.NOT_SENT, Stage.SENT, Stage.ANSWERED


def allowed(
    failure: Failure = failures.UPSTREAM_CLOSED,
    stage: Stage = SENT,
    method: bytes = b"GET",
    *,
    body_replayable: bool = True,
    retries_left: int = 1,
) -> bool:
    return may_repeat(failure, stage, method, body_replayable=body_replayable, retries_left=retries_left)


@pytest.mark.parametrize(
    ("stage", "method", "body_replayable", "expected"),
    [
        (NOT_SENT, b"GET", True, True),
        (NOT_SENT, b"POST", True, True),
        (NOT_SENT, b"POST", False, False),
        (SENT, b"GET", True, True),
        (SENT, b"PUT", True, True),
        (SENT, b"PUT", False, False),
        (SENT, b"DELETE", True, True),
        (SENT, b"OPTIONS", True, True),
        (SENT, b"HEAD", True, True),
        (SENT, b"POST", True, False),
        (SENT, b"PATCH", True, False),
        (SENT, b"QUERY", True, False),
        (SENT, b"get", True, False),
        (ANSWERED, b"GET", True, False),
        (ANSWERED, b"POST", True, False),
    ],
)
def test_the_table(stage: Stage, method: bytes, body_replayable: bool, expected: bool) -> None:
    assert allowed(stage=stage, method=method, body_replayable=body_replayable) is expected


@pytest.mark.parametrize("failure", ALL, ids=lambda failure: failure.reason)
def test_only_a_replicas_failure_is_tried_again(failure: Failure) -> None:
    assert allowed(failure, NOT_SENT) is (failure.fault is Fault.REPLICA)


def test_retries_are_counted() -> None:
    assert allowed(retries_left=1)
    assert not allowed(retries_left=0)


def repeats(budget: RetryBudget, wanted: int) -> int:
    """How many of so many failed attempts may be repeated, one after the other, each under way from then on."""
    allowed = 0
    for _ in range(wanted):
        if budget.spend(already_retrying=False):
            allowed += 1
            budget.retrying += 1
    return allowed


def test_a_quiet_service_may_retry_at_all() -> None:
    assert repeats(RetryBudget(), 100) == BUDGET_MINIMUM


def test_what_a_dead_replica_brings_back_is_all_repeated() -> None:
    """A hundred requests are under way, and the only other replica dies with half of them."""
    budget = RetryBudget()
    budget.begun, budget.ended = 1100, 1000
    assert repeats(budget, 50) == 50


def test_no_more_is_saved_than_is_under_way() -> None:
    budget = RetryBudget()
    budget.begun, budget.ended = 1_000_010, 1_000_000
    assert repeats(budget, 1000) == 10


@pytest.mark.parametrize("attempts_each", [1, 2])
def test_an_outage_that_lasts_makes_the_load_higher_by_the_share(attempts_each: int) -> None:
    """Each request fails, and asks for one or two repeats; fifty are under way at any time."""
    budget = RetryBudget()
    budget.begun = 50
    spent = 0
    for _ in range(10_000):
        budget.begun += 1
        budget.retrying = BUDGET_MINIMUM
        spent += sum(budget.spend(already_retrying=False) for _ in range(attempts_each))
        budget.ended += 1
    assert abs(spent - 10_000 * BUDGET_SHARE) <= 51


def test_who_is_repeated_already_keeps_the_place_it_has() -> None:
    budget = RetryBudget()
    budget.retrying = BUDGET_MINIMUM
    assert not budget.spend(already_retrying=False)
    assert budget.spend(already_retrying=True)
    budget.retrying = BUDGET_MINIMUM + 1
    assert not budget.spend(already_retrying=True)


@pytest.mark.parametrize("failure", ALL, ids=lambda failure: failure.reason)
def test_every_failure_has_an_answer(failure: Failure) -> None:
    assert 400 <= failure.status <= 599
    assert failure.reason.replace("_", "").isalpha()
    if failure.fault is Fault.CLIENT:
        assert failure.status < 500
    if failure in CONNECT_FAILURES:
        expected = 502 if failure in (failures.TLS_HANDSHAKE, failures.BAD_CERTIFICATE) else 503
        assert (failure.status, failure.fault) == (expected, Fault.REPLICA)


def test_every_reason_is_one_failure() -> None:
    assert len({failure.reason for failure in ALL}) == len(ALL)
