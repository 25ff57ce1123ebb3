"""The report: all figures of a drill, made once, for the page, the JSON and the terminal to show. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lbmesh_chaos.model.outcome import Outcome
from lbmesh_chaos.model.tally import FlowFates
from lbmesh_chaos.model.timeline import Event
from lbmesh_chaos.report.counts import Count, count_all, count_by, count_reasons
from lbmesh_chaos.report.passage import Passage, clusters, passages
from lbmesh_chaos.report.series import Series, make_series
from lbmesh_chaos.report.statistics import CLUSTERS_MIN, Cluster, Draws, binomial_upper, clustered_upper, faults_upper
from lbmesh_chaos.report.timeline import timeline
from lbmesh_chaos.report.verdict import Judged, judge


@dataclass(frozen=True, slots=True)
class Availability:
    """Shares of requests that were answered well, with the bounds that so much evidence supports at 95 %.

    `at_least`: if losses were independent (exact; the rule of three for none). `at_least_clustered`: by drawing whole
    faults anew; None where there are too few or none lost anything. `losing_faults_at_most`: the share of faults that
    may lose something, by how many were tried; None without any.
    """

    answered: float
    at_least: float
    at_least_clustered: float | None
    faults: int
    losing_faults: int
    losing_faults_at_most: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that have something in common."""

    name: str
    count: Count
    available: Availability


@dataclass(frozen=True, slots=True)
class Report:
    """Everything there is to say."""

    outcome: Outcome
    judged: Judged
    total: Count
    available: Availability
    passages: tuple[Passage, ...]
    timeline: tuple[Event, ...]
    by_kind: tuple[Group, ...]
    by_zone: tuple[Group, ...]
    by_method: tuple[Group, ...]
    reasons: dict[str, int]
    baseline: Count
    """Before the first fault: the control in time."""
    series: Series


def make_report(outcome: Outcome, rng: Draws) -> Report:
    """`rng`: for the bootstrap; `random.Random(outcome.seed)` makes the same report of the same drill."""
    found = passages(outcome)
    fates = outcome.tally.fates
    total = count_all(fates)
    return Report(
        outcome=outcome,
        judged=judge(outcome, found, total),
        total=total,
        available=availability(total, clusters(outcome, found), rng),
        passages=found,
        timeline=timeline(outcome, found),
        by_kind=_groups(outcome, "kind"),
        by_zone=_groups(outcome, "zone"),
        by_method=_groups(outcome, "method"),
        reasons=count_reasons(fates),
        baseline=_before(outcome, found),
        series=make_series(outcome),
    )


def _before(outcome: Outcome, found: Sequence[Passage]) -> Count:
    """What the first fault caught in flight failed through it, and is left out."""
    if not found:
        return count_all(outcome.tally.fates)
    first = found[0]
    counted = count_all(outcome.tally.fates, outcome.began_s, first.fault.applied_s)
    return replace(counted, lost=counted.lost - first.caught.lost, unknown=counted.unknown - first.caught.unknown)


def availability(total: Count, around: Sequence[Cluster], rng: Draws) -> Availability:
    """What so many requests around so many faults support."""
    losing = sum(1 for one in around if one.lost)
    enough = len(around) >= CLUSTERS_MIN and losing > 0
    plain = _plainly(total)
    return Availability(
        plain.answered,
        plain.at_least,
        1 - clustered_upper(around, rng) if enough else None,
        len(around),
        losing,
        faults_upper(len(around), losing) if around else None,
    )


def _plainly(counted: Count) -> Availability:
    answered = counted.ok / counted.sent if counted.sent else 0.0
    at_least = 1 - binomial_upper(counted.unanswered, counted.sent) if counted.sent else 0.0
    return Availability(answered, at_least, None, 0, 0, None)


def _groups(outcome: Outcome, attribute: str) -> tuple[Group, ...]:
    def name(fates: FlowFates) -> str:
        return str(getattr(fates.flow, attribute))

    found = count_by(outcome.tally.fates, name)
    return tuple(Group(key, counted, _plainly(counted)) for key, counted in found.items())
