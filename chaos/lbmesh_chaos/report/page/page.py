"""The whole page. Pure."""

import json
from importlib.resources import files

from lbmesh_chaos.model.outcome import Evidence
from lbmesh_chaos.model.timeline import What
from lbmesh_chaos.report.evidence import not_judged
from lbmesh_chaos.report.page import tables
from lbmesh_chaos.report.page.fault_table import fault_table
from lbmesh_chaos.report.page.frame import LEFT, RIGHT, WIDTH, Frame, Panel, grid, stack, time_axis
from lbmesh_chaos.report.page.marks import fault_lanes, fault_shades, observer_rows, shape
from lbmesh_chaos.report.page.markup import Markup, join, tag
from lbmesh_chaos.report.page.plots import kind_panels, latency_panels, starved_shades, zones_panel
from lbmesh_chaos.report.report import Report
from lbmesh_chaos.report.wording import NO_LOAD, seconds

_TOP = 34.0
_GAP = 12.0
_OBSERVED = "what became of the traffic, and what the observers said"
_SAID = "what the observers said"
_OF_THE_MESH = (What.SUSPECTED, What.AGREED, What.EJECTED, What.CLEARED)
_OF_CLIENTS = (What.FIRST_LOST, What.DIVERTED)
"""What.RECOVERED looks like What.DIVERTED, and means as much."""
_OF_REPLICAS = (What.MOVED, What.BACK)
_HATCH = Markup(
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="1.5" height="6" fill="var(--void)" opacity=".3"/></pattern></defs>'
)


def to_page(report: Report) -> str:
    """HTML that opens from a file, offline."""
    outcome, judged, evidence = report.outcome, report.judged, report.outcome.evidence
    about = (
        f"{outcome.world} · {seconds(outcome.ended_s - outcome.began_s)} · seed {outcome.seed} · "
        f"revision {outcome.revision}"
    )
    header = tag(
        "header",
        tag("div", tag("h1", outcome.name), tag("p", outcome.hypothesis, class_="hypothesis"), _meta(about)),
        tag("div", str(judged.ruling), class_=f"verdict {judged.ruling}"),
    )
    why = tag("ul", *(tag("li", one) for one in judged.reasons), class_=f"reasons {judged.ruling}")
    body = tag(
        "main",
        header,
        why if judged.reasons else "",
        tables.cards(report, evidence) if evidence else tag("p", NO_LOAD),
        tag("section", _legend(outcome.evidence), tag("div", id="told"), _plots(report), class_="plots"),
        tag("section", tag("h2", "Each fault's passage"), fault_table(report)) if report.passages else "",
        tag("section", tag("h2", "Requests"), tables.group_table(report, evidence)) if evidence else "",
        tag(
            "div",
            tag("section", tag("h2", "What had to hold"), tables.invariants(report), tables.findings(report)),
            tag("section", tag("h2", "Why requests failed"), tables.reasons(report)) if evidence else "",
            class_="two" if evidence else None,
        ),
        tag("section", tag("h2", "What this supports"), tables.bounds(report)) if evidence else "",
        tag("section", tag("h2", "What could not be judged"), tables.unjudged(report)) if not_judged(evidence) else "",
        tag("section", tag("h2", "Timeline"), tables.timeline(report)),
        tag("script", Markup(_data(report)), type="application/json", id="series"),
        tag("script", _file("pointer.js")),
    )
    head = join(
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", f"{outcome.name}: {judged.ruling}"),
        tag("style", _file("page.css")),
    )
    return f"<!doctype html>\n{tag('html', tag('head', head), tag('body', body), lang='en')}\n"


def _file(name: str) -> Markup:
    """One that comes with the package."""
    return Markup(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _meta(text: str) -> Markup:
    return tag("p", text, class_="meta")


def _plots(report: Report) -> Markup:
    outcome = report.outcome
    frame = Frame.over(outcome.began_s, _last_s(report))
    lanes, lanes_end = stack([fault_lanes(frame, outcome.faults)], _TOP + 6, 0)
    parts, y = [lanes], lanes_end + 8
    traffic_top = y
    for title, panels, gap in (
        (_OBSERVED if outcome.is_loaded else _SAID, observer_rows(frame, report.timeline), 0.0),
        ("requests a second, by when they were due", kind_panels(frame, report.series), _GAP),
        ("latency from when the request was due", latency_panels(frame, report.series), _GAP),
        ("carried out by replicas of zone", [zones_panel(frame, report.series)] if report.series.zones else [], _GAP),
    ):
        if panels:
            drawn, y = _block(title, panels, y, gap)
            parts.append(drawn)
    bottom = y + 6
    return tag(
        "svg",
        _HATCH,
        grid(frame, _TOP, bottom),
        fault_shades(frame, outcome.faults, traffic_top - 8, bottom),
        starved_shades(frame, outcome.tally.starved, traffic_top, bottom),
        time_axis(frame, _TOP, above=True),
        *parts,
        time_axis(frame, bottom, above=False),
        tag("line", id="cross", y1=_TOP, y2=bottom, x1=0, x2=0),
        viewBox=f"0 0 {WIDTH:g} {bottom + 28:g}",
        class_="time",
        role="img",
    )


def _last_s(report: Report) -> float:
    """Faults may be healed, and observers agree, when no request is due any more."""
    outcome = report.outcome
    healed = (fault.healed_s for fault in outcome.faults)
    return max((outcome.ended_s, *healed, *(event.at_s for event in report.timeline)))


def _block(title: str, panels: list[Panel], y: float, gap: float) -> tuple[Markup, float]:
    heading = tag("text", title, x=LEFT, y=y + 18, class_="heading")
    drawn, end = stack(panels, y + 28, gap)
    return join(heading, drawn), end + 10


def _legend(evidence: Evidence | None) -> Markup:
    """Of what can be there: without load nothing of requests."""

    def swatch(inside: Markup, says: str) -> Markup:
        return tag("span", tag("svg", inside, viewBox="-7 -7 14 14"), says)

    def box(style: str) -> Markup:
        return tag("rect", x=-5, y=-5, width=10, height=10, rx=2, class_=style)

    def stroke(style: str) -> Markup:
        return tag("line", x1=-7, x2=7, y1=0, y2=0, class_=f"line {style}")

    marks = (
        *_OF_THE_MESH,
        *(_OF_CLIENTS if evidence else ()),
        *(_OF_REPLICAS if evidence and evidence.logged else ()),
    )
    of_requests = (
        swatch(box("area ok"), "answered"),
        swatch(box("fill lost"), "lost"),
        swatch(box("fill unknown"), "unknown outcome"),
        swatch(stroke("p50"), "median"),
        swatch(stroke("p99"), "99 of 100"),
        swatch(tag("circle", r=2, class_="longest"), "longest"),
        swatch(box("starved"), "client starved: does not count"),
    )
    return tag(
        "div",
        swatch(box("band"), "fault"),
        *(swatch(shape(what), str(what)) for what in marks),
        *(of_requests if evidence else ()),
        class_="legend",
    )


def _data(report: Report) -> str:
    """For the pointer. Figures, and names that are ours: nothing that could end the script."""
    series = report.series
    data = {
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "seconds": _last_s(report) - report.outcome.began_s,
        "width": series.width_s,
        "buckets": series.buckets,
        "kinds": [{"name": one.name, "ok": one.ok, "lost": one.lost, "unknown": one.unknown} for one in series.kinds],
    }
    return json.dumps(data)
