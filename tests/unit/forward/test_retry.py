"""When an attempt may be made again: the table, and the budget."""

import pytest

from lbmesh.forward import failure as failures
from lbmesh.forward.failure import CONNECT_FAILURES, Failure, Fault, Stage
from lbmesh.forward.retry import BUDGET_MINIMUM, BUDGET_SHARE, RetryBudget, may_retry

ALL = [value for value in vars(failures).values() if isinstance(value, Failure)]
NOT_SENT, SENT, ANSWERED = Stage.NOT_SENT, Stage.SENT, Stage.ANSWERED


def allowed(
    failure: Failure = failures.UPSTREAM_CLOSED,
    stage: Stage = SENT,
    method: bytes = b"GET",
    *,
    body_replayable: bool = True,
    retries_left: int = 1,
    budget: RetryBudget | None = None,
    already_retrying: bool = False,
) -> bool:
    return may_retry(
        failure,
        stage=stage,
        method=method,
        body_replayable=body_replayable,
        retries_left=retries_left,
        budget=budget or RetryBudget(),
        already_retrying=already_retrying,
    )


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
    assert not allowed(retries_left=0, already_retrying=True)


def test_a_quiet_service_may_retry_at_all() -> None:
    budget = RetryBudget()
    for _ in range(BUDGET_MINIMUM):
        assert allowed(budget=budget)
        budget.retrying += 1
    assert not allowed(budget=budget)


def test_what_was_not_sent_draws_on_no_budget() -> None:
    """A replica dies: all that was meant for it is refused at once, and no other has more to do for it."""
    budget = RetryBudget()
    budget.retrying = 1000
    assert allowed(failures.CONNECT_REFUSED, NOT_SENT, budget=budget)
    assert allowed(failures.CONNECT_REFUSED, NOT_SENT, b"POST", budget=budget)
    assert not allowed(failures.CONNECT_REFUSED, NOT_SENT, budget=budget, retries_left=0)


def test_a_busy_service_may_retry_its_share() -> None:
    budget = RetryBudget()
    budget.active = 100
    budget.retrying = int(100 * BUDGET_SHARE) - 1
    assert allowed(budget=budget)
    budget.retrying += 1
    assert not allowed(budget=budget)


def test_an_exchange_in_the_budget_stays_in_it() -> None:
    budget = RetryBudget()
    budget.retrying = 1000
    assert allowed(budget=budget, already_retrying=True)


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
