"""Tables and durations for people, in text that is safe to show: names and reasons may come from anywhere."""

from collections.abc import Iterable, Iterator, Sequence

SHOWN_CHARS_MAX = 100
"""Of a name that is not there: enough to know it again."""

_CONTROL = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), "�")


def plain(text: str) -> str:
    """The text without what a terminal would obey, such as an escape sequence in a replica's reason."""
    return text.translate(_CONTROL).encode(errors="replace").decode()


def short(text: str, chars_max: int = SHOWN_CHARS_MAX) -> str:
    """The text, or its beginning where it is longer."""
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"


def table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows in columns, the last one as wide as it likes; nothing when there is none beside the heading."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if len(cells) <= 1:
        return
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]) - 1)]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*padded, row[-1]]).rstrip()


def ago(seconds: float | None) -> str:
    """A duration as people say it: "0.4s", "12s", "5m", "3h", "2d"; "-" for none."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    for unit, size, limit in (("s", 1, 120), ("m", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds / 86_400:.0f}d"
