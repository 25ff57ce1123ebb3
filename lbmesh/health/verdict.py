"""One observer's verdict about one replica: a state machine over the results of its own probes.

Down after `fall` failures in a row, up after `rise` successes in a row (HAProxy's rule); the first result of
all decides at once, because a replica about which nothing is known must be judged quickly either way.
"""

from dataclasses import dataclass, replace

from lbmesh.model.health import Availability
from lbmesh.model.service import HealthCheck

UP, UNKNOWN, DOWN = Availability.UP, Availability.UNKNOWN, Availability.DOWN

EXPIRY_INTERVALS = 3
"""An opinion, one's own too, counts for this many probe intervals after its newest evidence."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What this node thinks of a replica.

    `streak`: results in a row that speak against `availability`. `since_s`: when it became so. `at_s`: the
    newest evidence. `first_hand`: False when it was inherited from the View of the agent before this one.
    """

    availability: Availability = UNKNOWN
    streak: int = 0
    since_s: float = 0.0
    at_s: float = 0.0
    reason: str = ""
    first_hand: bool = True

    def is_fresh(self, now: float, expiry_s: float) -> bool:
        """True while this verdict says something that still counts."""
        return self.availability is not UNKNOWN and self.at_s + expiry_s > now


def judge(verdict: Verdict, *, success: bool, reason: str, check: HealthCheck, now: float) -> Verdict:
    """The verdict after one more result of a probe."""
    match verdict.availability, success:
        case (Availability.UNKNOWN, _):
            needed = 1
        case (Availability.UP, False):
            needed = check.fall
        case (Availability.DOWN, True):
            needed = check.rise
        case _:
            return replace(verdict, streak=0, at_s=now, reason=reason, first_hand=True)
    if verdict.streak + 1 < needed:
        return replace(verdict, streak=verdict.streak + 1, at_s=now)
    return Verdict(UP if success else DOWN, since_s=now, at_s=now, reason=reason)


def condemn(verdict: Verdict, *, reason: str, now: float) -> Verdict:
    """The verdict after evidence so plain that no streak is awaited."""
    since_s = verdict.since_s if verdict.availability is DOWN else now
    return Verdict(DOWN, since_s=since_s, at_s=now, reason=reason)


def expiry_s(check: HealthCheck) -> float:
    """How long an opinion about a replica with this check counts, in seconds."""
    return EXPIRY_INTERVALS * check.interval_s
