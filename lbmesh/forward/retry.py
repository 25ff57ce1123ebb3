"""When an attempt may be made again, and how many repeats a service bears."""

from lbmesh.forward.failure import Failure, Fault, Stage

SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""RFC 9110 §9.2.1."""

IDEMPOTENT_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
"""RFC 9110 §9.2.2 (TRACE is not forwarded)."""

BUDGET_SHARE = 0.2
"""Retries under way may be this share of all exchanges under way (Envoy's default budget) …"""

BUDGET_MINIMUM = 3
"""… or this many, so that a quiet service can retry at all."""


class RetryBudget:
    """Keeps retries from multiplying an outage. Counts one service's exchanges in one forwarder."""

    __slots__ = ("active", "retrying")

    def __init__(self) -> None:
        self.active = 0
        self.retrying = 0

    def allows(self) -> bool:
        """May one more exchange be retried now?"""
        return self.retrying < max(BUDGET_MINIMUM, BUDGET_SHARE * self.active)


def may_retry(
    failure: Failure,
    *,
    stage: Stage,
    method: bytes,
    body_replayable: bool,
    retries_left: int,
    budget: RetryBudget,
    already_retrying: bool,
) -> bool:
    """May this attempt be repeated on another replica?

    Always while nothing was sent; after that only what is idempotent (RFC 9110 §9.2.2) and can be sent again
    whole; never once the client has seen a byte of an answer. What was not sent draws on no budget: no replica has to
    do it twice, and when one dies, all that was meant for it comes back at once.
    """
    if failure.fault is not Fault.REPLICA or retries_left <= 0 or stage is Stage.ANSWERED:
        return False
    if not body_replayable:
        return False
    if stage is Stage.NOT_SENT:
        return True
    if method not in IDEMPOTENT_METHODS:
        return False
    return already_retrying or budget.allows()
