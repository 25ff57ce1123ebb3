"""The page's table of faults: one row each, its columns by what there was to see. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from lbmesh_chaos.model.outcome import Evidence
from lbmesh_chaos.report.counts import Count
from lbmesh_chaos.report.page.markup import Markup, join, tag
from lbmesh_chaos.report.passage import Passage
from lbmesh_chaos.report.report import Report
from lbmesh_chaos.report.wording import agreement, number, seconds


class _Needs(Enum):
    """What a column of the faults' table is made from."""

    MESH = auto()
    """What the nodes say of each other."""
    LOAD = auto()
    ORIGIN_LOGS = auto()

    def is_there(self, evidence: Evidence | None) -> bool:
        match self:
            case _Needs.MESH:
                return True
            case _Needs.LOAD:
                return evidence is not None
            case _Needs.ORIGIN_LOGS:
                return evidence is not None and evidence.logged


@dataclass(frozen=True, slots=True)
class _Column:
    """One figure of a fault's passage. `title`: what it means, for the pointer."""

    head: str
    title: str
    cell: Callable[[Passage], Markup]
    needs: _Needs = _Needs.MESH


def _time(value: float | None) -> Markup:
    return tag("td", seconds(value), class_="nil" if value is None else None)


def _detected(one: Passage) -> Markup:
    by_observer = ", ".join(f"{name} {seconds(value)}" for name, value in one.suspected_s.items())
    style = "nil" if one.detect_s is None else None
    return tag("td", seconds(one.detect_s), title=by_observer or None, class_=style)


def _agreed(one: Passage) -> Markup:
    return tag("td", agreement(one), class_="nil" if one.agree_s is None else None)


_FAULT_COLUMNS = (
    _Column(
        "stood",
        "from when it was applied until it was healed: until the last step of its undo was taken",
        lambda one: tag("td", seconds(one.stood_s)),
    ),
    _Column("detect", "the first doubt of any observer", _detected),
    _Column(
        "agree",
        "the last of the observers that were not struck holds for down what it comes to hold for down",
        _agreed,
    ),
    _Column(
        "first lost",
        "when the first request that failed was due; 0: the fault caught it in flight",
        lambda one: _time(one.first_lost_s),
        _Needs.LOAD,
    ),
    _Column(
        "divert",
        "the first good request after the last that failed before the heal was due; a dash: until it",
        lambda one: _time(one.divert_s),
        _Needs.LOAD,
    ),
    _Column(
        "moved",
        "the last request that a struck host carried before traffic left it",
        lambda one: _time(one.moved_s),
        _Needs.ORIGIN_LOGS,
    ),
    _Column(
        "back",
        "traffic is at the struck hosts again as densely as before",
        lambda one: _time(one.back_s),
        _Needs.ORIGIN_LOGS,
    ),
    _Column(
        "boot",
        "from the heal until all that the fault had ended answers again",
        lambda one: _time(one.fault.boot_s or None),
    ),
    _Column(
        "recover",
        "from the heal, the first good request after the last that failed; a dash: none failed any more",
        lambda one: _time(one.recover_s),
        _Needs.LOAD,
    ),
    _Column(
        "rejoin",
        "from the heal, traffic is back; a dash: it was before, or it had not left",
        lambda one: _time(one.rejoin_s),
        _Needs.ORIGIN_LOGS,
    ),
    _Column(
        "agree up",
        "from the heal, the last observer has taken back what it held against it",
        lambda one: _time(one.agree_up_s),
    ),
    _Column(
        "lost in its zones",
        "lost and unknown, of all that the clients of the struck zones sent",
        lambda one: _share(one.struck),
        _Needs.LOAD,
    ),
    _Column(
        "lost elsewhere",
        "the same of the other zones: the control, which should be 0",
        lambda one: _share(one.control),
        _Needs.LOAD,
    ),
)


def fault_table(report: Report) -> Markup:
    """One row a fault: its times, and what it cost whom, as far as there was somebody to see it."""
    columns = [one for one in _FAULT_COLUMNS if one.needs.is_there(report.outcome.evidence)]
    heads = [
        tag("th", "fault"),
        tag("th", "at", title="when it was applied, from the drill's beginning"),
        *(tag("th", one.head, title=one.title) for one in columns),
    ]
    return tag(
        "table", tag("tr", *heads), *(_fault_row(one, report.outcome.began_s, columns) for one in report.passages)
    )


def _fault_row(one: Passage, began_s: float, columns: Sequence[_Column]) -> Markup:
    label = join(tag("b", one.fault.label), tag("div", one.fault.text, class_="small"))
    at = tag("td", seconds(one.fault.applied_s - began_s))
    return tag("tr", tag("td", label, class_="text"), at, *(column.cell(one) for column in columns))


def _share(counted: Count) -> Markup:
    if not counted.sent:
        return tag("td", "nobody asked", class_="nil")
    text = f"{number(counted.unanswered)} of {number(counted.sent)}"
    return tag("td", text, class_="bad" if counted.lost else "doubt" if counted.unknown else "nil")
