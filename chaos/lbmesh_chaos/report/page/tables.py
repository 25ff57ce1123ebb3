"""The page's tables and lists. Pure."""

from lbmesh_chaos.model.tally import Findings
from lbmesh_chaos.report.counts import Count
from lbmesh_chaos.report.page.markup import Markup, join, tag
from lbmesh_chaos.report.passage import Passage
from lbmesh_chaos.report.report import Group, Report
from lbmesh_chaos.report.wording import agreement, bound, bound_over_faults, number, per_million, percent, seconds

EVENTS_SHOWN = 400


def cards(report: Report) -> Markup:
    """The figures that one looks for first."""
    total, tally = report.total, report.outcome.tally
    length_s = report.outcome.ended_s - report.outcome.began_s
    rate = (total.sent + total.void) / length_s if length_s else 0.0
    unknown = f"unknown, {number(total.unknown_executed)} of them carried out" if total.unknown else "unknown outcomes"
    mixed = tally.mixed_up.count + tally.damaged.count
    available = join(
        tag("b", percent(report.available.answered)),
        tag("span", f"answered; {bound(report.available)}"),
    )
    return tag(
        "div",
        tag("div", available, class_="card wide"),
        _card(number(total.sent), f"requests, {rate:.0f} a second"),
        _card(number(total.lost), f"lost, {per_million(total)} per million", "bad" if total.lost else ""),
        _card(number(total.unknown), unknown, "doubt" if total.unknown else ""),
        _card(number(total.duplicated), "wrongly carried out twice", "bad" if total.duplicated else ""),
        _card(number(mixed), "mixed up or damaged", "bad" if mixed else ""),
        _card(number(total.replayed), f"replayed; {number(total.retried)} sent again by clients"),
        class_="cards",
    )


def _card(figure: str, says: str, style: str = "") -> Markup:
    return tag("div", tag("b", figure), tag("span", says), class_=f"card {style}".strip())


_FAULT_HEADS = {
    "fault": "",
    "at": "when it was applied, from the drill's beginning",
    "stood": "from when it was applied until it was healed: until the last step of its undo was taken",
    "detect": "the first doubt of any observer",
    "agree": "the last of the observers that were not struck holds for down what it comes to hold for down",
    "first lost": "when the first request that failed was due; 0: the fault caught it in flight",
    "divert": "the first good request after the last that failed before the heal was due; a dash: until it",
    "moved": "the last request that a struck host carried before traffic left it",
    "back": "traffic is at the struck hosts again as densely as before",
    "boot": "from the heal until all that the fault had ended answers again",
    "recover": "from the heal, the first good request after the last that failed; a dash: none failed any more",
    "rejoin": "from the heal, traffic is back; a dash: it was before, or it had not left",
    "agree up": "from the heal, the last observer has taken back what it held against it",
}


def fault_table(report: Report) -> Markup:
    """One row a fault: its times, and what it cost whom."""
    row = [tag("th", head, title=title or None) for head, title in _FAULT_HEADS.items()]
    row += [
        tag("th", "lost in its zones", title="lost and unknown, of all that the clients of the struck zones sent"),
        tag("th", "lost elsewhere", title="the same of the other zones: the control, which should be 0"),
    ]
    return tag("table", tag("tr", *row), *(_fault_row(one, report.outcome.began_s) for one in report.passages))


def _fault_row(one: Passage, began_s: float) -> Markup:
    fault = one.fault
    times = (
        *(one.first_lost_s, one.divert_s, one.moved_s, one.back_s),
        *(fault.boot_s or None, one.recover_s, one.rejoin_s, one.agree_up_s),
    )
    label = join(tag("b", fault.label), tag("div", fault.text, class_="small"))
    by_observer = ", ".join(f"{name} {seconds(value)}" for name, value in one.suspected_s.items())
    return tag(
        "tr",
        tag("td", label, class_="text"),
        tag("td", seconds(fault.applied_s - began_s)),
        tag("td", seconds(one.stood_s)),
        tag("td", seconds(one.detect_s), title=by_observer or None, class_="nil" if one.detect_s is None else None),
        tag("td", agreement(one), class_="nil" if one.agree_s is None else None),
        *(tag("td", seconds(value), class_="nil" if value is None else None) for value in times),
        _share(one.struck),
        _share(one.control),
    )


def _share(counted: Count) -> Markup:
    if not counted.sent:
        return tag("td", "nobody asked", class_="nil")
    text = f"{number(counted.unanswered)} of {number(counted.sent)}"
    return tag("td", text, class_="bad" if counted.lost else "doubt" if counted.unknown else "nil")


