"""What the plots show, in buckets of one width over the whole drill. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from lbmesh_chaos.model.flow import Kind
from lbmesh_chaos.model.outcome import Outcome
from lbmesh_chaos.model.tally import FlowFates, Verdict
from lbmesh_chaos.report.statistics import quantile

BUCKETS_MAX = 300
"""What an eye tells apart on a page; the width is the next of WIDTHS_S."""
REQUESTS_MIN = 15
"""In a bucket of the rarest kind, or the plot shows how schedules and buckets beat and not what happened."""
WIDTHS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class KindSeries:
    """Requests by when they were due. One number for each bucket."""

    name: str
    ok: tuple[int, ...]
    lost: tuple[int, ...]
    unknown: tuple[int, ...]
    void: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LatencySeries:
    """Of good answers, from when the request was due; seconds, None where there was none."""

    name: str
    p50_s: tuple[float | None, ...]
    p99_s: tuple[float | None, ...]
    longest_s: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ZoneSeries:
    """Requests that replicas of one zone carried out, by when they did."""

    name: str
    executed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Bucket n begins n widths after the drill's beginning."""

    width_s: float
    buckets: int
    kinds: tuple[KindSeries, ...]
    latencies: tuple[LatencySeries, ...]
    zones: tuple[ZoneSeries, ...]


def make_series(outcome: Outcome) -> Series:
    """Of all requests."""
    length_s = max(outcome.ended_s - outcome.began_s, WIDTHS_S[0])
    fates = outcome.tally.fates
    kinds = Counter[Kind]()
    for one in fates:
        kinds[one.flow.kind] += len(one.due_s)
    buckets_max = max(1.0, min((BUCKETS_MAX, *(many / REQUESTS_MIN for many in kinds.values()))))
    width_s = next((width for width in WIDTHS_S if length_s / width <= buckets_max), WIDTHS_S[-1])
    grid = _Grid(outcome.began_s, width_s, max(1, -int(-length_s // width_s)))
    groups = {
        "plain clients": [one for one in fates if one.flow.kind.is_plain],
        "lbmesh.client": [one for one in fates if not one.flow.kind.is_plain],
    }
    zones: dict[str, list[int]] = defaultdict(lambda: [0] * grid.buckets)
    for executions in sorted(outcome.tally.executions, key=lambda one: one.zone):
        counts = zones[executions.zone]
        for at_s in executions.at_s:
            if (bucket := grid.bucket(at_s)) is not None:
                counts[bucket] += 1
    return Series(
        width_s,
        grid.buckets,
        tuple(_kind(grid, kind, [one for one in fates if one.flow.kind is kind]) for kind in kinds),
        tuple(_latency(grid, name, group) for name, group in groups.items() if group),
        tuple(ZoneSeries(name, tuple(counts)) for name, counts in zones.items()),
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    began_s: float
    width_s: float
    buckets: int

    def bucket(self, at_s: float) -> int | None:
        found = int((at_s - self.began_s) // self.width_s)
        return found if 0 <= found < self.buckets else None

    def spans(self, fates: FlowFates) -> Iterable[tuple[int, range]]:
        for bucket in range(self.buckets):
            yield bucket, fates.between(self._start_s(bucket), self._start_s(bucket + 1))

    def _start_s(self, bucket: int) -> float:
        return self.began_s + bucket * self.width_s


def _kind(grid: _Grid, name: str, fates: Iterable[FlowFates]) -> KindSeries:
    counts = {verdict: [0] * grid.buckets for verdict in Verdict}
    for one in fates:
        for bucket, span in grid.spans(one):
            verdicts = one.verdicts[span.start : span.stop]
            for verdict, column in counts.items():
                column[bucket] += verdicts.count(verdict)
    return KindSeries(
        name,
        tuple(counts[Verdict.OK]),
        tuple(counts[Verdict.LOST]),
        tuple(counts[Verdict.UNKNOWN]),
        tuple(counts[Verdict.VOID]),
    )


def _latency(grid: _Grid, name: str, fates: list[FlowFates]) -> LatencySeries:
    p50: list[float | None] = []
    p99: list[float | None] = []
    longest: list[float | None] = []
    spans = [dict(grid.spans(one)) for one in fates]
    for bucket in range(grid.buckets):
        taken: list[float] = []
        for one, by_bucket in zip(fates, spans, strict=True):
            for at in by_bucket[bucket]:
                latency = one.latencies_s[at]
                if one.verdicts[at] == Verdict.OK and latency == latency:
                    taken.append(latency)
        taken.sort()
        p50.append(quantile(taken, 0.5) if taken else None)
        p99.append(quantile(taken, 0.99) if taken else None)
        longest.append(taken[-1] if taken else None)
    return LatencySeries(name, tuple(p50), tuple(p99), tuple(longest))
