"""The panels of the traffic: requests by kind of client, latency, and which zone served. Pure."""

from collections.abc import Callable, Sequence

from lbmesh_chaos.model.tally import Starved
from lbmesh_chaos.report.page.frame import LEFT, RIGHT, TICKS, WIDTH, Frame, Panel, name
from lbmesh_chaos.report.page.markup import Markup, join, tag
from lbmesh_chaos.report.page.scale import Linear, Logarithmic
from lbmesh_chaos.report.series import KindSeries, LatencySeries, Series, ZoneSeries
from lbmesh_chaos.report.wording import number, seconds

KIND_HEIGHT = 66.0
RUG = 9.0
"""The strip under the rate that shows each bucket in which something failed, be it one request of thousands."""
LATENCY_HEIGHT = 92.0
ZONES_HEIGHT = 96.0
ZONE_COLOURS = 6


def kind_panels(frame: Frame, series: Series) -> list[Panel]:
    """One for each kind of client, all on one scale."""
    most = max((max(map(sum, zip(one.ok, one.lost, one.unknown, strict=True))) for one in series.kinds), default=1)
    return [_kind(frame, series, one, (most or 1) / series.width_s) for one in series.kinds]


def _kind(frame: Frame, series: Series, one: KindSeries, most: float) -> Panel:
    base = KIND_HEIGHT - RUG - 3
    y = Linear(0.0, most * 1.08, base, 2.0)
    rates = [[value / series.width_s for value in column] for column in (one.ok, one.unknown, one.lost)]
    lower = [0.0] * series.buckets
    areas = []
    for style, rate in zip(("ok", "unknown", "lost"), rates, strict=True):
        upper = [below + value for below, value in zip(lower, rate, strict=True)]
        if any(rate):
            areas.append(_area(frame, series.width_s, lower, upper, y, style))
        lower = upper
    lost, unknown = sum(one.lost), sum(one.unknown)
    notes = [f"{number(lost)} lost" if lost else "none lost", *([f"{number(unknown)} unknown"] if unknown else [])]
    return Panel(
        KIND_HEIGHT,
        join(
            _left_axis(y.ticks(2), y, lambda tick: f"{tick:g}/s"),
            *areas,
            _rug(frame, series.width_s, one, base + 3),
            name(one.name, base / 2 - 6, *notes),
        ),
    )


def _rug(frame: Frame, width_s: float, one: KindSeries, y: float) -> Markup:
    parts = [tag("rect", x=LEFT, y=y, width=frame.edge(len(one.ok), width_s) - LEFT, height=RUG - 3, class_="rug")]
    for style, column in (("void", one.void), ("unknown", one.unknown), ("lost", one.lost)):
        for at, value in enumerate(column):
            if value:
                x = frame.edge(at, width_s)
                wide = max(2.0, frame.edge(at + 1, width_s) - x)
                parts.append(tag("rect", x=x, y=y, width=wide, height=RUG - 3, class_=f"fill {style}"))
    return join(*parts)


def _area(
    frame: Frame, width_s: float, lower: Sequence[float], upper: Sequence[float], y: Linear, style: str
) -> Markup:
    """Steps, because a bucket is a bucket."""
    above, below = [], []
    for at, (low, high) in enumerate(zip(lower, upper, strict=True)):
        left, right = frame.edge(at, width_s), frame.edge(at + 1, width_s)
        above.append(f"{left:.1f} {y(high):.1f} {right:.1f} {y(high):.1f}")
        below.append(f"{right:.1f} {y(low):.1f} {left:.1f} {y(low):.1f}")
    return tag("path", d=f"M{' L'.join(above)} L{' L'.join(reversed(below))} Z", class_=f"area {style}")


def latency_panels(frame: Frame, series: Series) -> list[Panel]:
    """Plain clients and those with lbmesh.client, on one logarithmic scale."""
    values = [value for one in series.latencies for column in (one.p50_s, one.longest_s) for value in column if value]
    low, high = min(values, default=1e-3), max(values, default=1.0)
    return [_latency(frame, series, one, max(low, 1e-5) / 1.2, max(high, low * 10) * 1.2) for one in series.latencies]


