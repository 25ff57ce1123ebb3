"""The report's figures, and that all three forms tell the same."""

import json
import re
from dataclasses import replace
from html import escape
from random import Random

from lbmesh_chaos.model.flow import Kind, Method
from lbmesh_chaos.model.outcome import Evidence, Outcome
from lbmesh_chaos.model.tally import Finding, Findings, Starved, Tally, Verdict
from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.report.as_json import to_json
from lbmesh_chaos.report.as_text import to_text
from lbmesh_chaos.report.counts import count
from lbmesh_chaos.report.evidence import not_judged
from lbmesh_chaos.report.page.page import to_page
from lbmesh_chaos.report.report import Report, make_report
from lbmesh_chaos.report.series import REQUESTS_MIN, make_series
from tests.support.drill_outcomes import BEGAN_S, LENGTH_S, carried, fates, fault, outcome


def _drill(**changes: object) -> Outcome:
    flows = (
        fates("a-kept", "a", bad={11.0: Verdict.LOST, 11.2: Verdict.LOST}),
        fates("a-post", "a", Kind.FRESH, Method.POST, bad={12.0: Verdict.UNKNOWN, 5.0: Verdict.VOID}),
        fates("b-mesh", "b", Kind.MESH_ASYNC, executions=2),
    )
    executions = (carried("app-a1", "a", "10.1.1.1", 1.0, 9.0, 20.5), carried("app-b1", "b", "10.1.1.1", 11.0))
    tally = Tally(flows, executions, (Starved("client-a", BEGAN_S + 5, BEGAN_S + 5.1),))
    events = (
        Event(BEGAN_S + 10.3, What.SUSPECTED, "lb-a1", "lb-b1"),
        Event(BEGAN_S + 11, What.AGREED, "lb-a1", "lb-b1"),
        Event(BEGAN_S + 20.9, What.CLEARED, "lb-a1", "lb-b1"),
    )
    return replace(outcome(tally, fault(), events=events), **changes)  # type: ignore[arg-type]


def _report(**changes: object) -> Report:
    return make_report(_drill(**changes), Random(7))


def test_the_figures() -> None:
    report = _report()
    total = report.total
    assert (total.sent, total.lost, total.unknown, total.void) == (899, 2, 1, 1)
    assert (total.unknown_executed, total.replayed, total.duplicated) == (1, 300, 0)
    assert {group.name: group.count.sent for group in report.by_kind} == {"kept": 300, "fresh": 299, "mesh-async": 300}
    assert {group.name: group.count.lost for group in report.by_zone} == {"a": 2, "b": 0}
    assert (report.baseline.sent, report.baseline.unanswered) == (299, 0)
    assert report.reasons == {"reset": 3}
    assert report.available.answered == 896 / 899
    assert report.available.at_least < report.available.answered


def test_of_a_post_carried_out_twice_the_count_says_so() -> None:
    assert count(fates(method=Method.POST, executions=2)).duplicated == 300
    assert count(fates(method=Method.KEYED_POST, executions=2)).replayed == 300


def test_the_series_hold_every_request_once() -> None:
    series = make_series(_drill())
    assert series.buckets * series.width_s >= LENGTH_S
    totals = {one.name: [sum(column) for column in (one.ok, one.lost, one.unknown, one.void)] for one in series.kinds}
    assert totals == {"kept": [298, 2, 0, 0], "fresh": [298, 0, 1, 1], "mesh-async": [300, 0, 0, 0]}
    assert {one.name: sum(one.executed) for one in series.zones} == {"a": 3, "b": 1}
    kept = next(one for one in series.kinds if one.name == "kept")
    assert [at * series.width_s for at, lost in enumerate(kept.lost) if lost] == [10.0]
    assert min(map(sum, zip(kept.ok, kept.lost, strict=True))) >= REQUESTS_MIN


def test_the_json_can_be_read_by_anybody() -> None:
    told = json.loads(json.dumps(to_json(_report()), allow_nan=False))
    assert told["verdict"] == "passed"
    assert (told["total"]["sent"], told["total"]["lost"]) == (899, 2)
    (one,) = told["faults"]
    assert (one["label"], round(one["detect_s"], 6), one["control"]["lost"]) == ("cut", 0.3, 0)
    assert [event["what"] for event in told["timeline"]][:2] == ["fault applied", "suspected"]
    assert told["format"] == 4


ANSWERS = Evidence(logged=False, echoed=True, counted=False)


def _aimed(evidence: Evidence | None) -> Report:
    """As at real hosts: no replica has logs."""
    return _report(tally=replace(_drill().tally, executions=()), evidence=evidence)


