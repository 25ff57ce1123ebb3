"""When an attempt may be made again, and how many repeats a service bears."""

from math import inf

from lbmesh.forward.failure import Failure, Fault, Stage

SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""RFC 9110 §9.2.1."""

IDEMPOTENT_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})
"""RFC 9110 §9.2.2 (TRACE is not forwarded)."""

BUDGET_SHARE = 0.2
"""Of a repeat that each request earns its service, as with Finagle's RetryBudget: an outage that lasts makes the load
higher by no more than this. Envoy's budget is such a share of the requests under way: when one of four replicas dies,
it gives up a fifth of what was there.
"""

BUDGET_MINIMUM = 3
"""So many requests may be under repeat at a time even if nothing has been earned, so that a quiet service can retry at
all (Envoy's default).
"""


class RetryBudget:
    """Keeps retries from multiplying an outage. Counts one service's exchanges in one forwarder.

    `begun`, `ended`: exchanges so far. `retrying`: how many under way have been repeated at a cost.
    """

    __slots__ = ("_earned_for", "_saved", "begun", "ended", "retrying")

    def __init__(self) -> None:
        self.begun = self.ended = self.retrying = 0
        self._saved = inf
        self._earned_for = 0

    @property
    def active(self) -> int:
        """Exchanges under way."""
        return self.begun - self.ended

    def spend(self, *, already_retrying: bool) -> bool:
        """May one more attempt be repeated now? Then it counts.

        What is saved is at most a repeat for each exchange under way: a replica that dies brings back no more.
        """
        earned = (self.begun - self._earned_for) * BUDGET_SHARE
        self._earned_for = self.begun
        self._saved = min(self._saved + earned, float(self.active))
        if self._saved >= 1.0:
            self._saved -= 1.0
            return True
        return self.retrying - already_retrying < BUDGET_MINIMUM


def may_repeat(failure: Failure, stage: Stage, method: bytes, *, body_replayable: bool, retries_left: int) -> bool:
    """Is it right to repeat this attempt on another replica, if the budget allows it?

    Always while nothing was sent; after that only what is idempotent (RFC 9110 §9.2.2) and can be sent again
    whole; never once the client has seen a byte of an answer.
    """
    if failure.fault is not Fault.REPLICA or retries_left <= 0 or not body_replayable:
        return False
    match stage:
        case Stage.NOT_SENT:
            return True
        case Stage.SENT:
            return method in IDEMPOTENT_METHODS
        case Stage.ANSWERED:
            return False
