"""One fault's passage: from its beginning to when all is as before, and what it cost whom. Pure.

All times are those of the machine's one monotonic clock. *Applied*: when the lab began to do the fault. *Healed*: when
the last step of its undo was taken (the rule removed, the process started). *Ready*: when every program that the fault
had ended answers again. What the lab looks at afterwards, the residue, is in none of the figures.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lbmesh_chaos.model.outcome import FaultSpan, Outcome
from lbmesh_chaos.model.tally import FlowFates, Verdict
from lbmesh_chaos.model.timeline import Event
from lbmesh_chaos.report.counts import Count, count_all
from lbmesh_chaos.report.statistics import Cluster
from lbmesh_chaos.report.traffic import absence
from lbmesh_chaos.report.views import clearances, condemnations, doubts

STEADY_S = 0.5
"""So long before the heal nothing may be lost, for the traffic to count as diverted."""
PATIENCE_S = 30.0
"""No request is under way longer than this: how far back those are looked for that a fault caught in flight."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Seconds count from when the fault was applied, those of `recover_s` and `agreed_up_s` from when it was healed.

    None: it did not happen, or there was nobody to see it.

    `suspected_s`: by observer, its first doubt of anything that was struck. `agreed_s`: by observer, when it held all
    for down that it came to hold for down before the heal. `watching`: who should have: the observers that were not
    struck themselves. `agreed_up_s`: by observer that held any of it for down or in doubt when it was healed, when it
    had taken back the last of that; None if it never did.

    `first_lost_s`: when the first request that failed was due; 0 for one that the fault caught in flight. `divert_s`:
    when the hole ended that it tore before the heal: the first good request was due after the last failing one, in the
    flow where that came last; None too when they failed until the heal. `recover_s`: the same of those that failed from
    just before the heal on; None when the traffic had been diverted, and nothing failed afterwards.
    `moved_s`: the last request that a struck host carried before traffic left it. `back_s`: when traffic was at all of
    these again, be it before the heal.

    `struck` and `control`: requests of clients in the fault's zones and in the others, from its beginning to the next
    one's, and those failed that it caught in flight, which are `caught`. `hurt`: flows that lost something, by name.
    `control_hurt`: those among them that should not have.
    """

    fault: FaultSpan
    until_s: float
    watching: tuple[str, ...]
    suspected_s: dict[str, float]
    agreed_s: dict[str, float]
    agreed_up_s: dict[str, float | None]
    first_lost_s: float | None
    divert_s: float | None
    moved_s: float | None
    back_s: float | None
    recover_s: float | None
    struck: Count
    control: Count
    caught: Count
    hurt: tuple[str, ...]
    control_hurt: tuple[str, ...]

    @property
    def stood_s(self) -> float:
        """From when it was applied until it was healed."""
        return self.fault.healed_s - self.fault.applied_s

    @property
    def detect_s(self) -> float | None:
        """The first doubt of anybody."""
        return min(self.suspected_s.values(), default=None)

    @property
    def agree_s(self) -> float | None:
        """When the last of those who watch held it for down; None while any of them never did."""
        has_all = bool(self.agreed_s) and set(self.watching) <= set(self.agreed_s)
        return max(self.agreed_s.values()) if has_all else None

    @property
    def agree_up_s(self) -> float | None:
        """When the last observer had taken back what it held against it; None: nobody had to, or one never did."""
        values = [value for value in self.agreed_up_s.values() if value is not None]
        return max(values) if values and len(values) == len(self.agreed_up_s) else None

    @property
    def rejoin_s(self) -> float | None:
        """From the heal until traffic was back; None when it never was, or had been before the heal, or never left."""
        back_s = None if self.back_s is None else self.back_s - self.stood_s
        return back_s if back_s is not None and back_s >= 0 else None


def passages(outcome: Outcome) -> tuple[Passage, ...]:
    """Of each fault, in the order in which they began."""
    faults = sorted(outcome.faults, key=lambda fault: fault.applied_s)
    ends = [*(fault.applied_s for fault in faults[1:]), outcome.ended_s][: len(faults)]
    return tuple(_passage(outcome, fault, max(end, fault.healed_s)) for fault, end in zip(faults, ends, strict=True))


def clusters(outcome: Outcome, found: Sequence[Passage]) -> tuple[Cluster, ...]:
    """Each fault with the requests up to the next one; those before the first fault belong to it."""
    starts = [outcome.began_s, *(one.fault.applied_s for one in found[1:])]
    ends = [*starts[1:], float("inf")]
    whole = [count_all(outcome.tally.fates, start, end) for start, end in zip(starts, ends, strict=True)]
    return tuple(Cluster(one.sent, one.unanswered) for one in whole) if found else ()


def _passage(outcome: Outcome, fault: FaultSpan, until_s: float) -> Passage:
    events = [event for event in outcome.events if fault.applied_s <= event.at_s < until_s and _is_about(event, fault)]
    before_heal = [event for event in events if event.at_s <= fault.healed_s]
    holes = [_holes(one, fault, until_s) for one in outcome.tally.fates]
    first_failed = [one.first_s for one in holes if one.first_s is not None]
    moved_s, back_s = absence(outcome, fault, until_s)
    inside = [one for one in outcome.tally.fates if one.flow.zone in fault.zones]
    outside = [one for one in outcome.tally.fates if one.flow.zone not in fault.zones]
    hurt = [one.flow.name for one, hole in zip(outcome.tally.fates, holes, strict=True) if hole.first_s is not None]
    return Passage(
        fault=fault,
        until_s=until_s,
        watching=tuple(name for name in outcome.observers if name not in fault.targets),
        suspected_s=doubts(events, fault.applied_s),
        agreed_s=condemnations(before_heal, fault.applied_s),
        agreed_up_s=clearances(events, fault.healed_s),
        first_lost_s=max(0.0, min(first_failed) - fault.applied_s) if first_failed else None,
        divert_s=_divert(holes, fault),
        moved_s=_since(fault.applied_s, moved_s),
        back_s=_since(fault.applied_s, back_s),
        recover_s=_recover(holes, fault),
        struck=count_all(inside, fault.applied_s, until_s) + _caught(inside, fault),
        control=count_all(outside, fault.applied_s, until_s) + _caught(outside, fault),
        caught=_caught(outcome.tally.fates, fault),
        hurt=tuple(hurt),
        control_hurt=tuple(
            one.flow.name for one in outcome.tally.fates if one.flow.name in hurt and one.flow.zone not in fault.zones
        ),
    )


def _since(from_s: float, at_s: float | None) -> float | None:
    return None if at_s is None else max(0.0, at_s - from_s)


@dataclass(frozen=True, slots=True)
class _Holes:
    """Where one flow failed. `first_s`: when the first failing request was due. `before_s`, `after_s`: of those due
    before the heal, and of those due from `STEADY_S` before it on: when the first good one was due after the last of
    them; infinity when none was. None: none failed there.
    """

    first_s: float | None = None
    before_s: float | None = None
    after_s: float | None = None


def _holes(fates: FlowFates, fault: FaultSpan, until_s: float) -> _Holes:
    failed = _failed(fates, fault.applied_s, until_s)
    before = [at for at in failed if fates.due_s[at] < fault.healed_s]
    after = [at for at in failed if fates.due_s[at] >= fault.healed_s - STEADY_S]
    return _Holes(
        fates.due_s[failed[0]] if failed else None,
        _next_good(fates, before[-1]) if before else None,
        _next_good(fates, after[-1]) if after else None,
    )


def _next_good(fates: FlowFates, failed: int) -> float:
    """When the first good request after this one was due."""
    good = fates.verdicts.find(Verdict.OK, failed)
    return fates.due_s[good] if good >= 0 else float("inf")


def _divert(holes: Iterable[_Holes], fault: FaultSpan) -> float | None:
    ends = [one.before_s for one in holes if one.before_s is not None]
    if not ends or max(ends) > fault.healed_s - STEADY_S:
        return None
    return max(0.0, max(ends) - fault.applied_s)


def _recover(holes: Iterable[_Holes], fault: FaultSpan) -> float | None:
    ends = [one.after_s for one in holes if one.after_s is not None]
    return max(0.0, max(ends) - fault.healed_s) if ends and max(ends) < float("inf") else None


def _is_about(event: Event, fault: FaultSpan) -> bool:
    return event.subject in (fault.label, *fault.targets, *fault.zones)


def _failed(fates: FlowFates, from_s: float, until_s: float) -> list[int]:
    """Which requests failed, of those that were due in that time or under way when it began; in their order."""
    found = []
    near = fates.between(from_s - PATIENCE_S, until_s)
    for at in sorted(fates.reasons):
        if at in near and fates.verdicts[at] in (Verdict.LOST, Verdict.UNKNOWN):
            took_s = fates.latencies_s[at]
            if fates.due_s[at] + (took_s if took_s == took_s else 0.0) >= from_s:
                found.append(at)
    return found


def _caught(fates: Iterable[FlowFates], fault: FaultSpan) -> Count:
    """Those that were under way when it began, and failed."""
    verdicts = [one.verdicts[at] for one in fates for at in _failed(one, fault.applied_s, fault.applied_s)]
    return Count(lost=verdicts.count(Verdict.LOST), unknown=verdicts.count(Verdict.UNKNOWN))
