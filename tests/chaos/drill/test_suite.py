"""The table of many drills, and which of them may share a lab."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lbmesh_chaos.drill.experiment_file import read_drill
from lbmesh_chaos.drill.suite import _leaves_nothing, _row
from lbmesh_chaos.model.flow import Kind, Method
from lbmesh_chaos.model.tally import Tally, Verdict
from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.report.as_json import to_json
from lbmesh_chaos.report.report import make_report
from tests.support.drill_outcomes import BEGAN_S, fates, fault, outcome

DRILL = read_drill(Path(__file__).parents[3] / "chaos/experiments/dns-down.yaml")


def _told(tally: Tally, *events: Event) -> dict[str, Any]:
    return {**to_json(make_report(outcome(tally, fault(), events=events), Random(1))), "page": "<p>"}


def _all_well() -> Tally:
    return Tally((fates(kind=Kind.MESH_SYNC),))


def test_a_row_tells_what_each_kind_of_client_lost_and_does_not_know(tmp_path: Path) -> None:
    tally = Tally(
        (
            fates("get", bad={11.0: Verdict.LOST}),
            fates("post", method=Method.POST, bad={12.0: Verdict.UNKNOWN}),
            fates("mesh", kind=Kind.MESH_SYNC),
        )
    )
    row = _row("a-drill", _told(tally), tmp_path)
    assert row[:7] == ("a-drill", "passed", "900", "1 + 1", "–", "0", "–")
    assert json.loads((tmp_path / "a-drill.json").read_text())["verdict"] == "passed"
    assert (tmp_path / "a-drill.html").read_text() == "<p>"


def test_a_drill_that_passed_and_condemned_nobody_leaves_its_lab_to_the_next() -> None:
    assert _leaves_nothing(DRILL, _told(_all_well()))


@pytest.mark.parametrize("what", [What.AGREED, What.EJECTED])
def test_a_replica_that_was_held_for_down_is_not_the_next_one_s(what: What) -> None:
    assert not _leaves_nothing(DRILL, _told(_all_well(), Event(BEGAN_S + 11.0, what, "app-a1", "lb-b1", "")))


def test_a_drill_that_failed_leaves_nothing_to_the_next() -> None:
    lossy = Tally((fates(kind=Kind.MESH_SYNC, bad={11.0: Verdict.LOST}),))
    assert not _leaves_nothing(DRILL, _told(lossy))