def group_table(report: Report) -> Markup:
    """Counts by kind, zone and method."""
    heads = ("", "sent", "lost", "per million", "unknown", "retried", "replayed", "twice", "void")
    rows = [tag("tr", *(tag("th", head) for head in (*heads, "answered", "at least")))]
    for title, groups in (
        ("by kind of client", report.by_kind),
        ("by zone of the client", report.by_zone),
        ("by method", report.by_method),
    ):
        rows.append(tag("tr", tag("td", title, colspan=str(len(heads) + 2)), class_="group"))
        rows += [_group_row(one) for one in groups]
    return tag("table", *rows)


def _group_row(group: Group) -> Markup:
    counted = group.count
    cells = (
        (number(counted.sent), ""),
        (number(counted.lost), "bad" if counted.lost else "nil"),
        (per_million(counted), "bad" if counted.lost else "nil"),
        (number(counted.unknown), "doubt" if counted.unknown else "nil"),
        (number(counted.retried), "" if counted.retried else "nil"),
        (number(counted.replayed), "" if counted.replayed else "nil"),
        (number(counted.duplicated), "bad" if counted.duplicated else "nil"),
        (number(counted.void), "doubt" if counted.void else "nil"),
        (percent(group.available.answered), ""),
        (percent(group.available.at_least), "nil"),
    )
    return tag("tr", tag("td", group.name), *(tag("td", text, class_=style or None) for text, style in cells))


def bounds(report: Report) -> Markup:
    """What the evidence supports, said in full."""
    before, available = report.baseline, report.available
    says = [
        f"Control in time: before the first fault {number(before.unanswered)} of {number(before.sent)} failed.",
        f"Of all {number(report.total.sent)}, {percent(available.answered)} were answered well.",
        f"If losses were independent, that supports {percent(available.at_least)} at 95 % (exact binomial bound).",
    ]
    if available.at_least_clustered is not None:
        says.append(f"They come in clusters. Faults drawn anew, it supports {bound(available)}.")
    if over_faults := bound_over_faults(available):
        says.append(f"By faults: {over_faults}.")
    return tag("ul", *(tag("li", one) for one in says), class_="plain small")


def reasons(report: Report) -> Markup:
    """Why requests failed."""
    if not report.reasons:
        return tag("p", "No request failed.", class_="small")
    rows = [tag("tr", tag("td", why), tag("td", number(many))) for why, many in report.reasons.items()]
    return tag("table", tag("tr", tag("th", "reason"), tag("th", "requests")), *rows)


def invariants(report: Report) -> Markup:
    """What had to hold."""
    marks = {True: ("✓", "yes"), False: ("✗", "no"), None: ("?", "open")}
    items = []
    for one in report.judged.invariants:
        sign, style = marks[one.held]
        detail = tag("span", f" {one.detail}", class_="small") if one.detail else ""
        items.append(tag("li", tag("span", sign, class_=style), one.name, detail))
    for left in report.outcome.residue:
        items.append(tag("li", tag("span", "✗", class_="no"), f"left behind: {left}"))
    if not report.outcome.residue:
        items.append(tag("li", tag("span", "✓", class_="yes"), "the faults left nothing behind"))
    return tag("ul", *items, class_="plain")


def findings(report: Report) -> Markup:
    """Requests by name, where one must look closer."""
    tally = report.outcome.tally
    named: tuple[tuple[str, Findings], ...] = (
        ("lost through lbmesh.client", tally.mesh_lost),
        ("carried out twice", tally.duplicated),
        ("mixed up", tally.mixed_up),
        ("damaged", tally.damaged),
        ("answered but not carried out", tally.unexecuted),
        ("carried out but not sent", tally.strays),
        ("replayed", tally.replayed),
    )
    return join(*(_finding(title, found) for title, found in named if found.count))


def _finding(title: str, found: Findings) -> Markup:
    items = [tag("li", tag("code", one.request), f" {one.what}") for one in found.first]
    more = f", the first {len(found.first)}" if found.count > len(found.first) else ""
    summary = tag("summary", f"{title}: {number(found.count)}{more}")
    return tag("details", summary, tag("ul", *items, class_="small"))


def timeline(report: Report) -> Markup:
    """Every event in words."""
    events = report.timeline
    heads = (tag("th", head, class_="text") for head in ("what", "about", "says", "detail"))
    rows = [tag("tr", tag("th", "at"), *heads)]
    for event in events[:EVENTS_SHOWN]:
        at = tag("td", f"{event.at_s - report.outcome.began_s:.3f} s")
        words = (str(event.what), event.subject, event.observer, event.detail)
        rows.append(tag("tr", at, *(tag("td", word, class_="text") for word in words)))
    more = f", the first {EVENTS_SHOWN}" if len(events) > EVENTS_SHOWN else ""
    return tag("details", tag("summary", f"{number(len(events))} events{more}"), tag("table", *rows))
