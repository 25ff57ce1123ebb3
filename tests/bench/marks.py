"""Marks: what was found beside what must be reached, a line each, and the list of all of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LINE = re.compile(r"^Mark, (.+) ([≤≥] [^:]+): (.+), (met|\*\*missed\*\*|\*\*open\*\*)\.$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mark:
    """`found`, None when it could not be measured, must be at most `bound`, or at least if `at_least`. `unit` follows
    both, with its space or "×" before it.
    """

    what: str
    found: float | None
    bound: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether what was found reaches it, exactly; the line is rounded."""
        if self.found is None:
            return False
        return self.found >= self.bound if self.at_least else self.found <= self.bound

    def line(self) -> str:
        """One line, as `marks_table` reads it again."""
        sign = "≥" if self.at_least else "≤"
        bound = f"Mark, {self.what} {sign} {self.bound:g}{self.unit}"
        if self.found is None:
            return f"{bound}: not measured, **open**."
        return f"{bound}: {figure(self.found)}{self.unit}, {'met' if self.met else '**missed**'}."


def figure(value: float) -> str:
    """Three digits that matter, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def lines(marks: Sequence[Mark]) -> str:
    """The marks as paragraphs; empty when there are none."""
    return "\n\n".join(mark.line() for mark in marks)


def marks_table(document: str) -> str:
    """All marks that stand in a document, in its order, as one table."""
    rows = [f"| {what} | {bound} | {found} | {verdict} |" for what, bound, found, verdict in _LINE.findall(document)]
    return "\n".join(("| mark | bound | found | |", "|---|---|---|---|", *rows))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join((_row(header), "|---" * len(header) + "|", *map(_row, rows)))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
