"""Whether a drill passed, and why: the service's promises, held against what was counted. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lbmesh_chaos.model.outcome import Evidence, Invariant, Outcome
from lbmesh_chaos.model.tally import Findings, FlowFates, Tally
from lbmesh_chaos.model.timeline import What
from lbmesh_chaos.report.counts import Count, count_all
from lbmesh_chaos.report.evidence import untold
from lbmesh_chaos.report.passage import Passage


class Ruling(StrEnum):
    """What the drill says."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    """The load was not able to tell, or something could not be judged."""


@dataclass(frozen=True, slots=True)
class Judged:
    """`reasons`: what broke, or why nothing can be said; for a pass, empty."""

    ruling: Ruling
    reasons: tuple[str, ...]
    invariants: tuple[Invariant, ...]


def judge(outcome: Outcome, found: Sequence[Passage], total: Count) -> Judged:
    """A broken invariant outweighs what could not be judged: a fact found by a half-starved client is a fact."""
    invariants = (
        *(_of_the_tally(outcome) if outcome.is_loaded else ()),
        *_of_the_mesh(outcome, found),
        *outcome.invariants,
    )
    broken = [f"{one.name}: {one.detail}" for one in invariants if one.held is False]
    broken += [f"left behind: {one}" for one in outcome.residue]
    open_ones = [f"{one.name}: {one.detail or 'could not be judged'}" for one in invariants if one.held is None]
    if outcome.aborted:
        open_ones.insert(0, f"the drill did not run to its end: {outcome.aborted}")
    if not total.sent and outcome.is_loaded:
        open_ones.insert(0, "no request can be judged")
    share = total.void / (total.void + total.sent) if total.void else 0.0
    if share > outcome.marks.void_share_max:
        open_ones.append(
            f"the clients were starved for {100 * share:.1f} % of the requests; at most "
            f"{100 * outcome.marks.void_share_max:g} % may be: run it again on a calmer machine"
        )
    if broken:
        return Judged(Ruling.FAILED, (*broken, *open_ones), invariants)
    return Judged(Ruling.INCONCLUSIVE if open_ones else Ruling.PASSED, tuple(open_ones), invariants)


def _of_the_tally(outcome: Outcome) -> list[Invariant]:
    tally, marks = outcome.tally, outcome.marks
    mesh = [one for one in tally.fates if not one.flow.kind.is_plain and one.flow.method.is_idempotent]
    plain = [one for one in tally.fates if one.flow.kind.is_plain]
    invariants = []
    if mesh and marks.mesh_lost_max is not None:
        invariants.append(_at_most("no idempotent request lost through lbmesh.client", mesh, marks.mesh_lost_max))
    if plain and marks.plain_lost_max is not None:
        invariants.append(_at_most("plain clients lose no more than they may", plain, marks.plain_lost_max))
    if marks.unknown_max is not None:
        counted = count_all(tally.fates)
        detail = f"{counted.unknown} of {counted.sent} unknown; at most {marks.unknown_max} may be"
        invariants.append(
            Invariant("every client knows what became of it", counted.unknown <= marks.unknown_max, detail)
        )
    return [*invariants, *_as_told(outcome.evidence or Evidence(), tally)]


def _as_told(evidence: Evidence, tally: Tally) -> Iterator[Invariant]:
    """Only what somebody could tell of: what nobody could is said elsewhere (see `not_judged`), and is no pass."""
    if evidence.tells_twice:
        yield _none("no request without a key carried out twice", tally.duplicated)
    if evidence.logged:
        yield _none("no bytes of one request in another", tally.mixed_up)
        yield _none("no body damaged", tally.damaged)
        yield _none("no good answer to what was not carried out", tally.unexecuted)
        yield _none("nothing carried out that was not sent", tally.strays)
    elif evidence.echoed:
        yield _none("no answer of another request", tally.mixed_up)
        silent = untold(tally.fates)
        detail = f"{silent} of {count_all(tally.fates).ok} good answers did not" if silent else ""
        yield Invariant("every good answer tells what the target's list says it does", None if silent else True, detail)


def _at_most(name: str, fates: Sequence[FlowFates], most: int) -> Invariant:
    counted = count_all(fates)
    return Invariant(name, counted.lost <= most, f"{counted.lost} of {counted.sent} lost; at most {most} may be")


def _none(name: str, findings: Findings) -> Invariant:
    if not findings.count:
        return Invariant(name, True)
    first = findings.first[0]
    return Invariant(name, False, f"{findings.count}; the first is {first.request}: {first.what}")


def _of_the_mesh(outcome: Outcome, found: Sequence[Passage]) -> list[Invariant]:
    invariants = []
    observers = {event.observer for event in outcome.events if event.observer}
    if observers:
        struck: dict[str, float] = {}
        for fault in outcome.faults:
            for name in (fault.label, *fault.targets, *fault.zones):
                struck[name] = min(struck.get(name, fault.applied_s), fault.applied_s)
        wrong = [
            f"{event.observer} on {event.subject} after {event.at_s - outcome.began_s:.1f} s"
            for event in outcome.events
            if event.what in (What.AGREED, What.EJECTED) and event.at_s < struck.get(event.subject, float("inf"))
        ]
        invariants.append(Invariant("nothing healthy condemned or ejected", not wrong, "; ".join(wrong[:5])))
    if outcome.marks.agree_s is not None:
        invariants += _agree_again(outcome.marks.agree_s, found)
    return invariants


def _agree_again(within_s: float, found: Sequence[Passage]) -> list[Invariant]:
    late, seen = [], False
    for one in found:
        seen = seen or bool(one.agreed_s) or bool(one.agreed_up_s)
        for observer, cleared_s in one.agreed_up_s.items():
            # Of what was killed nobody can hold that it is up before it is.
            late_s = None if cleared_s is None else cleared_s - one.fault.boot_s
            if late_s is None:
                late.append(f"{observer} never held {one.fault.label} for over")
            elif late_s > within_s:
                late.append(f"{observer} on {one.fault.label}: {late_s:.2f} s")
    if not seen:
        return []
    return [Invariant(f"views agree within {within_s:g} s of the heal", not late, "; ".join(late[:5]))]
