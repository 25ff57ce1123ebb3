"""The one time axis, and where each panel stands on it. Pure."""

from dataclasses import dataclass

from lbmesh_chaos.report.page.markup import Markup, join, tag
from lbmesh_chaos.report.page.scale import Linear

WIDTH = 1180.0
LEFT = 168.0
"""For the panels' names and their figures."""
TICKS = 62.0
"""Of it, for the figures: "2000/s", "100 ms"."""
RIGHT = 22.0


@dataclass(frozen=True, slots=True)
class Frame:
    """`time`: from seconds since the drill's beginning to x."""

    began_s: float
    time: Linear

    @classmethod
    def over(cls, began_s: float, ended_s: float) -> "Frame":
        """All that is drawn."""
        return cls(began_s, Linear(0.0, max(ended_s - began_s, 1e-3), LEFT, WIDTH - RIGHT))

    def x(self, at_s: float) -> float:
        """Of a monotonic time; what is outside stands at the edge."""
        return min(max(self.time(at_s - self.began_s), LEFT), WIDTH - RIGHT)

    def edge(self, bucket: int, width_s: float) -> float:
        """Where a bucket begins."""
        return min(self.time(bucket * width_s), WIDTH - RIGHT)


@dataclass(frozen=True, slots=True)
class Panel:
    """A strip across the page. `draw` begins at its own y = 0."""

    height: float
    drawing: Markup


def stack(panels: list[Panel], top: float, gap: float) -> tuple[Markup, float]:
    """One below the other; also where the last one ends."""
    drawn, y = [], top
    for panel in panels:
        drawn.append(tag("g", panel.drawing, transform=f"translate(0 {y:g})"))
        y += panel.height + gap
    return join(*drawn), y - gap


def name(text: str, y: float, *notes: str) -> Markup:
    """A panel's name in the gutter, with smaller lines below it."""
    x = LEFT - TICKS
    lines = [tag("text", note, x=x, y=y + 14 * at, class_="note") for at, note in enumerate(notes, 1)]
    return join(tag("text", text, x=x, y=y, class_="name"), *lines)


def time_axis(frame: Frame, y: float, *, above: bool) -> Markup:
    """Round seconds, with the numbers above or below the line."""
    parts = [tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="axis")]
    for tick in frame.time.ticks(12):
        x = frame.time(tick)
        parts.append(tag("line", x1=x, x2=x, y1=y, y2=y + (-5 if above else 5), class_="axis"))
        text = f"{tick:g} s" if tick < 600 else f"{tick / 60:g} min"
        parts.append(tag("text", text, x=x, y=y + (-9 if above else 18), class_="tick middle"))
    return join(*parts)


def grid(frame: Frame, top: float, bottom: float) -> Markup:
    """Faint lines through all panels at the ticks."""
    return join(
        *(
            tag("line", x1=frame.time(tick), x2=frame.time(tick), y1=top, y2=bottom, class_="grid")
            for tick in frame.time.ticks(12)
        )
    )