def test_what_nobody_could_count_is_no_nought() -> None:
    told = json.loads(json.dumps(to_json(_aimed(ANSWERS)), allow_nan=False))
    assert told["evidence"] == {"logged": False, "echoed": True, "counted": False}
    assert (told["total"]["duplicated"], told["total"]["replayed"], told["total"]["unknown_executed"]) == (None,) * 3
    assert (told["by_kind"]["kept"]["duplicated"], told["faults"][0]["struck"]["replayed"]) == (None, None)
    assert {name for name, found in told["findings"].items() if found} == {"mixed_up", "mesh_lost"}
    assert told["total"]["lost"] == 2
    counted = to_json(_aimed(replace(ANSWERS, counted=True)))
    assert (counted["total"]["replayed"], counted["total"]["unknown_executed"]) == (300, None)


def test_all_three_forms_say_what_could_not_be_judged() -> None:
    report = _aimed(ANSWERS)
    lines = not_judged(ANSWERS)
    assert to_json(report)["not_judged"] == list(lines)
    assert all(f"  {line}" in to_text(report).splitlines() for line in lines)
    assert all(escape(line) in to_page(report) for line in lines)
    assert max(map(len, to_text(report).splitlines())) <= 130
    assert re.search(r"^all +899 +2 +1 +0 +\? +\? ", to_text(report), re.MULTILINE)
    assert "moved" not in to_text(report)
    assert "rejoin" not in to_text(report)
    assert "carried out by replicas of zone" not in to_page(report)
    assert "could not be judged" not in to_text(_report()) + to_page(_report())


def test_what_is_not_judged_depends_on_what_origins_tell() -> None:
    whole = not_judged(Evidence(logged=False, echoed=False, counted=False))
    assert any("echo_header" in line for line in whole)
    assert any("count_header" in line for line in whole)
    assert not any("echo_header" in line for line in not_judged(ANSWERS))
    assert not_judged(Evidence()) == not_judged(None) == ()


def test_without_load_there_is_nothing_of_requests() -> None:
    told = to_json(_aimed(None))
    assert (told["drill"]["loaded"], told["evidence"], told["findings"]["mesh_lost"]) == (False, None, None)
    for text in (to_page(_aimed(None)), to_text(_aimed(None))):
        assert "what clients got is for your monitoring to say" in text
        assert not re.search("lost in its zones|rejoin|unknown outcome|client starved", text)


def test_the_same_seed_makes_the_same_report() -> None:
    assert to_json(_report()) == to_json(_report())
    assert to_page(_report()) == to_page(_report())


def test_the_text_says_the_verdict_first_and_fits_a_terminal() -> None:
    lines = to_text(_report()).splitlines()
    assert lines[0].startswith("PASSED  a drill")
    assert max(map(len, lines)) <= 130
    assert any(re.match(r"all +899 +2 +1 ", line) for line in lines)
    assert any("detect 300 ms (lb-b1 300 ms)  agree 1.00 s" in line for line in lines)
    assert any("agree up 900 ms" in line for line in lines)


def test_the_page_needs_nothing_else_and_shows_what_was() -> None:
    page = to_page(_report())
    assert not re.search(r"""(?:src|href)\s*=|url\((?!#)|@import|https?://(?!www\.w3\.org)""", page)
    assert page.count('class="band"') == 1 + 1  # the fault, and the legend's
    assert page.count('class="mark suspected"') == 1 + 1
    assert page.count('class="starved"') == 1 + 1
    assert len(re.findall(r'class="fill lost"', page)) == 1 + 1  # two requests, due in one bucket
    assert "client-a was not let run for 100 ms" in page
    assert re.search(r'class="verdict passed">passed<', page)


def test_nothing_of_the_data_becomes_markup() -> None:
    nasty = '</script><script>alert("x")</script>'
    report = _report(name=nasty, hypothesis=nasty, events=(Event(BEGAN_S + 1, What.NOTE, nasty, nasty, nasty),))
    assert nasty not in to_page(report)
    flows = (fates(f"{nasty}", nasty, bad={11.0: Verdict.LOST}),)
    tally = Tally(flows, duplicated=Findings(1, (Finding(nasty, nasty),)))
    assert nasty not in to_page(_report(tally=tally))


def test_a_drill_of_nothing_still_makes_a_page() -> None:
    report = make_report(outcome(Tally()), Random(1))
    assert "inconclusive" in to_page(report)
    assert to_text(report).startswith("INCONCLUSIVE")
    json.dumps(to_json(report), allow_nan=False)
