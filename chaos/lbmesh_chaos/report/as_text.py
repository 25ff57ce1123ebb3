"""The report for a terminal: lines of at most 130 columns, but for long hypotheses and reasons. Pure."""

from collections.abc import Callable

from lbmesh_chaos.model.outcome import Evidence
from lbmesh_chaos.report.evidence import figure, not_judged
from lbmesh_chaos.report.passage import Passage
from lbmesh_chaos.report.report import Group, Report
from lbmesh_chaos.report.verdict import Ruling
from lbmesh_chaos.report.wording import (
    NO_LOAD,
    agreement,
    bound,
    bound_over_faults,
    number,
    per_million,
    percent,
    seconds,
)

GREEN, YELLOW, RED, BOLD, FAINT = "32", "33", "31", "1", "2"
_COLOURS = {Ruling.PASSED: GREEN, Ruling.FAILED: RED, Ruling.INCONCLUSIVE: YELLOW}
REASONS_SHOWN = 8
OBSERVERS_SHOWN = 5

Paint = Callable[..., str]
"""Given a text and codes."""


def plain(text: str, *_codes: str) -> str:
    """No colour."""
    return text


def coloured(text: str, *codes: str) -> str:
    """ANSI SGR."""
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m"


def to_text(report: Report, paint: Paint = plain) -> str:
    """Verdict first, then what it cost, then why."""
    outcome, judged = report.outcome, report.judged
    length = seconds(outcome.ended_s - outcome.began_s)
    lines = [
        f"{paint(judged.ruling.upper(), _COLOURS[judged.ruling], BOLD)}  {paint(outcome.name, BOLD)}  "
        + paint(f"{outcome.world}, {length}, seed {outcome.seed}, revision {outcome.revision}", FAINT),
        f"        {outcome.hypothesis}",
        *(paint(f"        ✗ {reason}", _COLOURS[judged.ruling]) for reason in judged.reasons),
        "",
        *(_counts(report, outcome.evidence, paint) if outcome.evidence else [NO_LOAD]),
        "",
    ]
    for one in report.passages:
        lines += _passage(one, outcome.began_s, outcome.evidence, paint)
    if report.reasons:
        shown = list(report.reasons.items())[:REASONS_SHOWN]
        lines += ["", "failed by reason: " + ", ".join(f"{why} {number(many)}" for why, many in shown)]
    lines += [f"lost: {one.request}: {one.what}" for one in outcome.tally.mesh_lost.first[:REASONS_SHOWN]]
    lines += ["", *(_invariant(one.name, one.held, paint) for one in judged.invariants)]
    if unjudged := not_judged(outcome.evidence):
        lines += ["", "could not be judged:", *(paint(f"  {line}", FAINT) for line in unjudged)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _counts(report: Report, evidence: Evidence, paint: Paint) -> list[str]:
    heads = ("sent", "lost", "unknown", "retried", "replayed", "twice", "void", "lost/M")
    lines = [paint(f"{'':<20}" + "".join(f"{head:>10}" for head in heads) + f"{'available':>13}", FAINT)]
    groups = [Group("all", report.total, report.available), *report.by_kind, *report.by_zone, *report.by_method]
    for group in groups:
        counted, tells = group.count, evidence.tells_twice
        figures = (
            number(counted.sent),
            number(counted.lost),
            number(counted.unknown),
            number(counted.retried),
            figure(number(counted.replayed), is_known=tells),
            figure(number(counted.duplicated), is_known=tells),
            number(counted.void),
        )
        cells = [f"{text:>10}" for text in figures]
        cells[1] = paint(cells[1], RED) if counted.lost else cells[1]
        cells[2] = paint(cells[2], YELLOW) if counted.unknown else cells[2]
        cells[5] = paint(cells[5], RED) if counted.duplicated else cells[5]
        available = percent(group.available.answered)
        lines.append(f"{group.name:<20}{''.join(cells)}{per_million(counted):>10}{available:>13}")
    return [
        *lines,
        *(f"{'':<20}{says}" for says in (bound(report.available), bound_over_faults(report.available)) if says),
    ]


def _passage(one: Passage, began_s: float, evidence: Evidence | None, paint: Paint) -> list[str]:
    fault, indent = one.fault, " " * 11
    struck, control = one.struck, one.control
    cost = (
        f"its zones lost {number(struck.lost)} and {number(struck.unknown)} unknown of {number(struck.sent)}; "
        f"the others {number(control.lost)} and {number(control.unknown)} of {number(control.sent)}"
    )
    title = paint(f"{fault.applied_s - began_s:7.1f} s  {fault.label}", BOLD)
    lines = [f"{title}  for {seconds(one.stood_s)}: {fault.text}", f"{indent}{'mesh':<11}{_of_mesh(one)}"]
    if evidence:
        lines.append(f"{indent}{'traffic':<11}{_of_traffic(one, evidence)}")
    lines.append(f"{indent}{'heal':<11}{_of_heal(one, evidence)}")
    if evidence:
        style = YELLOW if struck.unanswered or control.unanswered else FAINT
        lines.append(paint(f"{indent}{'cost':<11}{cost}", style))
    return lines


def _of_mesh(one: Passage) -> str:
    by_observer = ", ".join(
        f"{name} {seconds(value)}" for name, value in list(one.suspected_s.items())[:OBSERVERS_SHOWN]
    )
    more = ", …" if len(one.suspected_s) > OBSERVERS_SHOWN else ""
    detected = f"detect {seconds(one.detect_s)}" + (f" ({by_observer}{more})" if by_observer else "")
    return f"{detected}  agree {agreement(one)}"


def _of_traffic(one: Passage, evidence: Evidence) -> str:
    if one.first_lost_s is None:
        lost = "nothing lost"
    else:
        lost = f"first lost {seconds(one.first_lost_s)}  divert {seconds(one.divert_s)}"
    return f"{lost}  moved {seconds(one.moved_s)}  back {seconds(one.back_s)}" if evidence.logged else lost


def _of_heal(one: Passage, evidence: Evidence | None) -> str:
    times = {
        "boot": one.fault.boot_s or None,
        **({"recover": one.recover_s} if evidence else {}),
        **({"rejoin": one.rejoin_s} if evidence and evidence.logged else {}),
        "agree up": one.agree_up_s,
    }
    return "  ".join(f"{name} {seconds(value)}" for name, value in times.items())


def _invariant(name: str, held: bool | None, paint: Paint) -> str:
    match held:
        case True:
            return f"{paint('✓', GREEN)} {name}"
        case False:
            return f"{paint('✗', RED)} {name}"
        case None:
            return f"{paint('?', YELLOW)} {name}"
