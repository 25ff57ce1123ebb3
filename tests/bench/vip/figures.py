"""What a round comes to, and what rounds come to together. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from tests.bench.vip.rounds import Round
from tests.bench.vip.words import RATE, Request

_STILL_S = 0.3
"""Failures of the last requests: the front is not back."""

_WAITED_S = 1.0
_MINUTE_S = 60.0
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the requests of one kind in one round. `last_error_ms`: from the fault until the last request was due that
    failed; infinite when they still failed at the end. `told_ms`: the longest until an error was told.
    `failed_per_million`: of the requests of a minute at this rate. `hung`: neither answer nor error in PATIENCE_S.
    `waited`: answered, but after more than a second, as whose first SYN was lost.
    `both_answer_ms`: the longest that two nodes answered ARP. `repeated`: POSTs that were carried out more than once.
    """

    last_error_ms: float
    failed_per_million: float
    hung: int
    waited: int
    told_ms: float
    both_answer_ms: float
    repeated: int
    mixed: int


def figures(seen: Round, kind: str) -> Figures:
    """Of one round."""
    requests = [one for one in seen.requests if one.kind == kind and one.ended_s >= seen.fault_s]
    failed = [one for one in requests if one.has_failed]
    told = [one for one in failed if one.outcome not in ("hung", "mixed")]
    return Figures(
        last_error_ms=_last_error_ms(seen, failed),
        failed_per_million=len(failed) / (RATE[kind] * _MINUTE_S) * _MILLION,
        hung=sum(one.outcome == "hung" for one in failed),
        waited=sum(one.ended_s - one.due_s > _WAITED_S for one in requests if not one.has_failed),
        told_ms=1000 * max((one.ended_s - one.due_s for one in told), default=0.0),
        both_answer_ms=1000 * seen.sightings.overlap_s(),
        repeated=len(seen.repeated),
        mixed=sum(one.outcome == "mixed" for one in requests),
    )


def _last_error_ms(seen: Round, failed: Sequence[Request]) -> float:
    last_s = max((one.due_s for one in failed), default=seen.fault_s)
    return inf if last_s > seen.until_s - _STILL_S else 1000 * max(0.0, last_s - seen.fault_s)


def median_and_worst(values: Sequence[float]) -> str:
    """As "104, 112"; "never" for what did not end while it was looked at."""
    return ", ".join("never" if one == inf else f"{one:.0f}" for one in (statistics.median(values), max(values)))
