"""What rounds on a segment come to: who counts as failed, what "never" is, and the table."""

from math import inf
from pathlib import Path

import pytest

from tests.bench.vip.figures import Figures, figures, median_and_worst
from tests.bench.vip.rounds import Round
from tests.bench.vip.table import keep, kept, table
from tests.bench.vip.words import PATIENCE_S, Request, body_of
from tests.support.sightings import Sightings

FAULT_S, UNTIL_S = 100.0, 102.0


def fresh(due_s: float, ended_s: float, outcome: str = "ok") -> Request:
    return Request("fresh", due_s, ended_s, outcome, 1 if outcome == "ok" else 0)


def seen(*requests: Request, repeated: dict[str, int] | None = None) -> Round:
    return Round(FAULT_S, UNTIL_S, list(requests), repeated or {}, Sightings())


def test_what_ended_before_the_fault_does_not_count() -> None:
    one = figures(seen(fresh(98.0, 99.9, "closed"), fresh(100.1, 100.2)), "fresh")
    assert (one.last_error_ms, one.failed_per_million) == (0, 0)


def test_the_last_error_is_by_when_the_request_was_due() -> None:
    one = figures(seen(fresh(99.9, 100.3, "closed"), fresh(100.125, 101.4, "hung"), fresh(100.2, 101.3)), "fresh")
    assert one.waited == 1
    assert one.last_error_ms == pytest.approx(125)
    assert one.told_ms == pytest.approx(400)
    assert one.hung == 1
    # Of the 6000 of a minute.
    assert one.failed_per_million == pytest.approx(2 / 6000 * 1e6)


def test_who_still_fails_at_the_end_never_came_back() -> None:
    one = figures(seen(fresh(101.9, 101.9 + PATIENCE_S, "hung")), "fresh")
    assert one.last_error_ms == inf
    assert median_and_worst([100.4, one.last_error_ms, 90.0]) == "100, never"


def test_mixed_answers_and_repeated_requests_are_counted() -> None:
    one = figures(seen(fresh(100.1, 100.2, "mixed"), repeated={"7-1": 2}), "fresh")
    assert (one.mixed, one.repeated) == (1, 1)


def test_a_body_is_of_one_request_alone() -> None:
    assert len(body_of("7-1")) == len(body_of("7-12345")) == 4096
    assert body_of("7-1") != body_of("7-12")


def test_rounds_are_kept_and_become_a_row(tmp_path: Path) -> None:
    path = tmp_path / "build" / "rounds"
    assert kept(path) == {}
    for last_ms in (90.0, 120.0, 110.0):
        keep(path, "kill", "lbmesh", "fresh", Figures(last_ms, 2000, 0, 3, 17, 121, 0, 0))
    assert table(kept(path)).splitlines()[2] == (
        "| kill | lbmesh | fresh | 3 | 110, 120 | 2000, 2000 | 0, 0 | 3, 3 | 17, 17 | 121, 121 | 0 | 0 |"
    )
