"""The panels of what was done and what observers said: fault bands, and a row of marks for each observer. Pure."""

from collections.abc import Sequence

from lbmesh_chaos.model.outcome import FaultSpan
from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.report.page.frame import LEFT, RIGHT, WIDTH, Frame, Panel, name
from lbmesh_chaos.report.page.markup import Markup, join, tag

LANE = 22.0
ROW = 20.0
_OF_TRAFFIC = (What.FIRST_LOST, What.DIVERTED, What.MOVED, What.BACK, What.RECOVERED)
_CHARACTER = 6.4
"""Of a label, in pixels: whether it fits into its band."""


def fault_lanes(frame: Frame, faults: Sequence[FaultSpan]) -> Panel:
    """Each fault while it stood. Those that stand together take a lane each."""
    ends: list[float] = []
    drawn = []
    for fault in sorted(faults, key=lambda one: one.applied_s):
        lane = next((at for at, end in enumerate(ends) if end <= fault.applied_s), len(ends))
        ends[lane : lane + 1] = [fault.healed_s]
        drawn.append(_band(frame, fault, lane * LANE))
    return Panel(max(1, len(ends)) * LANE, join(name("faults", 15), *drawn))


def _band(frame: Frame, fault: FaultSpan, y: float) -> Markup:
    start, end = frame.x(fault.applied_s), frame.x(fault.healed_s)
    width = max(end - start, 2.0)
    wanted = len(fault.label) * _CHARACTER + 10
    text: Markup | str = ""
    if wanted <= width:
        text = tag("text", fault.label, x=start + 6, y=y + 14.5, class_="inband")
    elif end + wanted < WIDTH - RIGHT and width < wanted < 160:
        text = tag("text", fault.label, x=end + 4, y=y + 14.5, class_="besideband")
    box = tag("rect", x=start, y=y + 2, width=width, height=LANE - 4, rx=3, class_="band")
    says = tag("title", f"{fault.label}: {fault.text} ({', '.join(fault.targets)})")
    return tag("g", says, box, text)


def fault_shades(frame: Frame, faults: Sequence[FaultSpan], top: float, bottom: float) -> Markup:
    """The same bands, faint, behind everything below them."""
    parts = []
    for fault in faults:
        start, end = frame.x(fault.applied_s), frame.x(fault.healed_s)
        parts.append(
            tag("rect", x=start, y=top, width=max(end - start, 1.0), height=bottom - top, class_="shade"),
        )
        parts += [tag("line", x1=x, x2=x, y1=top, y2=bottom, class_="shadeedge") for x in (start, end)]
    return join(*parts)


def observer_rows(frame: Frame, events: Sequence[Event]) -> list[Panel]:
    """What became of the traffic, then one row for each observer, in the order of their names. What was said before the
    drill began is not drawn.
    """
    events = [event for event in events if event.at_s >= frame.began_s]
    mine = [event for event in events if event.what in _OF_TRAFFIC]
    rows = [_row(frame, "traffic", mine)] if mine else []
    for observer in sorted({event.observer for event in events if event.observer and event.what in SHAPES}):
        said = [event for event in events if event.observer == observer and event.what in SHAPES]
        rows.append(_row(frame, observer, said))
    return rows


def _row(frame: Frame, title: str, events: Sequence[Event]) -> Panel:
    line = tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=ROW / 2, y2=ROW / 2, class_="grid")
    return Panel(ROW, join(name(title, ROW / 2 + 4), line, *(_mark(frame, event) for event in sorted(events))))


def _mark(frame: Frame, event: Event) -> Markup:
    x = frame.x(event.at_s)
    says = f"{event.at_s - frame.began_s:.3f} s: {event.observer or 'traffic'}: {event.subject} {event.what}"
    title = tag("title", f"{says} ({event.detail})" if event.detail else says)
    return tag("g", title, shape(event.what), transform=f"translate({x:.2f} {ROW / 2:g})")


def shape(what: What) -> Markup:
    """A mark around the origin."""
    return tag("path", d=SHAPES[what], class_=f"mark {what.name.lower()}")


SHAPES = {
    What.SUSPECTED: "M0 -5.5 L5.5 0 L0 5.5 L-5.5 0 Z",
    What.AGREED: "M0 -5.5 L5.5 0 L0 5.5 L-5.5 0 Z",
    What.EJECTED: "M-4.5 -4.5 H4.5 V4.5 H-4.5 Z",
    What.CLEARED: "M-4.5 0 A4.5 4.5 0 1 0 4.5 0 A4.5 4.5 0 1 0 -4.5 0 Z",
    What.FIRST_LOST: "M-5 -5 L5 5 M-5 5 L5 -5",
    What.DIVERTED: "M-5 0 L-1 4.5 L5.5 -4.5",
    What.RECOVERED: "M-5 0 L-1 4.5 L5.5 -4.5",
    What.MOVED: "M5 0 L-4 -5 V5 Z",
    What.BACK: "M-5 0 L4 -5 V5 Z",
}
"""Told apart by form as well as by colour."""
