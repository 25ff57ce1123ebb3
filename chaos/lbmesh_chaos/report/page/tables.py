"""The page's tables and lists. Pure."""

from lbmesh_chaos.model.outcome import Evidence
from lbmesh_chaos.model.tally import Findings
from lbmesh_chaos.report.evidence import NOT_KNOWN, by_zone, figure, not_judged
from lbmesh_chaos.report.page.markup import Markup, join, tag
from lbmesh_chaos.report.report import Group, Report
from lbmesh_chaos.report.wording import bound, bound_over_faults, number, per_million, percent

EVENTS_SHOWN = 400


def cards(report: Report, evidence: Evidence) -> Markup:
    """The figures that one looks for first."""
    total, tally = report.total, report.outcome.tally
    length_s = report.outcome.ended_s - report.outcome.began_s
    rate = (total.sent + total.void) / length_s if length_s else 0.0
    unknown = "unknown outcomes"
    if total.unknown and evidence.logged:
        unknown = f"unknown, {number(total.unknown_executed)} of them carried out"
    mixed = tally.mixed_up.count + tally.damaged.count
    replayed = f"replayed; {number(total.retried)} sent again by clients"
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
        _card(
            figure(number(total.duplicated), is_known=evidence.tells_twice),
            "wrongly carried out twice",
            "bad" if total.duplicated else "",
        ),
        _card(
            figure(number(mixed), is_known=evidence.tells_mixed_up),
            "mixed up or damaged" if evidence.logged else "mixed up",
            "bad" if mixed else "",
        ),
        _card(figure(number(total.replayed), is_known=evidence.tells_twice), replayed),
        class_="cards",
    )


def _card(figure: str, says: str, style: str = "") -> Markup:
    return tag("div", tag("b", figure), tag("span", says), class_=f"card {style}".strip())


def group_table(report: Report, evidence: Evidence) -> Markup:
    """Counts by kind, zone and method."""
    heads = ("", "sent", "lost", "per million", "unknown", "retried", "replayed", "twice", "void")
    rows = [tag("tr", *(tag("th", head) for head in (*heads, "answered", "at least")))]
    for title, groups in (
        ("by kind of client", report.by_kind),
        (by_zone(evidence), report.by_zone),
        ("by method", report.by_method),
    ):
        rows.append(tag("tr", tag("td", title, colspan=str(len(heads) + 2)), class_="group"))
        rows += [_group_row(one, evidence) for one in groups]
    return tag("table", *rows)


def _group_row(group: Group, evidence: Evidence) -> Markup:
    counted, tells = group.count, evidence.tells_twice
    cells = (
        (number(counted.sent), ""),
        (number(counted.lost), "bad" if counted.lost else "nil"),
        (per_million(counted), "bad" if counted.lost else "nil"),
        (number(counted.unknown), "doubt" if counted.unknown else "nil"),
        (number(counted.retried), "" if counted.retried else "nil"),
        (figure(number(counted.replayed), is_known=tells), "" if counted.replayed else "nil"),
        (figure(number(counted.duplicated), is_known=tells), "bad" if counted.duplicated else "nil"),
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
    return tag("ul", *items, class_="plain marks")


def unjudged(report: Report) -> Markup:
    """What nobody could see."""
    items = (tag("li", tag("span", NOT_KNOWN, class_="open"), one) for one in not_judged(report.outcome.evidence))
    return tag("ul", *items, class_="plain marks")


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
