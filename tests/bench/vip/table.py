"""The table of docs/FRONTS.md, and the file that keeps rounds until it is made. Pure but for the file."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench.vip.faults import FAULTS
from tests.bench.vip.figures import Figures, median_and_worst
from tests.bench.vip.systems import SYSTEMS
from tests.bench.vip.words import RATE

Key = tuple[str, str, str]
"""Fault, system, kind of request."""

_HEADS = (
    "fault",
    "system",
    "connections",
    "rounds",
    "last error, ms",
    "failed of a million",
    "hung over 1.3 s",
    "answered after 1 s",
    "error told within, ms",
    "both answer, ms",
    "done twice",
    "mixed",
)


def keep(path: Path, fault: str, system: str, kind: str, one: Figures) -> None:
    """Write a round down."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({"key": [fault, system, kind], **asdict(one)}) + "\n")


def kept(path: Path) -> dict[Key, list[Figures]]:
    """All rounds that were written down."""
    found: dict[Key, list[Figures]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        fields = json.loads(line)
        fault, system, kind = fields.pop("key")
        found.setdefault((fault, system, kind), []).append(Figures(**fields))
    return found


def table(rounds: dict[Key, list[Figures]]) -> str:
    """In Markdown: median, worst of each round's figure; of what must be none, the sum."""
    lines = [_row(_HEADS), "|" + "---|" * len(_HEADS)]
    for fault in FAULTS:
        for system in SYSTEMS:
            for kind in RATE:
                if some := rounds.get((fault, system, kind)):
                    lines.append(_row((fault, system, kind, str(len(some)), *_cells(some))))
    return "\n".join(lines) + "\n"


def _cells(some: Sequence[Figures]) -> Iterable[str]:
    yield median_and_worst([one.last_error_ms for one in some])
    yield median_and_worst([one.failed_per_million for one in some])
    yield median_and_worst([one.hung for one in some])
    yield median_and_worst([one.waited for one in some])
    yield median_and_worst([one.told_ms for one in some])
    yield median_and_worst([one.both_answer_ms for one in some])
    yield str(sum(one.repeated for one in some))
    yield str(sum(one.mixed for one in some))


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
