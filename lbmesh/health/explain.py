"""Why a replica's availability is what it is, from its record."""

from collections.abc import Iterator
from math import inf

from lbmesh.health.limits import RELEASE_BELOW
from lbmesh.health.merge import Merged
from lbmesh.health.passive import CONDEMN_POINTS, CONNECT_POINTS, WINDOW_S
from lbmesh.health.plan import Role
from lbmesh.health.record import Record
from lbmesh.health.verdict import Verdict
from lbmesh.model.explanation import Explanation, Said, Transition
from lbmesh.model.health import Availability, Opinion

THIS_NODE = "this node"


def explain(record: Record, own: Opinion | None, zone: str, *, is_short: bool, now: float) -> Explanation:
    """`own`: this node's word, None when it has seen nothing itself. `zone`: this node's. `is_short`: more than half of
    the service is down.
    """
    final = record.final
    return Explanation(
        subject=str(record.replica),
        state=final.availability,
        for_s=_age(record.final_since_s, now),
        rule=final.rule,
        reason=final.reason,
        said=tuple(_said(record, own, zone, now)),
        history=tuple(
            Transition(one.before, one.after.availability, _age(one.at_s, now), one.after.rule, one.after.reason)
            for one in reversed(record.changes)
        ),
        notes=tuple(_notes(record, is_short=is_short, now=now)),
    )


def _said(record: Record, own: Opinion | None, zone: str, now: float) -> Iterator[Said]:
    verdict = record.verdict
    if own:
        yield Said(THIS_NODE, zone, _word(own), _age(own.at_s, now))
    elif verdict.availability is not Availability.UNKNOWN:
        why_not = "the peers' words are newer evidence" if record.weighed.counting else ""
        what = f"{verdict.availability}: {verdict.reason}"
        yield Said(THIS_NODE, zone, what, _age(verdict.at_s, now), counts=not why_not, why_not=why_not)
    for word in record.weighed.counting:
        yield Said(word.observer, word.observer_zone, _word(word), _age(word.at_s, now))
    for word, why_not in record.weighed.aside:
        yield Said(word.observer, word.observer_zone, _word(word), _age(word.at_s, now), counts=False, why_not=why_not)


def _notes(record: Record, *, is_short: bool, now: float) -> Iterator[str]:
    duty = record.duty
    match duty.role:
        case Role.PROBER:
            yield f"this node is one of its probers: {', '.join(sorted(duty.probers))}"
        case Role.LOOKER:
            yield f"this node probes it while it is in doubt; always do: {', '.join(sorted(duty.probers))}"
        case Role.BYSTANDER:
            yield f"this node leaves probing to others: {', '.join(sorted(duty.probers)) or 'not yet known'}"
    yield from _next_probe(record, now)
    verdict = record.verdict
    if verdict.streak:
        yield _streak(record, verdict)
    if record.suspicion.points and now - record.suspicion.at_s <= WINDOW_S:
        points = f"{record.suspicion.points} of the {CONDEMN_POINTS} points that make it down"
        yield f"requests failed of late: {points} (a failed connection is {CONNECT_POINTS})"
    if record.is_in_doubt:
        yield "those who have looked at it differ, or it does from what it was: more nodes look"
    if is_short:
        yield "more than half of the service is down: more nodes look"
    penalty = record.damping.penalty_at(now)
    if record.damping.is_held(now):
        seconds = record.damping.release_s - now
        yield f"held back for {seconds:.0f} s at most: penalty {penalty:.1f}, released below {RELEASE_BELOW:g}"
    elif penalty >= RELEASE_BELOW:
        yield f"went up and down of late: penalty {penalty:.1f}"
    if record.final.rule is not record.merged.rule:
        yield f"without limits it would be {_plain(record.merged)}"
    if now < record.limited_until_s < inf:
        yield f"the limit is looked at again in {record.limited_until_s - now:.0f} s"


def _next_probe(record: Record, now: float) -> Iterator[str]:
    due_s = min(record.planned_s, record.asked_s)
    if record.in_flight:
        yield f"a probe is under way for {_age(record.started_s, now):.1f} s"
    elif due_s < inf:
        yield f"the next probe is due in {max(0.0, due_s - now):.1f} s"


def _streak(record: Record, verdict: Verdict) -> str:
    if verdict.availability is Availability.UP:
        return f"own last {verdict.streak} of {record.check.fall} failures that make it down"
    return f"own last {verdict.streak} of {record.check.rise} successes that make it up"


def _plain(merged: Merged) -> str:
    return f"{merged.availability} ({merged.rule}): {merged.reason}"


def _word(word: Opinion) -> str:
    return f"{'up' if word.up else 'down'}: {word.reason}"


def _age(at_s: float, now: float) -> float:
    return max(0.0, now - at_s)