def _latency(frame: Frame, series: Series, one: LatencySeries, low: float, high: float) -> Panel:
    y = Logarithmic(low, high, LATENCY_HEIGHT - 4, 4.0)
    middles = [
        (frame.edge(at, series.width_s) + frame.edge(at + 1, series.width_s)) / 2 for at in range(series.buckets)
    ]
    dots = [
        tag("circle", cx=x, cy=y(value), r=1.3, class_="longest")
        for x, value in zip(middles, one.longest_s, strict=True)
        if value
    ]
    lines = [_line(middles, one.p99_s, y, "p99"), _line(middles, one.p50_s, y, "p50")]
    note = seconds(max((value for value in one.longest_s if value), default=None))
    return Panel(
        LATENCY_HEIGHT,
        join(
            _left_axis(y.ticks(), y, seconds),
            *dots,
            *lines,
            name(one.name, LATENCY_HEIGHT / 2 - 6, f"longest {note}"),
        ),
    )


def _line(middles: Sequence[float], values: Sequence[float | None], y: Logarithmic, style: str) -> Markup:
    """Broken where there was nothing."""
    path, pen_down = [], False
    for x, value in zip(middles, values, strict=True):
        if value:
            path.append(f"{'L' if pen_down else 'M'}{x:.1f} {y(value):.1f}")
        pen_down = bool(value)
    return tag("path", d=" ".join(path), class_=f"line {style}")


def zones_panel(frame: Frame, series: Series) -> Panel:
    """Who carried requests out, stacked."""
    totals = [sum(column) for column in zip(*(one.executed for one in series.zones), strict=True)]
    y = Linear(0.0, max(totals, default=1) / series.width_s * 1.08 or 1.0, ZONES_HEIGHT, 2.0)
    lower = [0.0] * series.buckets
    parts = []
    for at, one in enumerate(series.zones):
        rate = [value / series.width_s for value in one.executed]
        upper = [below + value for below, value in zip(lower, rate, strict=True)]
        parts.append(_area(frame, series.width_s, lower, upper, y, f"zone{at % ZONE_COLOURS}"))
        lower = upper
    return Panel(
        ZONES_HEIGHT,
        join(
            _left_axis(y.ticks(3), y, lambda tick: f"{tick:g}/s"),
            *parts,
            *_zone_names(series.zones),
        ),
    )


def _zone_names(zones: Sequence[ZoneSeries]) -> list[Markup]:
    parts = []
    for at, one in enumerate(zones[:ZONE_COLOURS]):
        y = ZONES_HEIGHT - 8 - at * 16
        parts.append(tag("rect", x=LEFT - TICKS - 10, y=y - 8, width=9, height=9, rx=2, class_=f"area zone{at}"))
        parts.append(tag("text", f"{one.name}", x=LEFT - TICKS - 16, y=y, class_="note"))
    return parts


def starved_shades(frame: Frame, starved: Sequence[Starved], top: float, bottom: float) -> Markup:
    """When a client did not get to run: hatched, so that nobody reads a loss of the service there."""
    parts = []
    for one in starved:
        start, end = frame.x(one.from_s), frame.x(one.until_s)
        says = tag("title", f"{one.client} was not let run for {seconds(one.until_s - one.from_s)}")
        parts.append(
            tag("rect", says, x=start, y=top, width=max(end - start, 1.5), height=bottom - top, class_="starved")
        )
    return join(*parts)


def _left_axis(ticks: Sequence[float], y: Callable[[float], float], text: Callable[[float], str]) -> Markup:
    parts = []
    for tick in ticks:
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(tag("text", text(tick), x=LEFT - 6, y=y(tick) + 3.5, class_="tick end"))
    return join(*parts)
