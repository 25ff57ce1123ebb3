"""One fault's passage: from its beginning to when all is as before, and what it cost whom. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lbmesh_chaos.model.outcome import FaultSpan, Outcome
from lbmesh_chaos.model.tally import Executions, FlowFates, Verdict
from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.report.counts import Count, count, count_all
from lbmesh_chaos.report.statistics import Cluster

STEADY_S = 0.5
"""So long before the heal nothing may be lost, for the traffic to count as diverted."""
PATIENCE_S = 30.0
"""No request is under way longer than this: how far back those are looked for that a fault caught in flight."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Seconds count from the fault's beginning, those of `recover_s`, `rejoin_s` and `agree_up_s` from its heal.

    None: it did not happen, or there was nobody to see it. `first_lost_s`: when the first request that failed was
    due; 0 for one that the fault caught in flight. `suspected_s`, `agreed_s`, `agreed_up_s`: by observer. `detect_s`:
    the first suspicion or agreement. `divert_s`: when the last failing request of the time before the heal was due;
    None too when they failed on till then. `moved_s`: the last request that a struck host carried. `recover_s`: when
    the last request after the heal that failed was due. `rejoin_s`: the first request that a struck host carried
    again.

    `struck` and `control`: requests of clients in the fault's zones and in the others, from its beginning to the next
    one's. `hurt`: flows that lost something, by name. `control_hurt`: those among them that should not have.
    """

    fault: FaultSpan
    until_s: float
    suspected_s: dict[str, float]
    agreed_s: dict[str, float]
    agreed_up_s: dict[str, float]
    first_lost_s: float | None
    divert_s: float | None
    moved_s: float | None
    recover_s: float | None
    rejoin_s: float | None
    struck: Count
    control: Count
    hurt: tuple[str, ...]
    control_hurt: tuple[str, ...]

    @property
    def stood_s(self) -> float:
        """From its beginning to its heal."""
        return self.fault.healed_s - self.fault.applied_s

    @property
    def detect_s(self) -> float | None:
        """The first word of anybody."""
        return min((*self.suspected_s.values(), *self.agreed_s.values()), default=None)

    @property
    def agree_s(self) -> float | None:
        """The last observer's word that it is down."""
        return max(self.agreed_s.values(), default=None)

    @property
    def agree_up_s(self) -> float | None:
        """The last observer's word that it is up."""
        return max(self.agreed_up_s.values(), default=None)


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
    failed = [_failed(one, fault.applied_s, until_s) for one in outcome.tally.fates]
    all_failed = [moment for moments in failed for moment in moments]
    before = [due_s for due_s in all_failed if due_s < fault.healed_s]
    after = [due_s for due_s in all_failed if due_s >= fault.healed_s]
    moved_s, rejoin_s = _traffic(outcome, fault, until_s)
    in_zones = [one.flow.zone in fault.zones for one in outcome.tally.fates]
    hurt = [one.flow.name for one, moments in zip(outcome.tally.fates, failed, strict=True) if moments]
    last = max(before, default=fault.applied_s)
    return Passage(
        fault=fault,
        until_s=until_s,
        suspected_s=_first_words(events, fault.applied_s, What.SUSPECTED),
        agreed_s=_first_words(events, fault.applied_s, What.AGREED, What.EJECTED),
        agreed_up_s=_first_words(_since_the_heal(events, fault), fault.healed_s, What.CLEARED),
        first_lost_s=max(0.0, min(all_failed) - fault.applied_s) if all_failed else None,
        divert_s=None if last > fault.healed_s - STEADY_S else max(0.0, last - fault.applied_s),
        moved_s=moved_s,
        recover_s=max(after) - fault.healed_s if after else 0.0,
        rejoin_s=rejoin_s,
        struck=_count_in(outcome.tally.fates, in_zones, True, fault.applied_s, until_s),
        control=_count_in(outcome.tally.fates, in_zones, False, fault.applied_s, until_s),
        hurt=tuple(hurt),
        control_hurt=tuple(
            one.flow.name for one in outcome.tally.fates if one.flow.name in hurt and one.flow.zone not in fault.zones
        ),
    )


def _since_the_heal(events: Iterable[Event], fault: FaultSpan) -> list[Event]:
    """Those who see a host before it says itself that it is ready are not late."""
    began_s = fault.healed_s if fault.heal_began_s is None else fault.heal_began_s
    return [one for one in events if one.at_s >= began_s]


def _is_about(event: Event, fault: FaultSpan) -> bool:
    return event.subject in (fault.label, *fault.targets, *fault.zones)


def _failed(fates: FlowFates, from_s: float, until_s: float) -> list[float]:
    """When each request was due that failed, of those that were due in that time or under way when it began."""
    moments = []
    near = fates.between(from_s - PATIENCE_S, until_s)
    for at in fates.reasons:
        if at in near and fates.verdicts[at] in (Verdict.LOST, Verdict.UNKNOWN):
            took_s = fates.latencies_s[at]
            if fates.due_s[at] + (took_s if took_s == took_s else 0.0) >= from_s:
                moments.append(fates.due_s[at])
    return moments


def _first_words(events: Iterable[Event], from_s: float, *what: What) -> dict[str, float]:
    words: dict[str, float] = {}
    for event in sorted(events):
        if event.what in what and event.observer:
            words.setdefault(event.observer, max(0.0, event.at_s - from_s))
    return words


def _traffic(outcome: Outcome, fault: FaultSpan, until_s: float) -> tuple[float | None, float | None]:
    """When the last request was carried by a struck host, and when the first one again."""
    addresses = {place.address for place in outcome.places if place.host in fault.targets}
    moved: list[float] = []
    back: list[float] = []
    for one in _through(outcome.tally.executions, fault.targets, addresses):
        first, healed = bisect_left(one.at_s, fault.applied_s), bisect_left(one.at_s, fault.healed_s)
        if first < healed:
            moved.append(one.at_s[healed - 1] - fault.applied_s)
        if healed < bisect_right(one.at_s, until_s):
            back.append(one.at_s[healed] - fault.healed_s)
    carried = any(one.at_s for one in _through(outcome.tally.executions, fault.targets, addresses))
    return max(moved, default=0.0 if carried else None), min(back, default=None)


def _through(executions: Iterable[Executions], hosts: Sequence[str], addresses: set[str]) -> Iterator[Executions]:
    return (one for one in executions if one.replica in hosts or one.peer in addresses)


def _count_in(
    fates: Sequence[FlowFates], in_zones: Sequence[bool], wanted: bool, from_s: float, until_s: float
) -> Count:
    chosen = (one for one, inside in zip(fates, in_zones, strict=True) if inside is wanted)
    return sum((count(one, from_s, until_s) for one in chosen), Count())
