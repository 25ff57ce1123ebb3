"""The marks: what is measured on the simulated mesh, how the figures are put, and what they must reach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table. `holds`: does it reach its mark; None where there is none."""

    cells: tuple[str, ...]
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """What was measured, under which heading; `note` says how."""

    title: str
    note: str
    header: tuple[str, ...]
    figures: tuple[Figure, ...]
    curve: str = ""

    def render(self) -> str:
        """The table as Markdown, with the curve below it."""
        header = (*self.header, "mark")
        lines = [f"### {self.title}", "", self.note, "", _row(header), _row("---" for _ in header)]
        lines += [_row((*figure.cells, _verdict(figure.holds))) for figure in self.figures]
        if self.curve:
            lines += ["", "```", self.curve, "```"]
        return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _verdict(holds: bool | None) -> str:
    return "" if holds is None else "reached" if holds else "**missed**"


def bar_chart(title: str, points: Sequence[tuple[str, float]], unit: str, width: int = 50) -> str:
    """A curve in characters: a bar for each point."""
    top = max((value for _, value in points), default=0.0) or 1.0
    label = max(len(name) for name, _ in points)
    bars = [f"{name:>{label}} {'█' * max(1, round(width * value / top))} {value:,.4g} {unit}" for name, value in points]
    return "\n".join([title, *bars])


def false_positive_bound(count: int, hours: float) -> str:
    """What is known of the rate with 95 %: none seen in h hours means at most 3/h (the rule of three)."""
    return f"{count / hours:.3g} seen" if count else f"≤ {3 / hours:.3g}"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured. `repeats`: kills for each size; `hours`: simulated, of the long false-positive run, the
    others get a twelfth of it. `sizes`: numbers of nodes. `long_split_h`: the longest split.
    """

    repeats: int
    hours: float
    sizes: tuple[str, ...]
    traffic_sizes: tuple[str, ...]
    long_split_h: float
    processes: int
