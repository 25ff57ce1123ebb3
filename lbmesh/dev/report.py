"""What a drill cost, as a table for people and as JSON. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lbmesh.dev.drill import SCRIPT, Fault
from lbmesh.dev.ledger import Call, Tally, gaps, longest_gap, tally
from lbmesh.dev.terminal import BOLD, GREEN, RED, YELLOW

GAP_MARK_S = 1.0
"""The longest gap that a client may see, as a mark: it is shown, not judged."""

CALM = "calm"

Paint = Callable[..., str]
"""Given a text and colour codes."""

_NO_FAULT: Mapping[str, float | None] = {}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the drill: calm, or from one fault to the next. A call belongs to where it began."""

    title: str
    counts: Tally
    gap_s: float | None
    noticed: Mapping[str, float | None]
    back: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole drill. `duplicates`: orders in more than one replica's books; None: a replica did not tell."""

    balancers: tuple[str, ...]
    stretches: tuple[Stretch, ...]
    total: Tally
    gap_s: float | None
    duplicates: int | None
    came_back: bool
    took_s: float
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """No idempotent request was lost, and the mesh came back."""
        return self.total.lost == 0 and self.came_back


def make_report(
    calls: Sequence[Call],
    faults: Sequence[Fault],
    *,
    balancers: tuple[str, ...],
    duplicates: int | None,
    whole: bool,
    began_s: float,
    ended_s: float,
) -> Report:
    """From what was noted. `whole`: every balancer's picture is, at the end."""
    starts = [began_s, *(fault.began_s for fault in faults), ended_s]
    found_gaps = gaps(calls)
    stretches = []
    for title, fault, start, end in zip(
        [CALM, *(fault.title for fault in faults)], [None, *faults], starts, starts[1:], strict=False
    ):
        gap = longest_gap(found_gaps, start, end)
        stretches.append(
            Stretch(
                title,
                tally(call for call in calls if start <= call.began_s < end),
                gap.length_s if gap else None,
                fault.noticed if fault else _NO_FAULT,
                fault.back if fault else _NO_FAULT,
            )
        )
    overall = longest_gap(found_gaps, began_s, ended_s)
    all_back = all(value is not None for fault in faults for value in fault.back.values())
    return Report(
        balancers=balancers,
        stretches=tuple(stretches),
        total=tally(calls),
        gap_s=overall.length_s if overall else None,
        duplicates=duplicates,
        came_back=whole and all_back and len(faults) == len(SCRIPT),
        took_s=ended_s - began_s,
        problems=tuple(dict.fromkeys(f"{call.client}: {call.problem}" for call in calls if not call.answered)),
    )


def to_json(report: Report) -> dict[str, Any]:
    """Every figure, with its unit in its name."""
    return {**asdict(report), "passed": report.passed, "gap_mark_s": GAP_MARK_S}


def to_table(report: Report, paint: Paint) -> list[str]:
    """Lines of text, at most 120 columns wide for three balancers."""
    width = max(len(stretch.title) for stretch in report.stretches) + 2
    names = "".join(f"{name:>7}" for name in report.balancers)
    span = len(names)
    lines = [
        f"{'':<{width}}{'':>34}{'longest':>9}   {'noticed after, s':^{span}}   {'back after, s':^{span}}".rstrip(),
        paint(
            f"{'':<{width}}{'requests':>9}{'lost':>6}{'retried':>9}{'hedged':>8}{'gap, ms':>11}   {names}   {names}",
            BOLD,
        ),
    ]
    for stretch in report.stretches:
        lines.append(
            _row(stretch.title, stretch.counts, stretch.gap_s, width, paint)
            + "   "
            + _times(stretch.noticed, report.balancers, bool(stretch.back), paint)
            + "   "
            + _times(stretch.back, report.balancers, bool(stretch.back), paint)
        )
    lines.append(paint(_row("in all", report.total, report.gap_s, width, _plain), BOLD))
    return [line.rstrip() for line in lines] + ["", *_verdict(report, paint)]


def _row(title: str, counts: Tally, gap_s: float | None, width: int, paint: Paint) -> str:
    gap = "-" if gap_s is None else f"{gap_s * 1e3:.0f}"
    lost = f"{counts.lost:>6}"
    return (
        f"{title:<{width}}{counts.reads:>9}"
        + (paint(lost, RED) if counts.lost else lost)
        + f"{counts.moved:>9}{counts.hedged:>8}"
        + (paint(f"{gap:>11}", YELLOW) if gap_s is None or gap_s >= GAP_MARK_S else f"{gap:>11}")
    )


def _times(times: Mapping[str, float | None], balancers: Sequence[str], has_fault: bool, paint: Paint) -> str:
    cells = []
    for name in balancers:
        value = times.get(name)
        if value is not None:
            cells.append(f"{value:>7.1f}")
        elif name in times:
            cells.append(paint(f"{'never':>7}", RED))
        else:
            cells.append(f"{'hit' if has_fault else '':>7}")
    return "".join(cells)


def _verdict(report: Report, paint: Paint) -> list[str]:
    total = report.total
    books = "not known" if report.duplicates is None else str(report.duplicates)
    gap_met = report.gap_s is not None and report.gap_s < GAP_MARK_S
    mark = "met" if gap_met else paint("missed", YELLOW)
    judged = "none was lost" if not total.lost else f"{total.lost} LOST"
    lines = [
        f"Requests, all idempotent: {total.reads}, {judged}.",
        f"Answered in {total.p50_s * 1e3:.1f} ms (median), {total.p99_s * 1e3:.0f} ms (99 of 100).",
        f"Longest gap of a client: the mark of under {GAP_MARK_S:g} s is {mark}.",
        f"Orders, which are sent once: {total.orders}; unanswered {total.orders_unanswered}, booked twice {books}.",
    ]
    lines += [f"  {problem}" for problem in report.problems[:PROBLEMS_SHOWN]]
    if report.passed:
        return [*lines, paint(f"Passed in {report.took_s:.0f} s.", GREEN, BOLD)]
    return [*lines, paint(_why(report), RED, BOLD)]


PROBLEMS_SHOWN = 10


def _why(report: Report) -> str:
    lost = f"{report.total.lost} requests were lost" if report.total.lost else ""
    away = "" if report.came_back else "the mesh did not come back"
    return "FAILED: " + " and ".join(reason for reason in (lost, away) if reason) + "."


def _plain(text: str, *_codes: str) -> str:
    return text
