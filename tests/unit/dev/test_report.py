"""The drill's report: the judgement, the table, the JSON."""

import json
from collections.abc import Sequence

from lbmesh.dev.drill import SCRIPT, Fault
from lbmesh.dev.ledger import Call, Kind
from lbmesh.dev.report import Report, make_report, to_json, to_table

BALANCERS = ("lb-a1", "lb-b1")


def calls(*, lost_at_s: float | None = None) -> list[Call]:
    """One client, a request every 100 ms for 40 s."""
    return [
        Call("one", Kind.READ, n / 10, n / 10 + 0.005, "gone" if lost_at_s == n / 10 else "", attempts=1)
        for n in range(400)
    ]


def faults(count: int = len(SCRIPT), back: float | None = 1.5) -> list[Fault]:
    return [
        Fault(f"fault {n}", 10.0 * n, 10.0 * n + 3, {"lb-a1": 0.5}, {"lb-a1": back, "lb-b1": back})
        for n in range(1, count + 1)
    ]


def report(seen: Sequence[Call], went: Sequence[Fault], *, whole: bool = True) -> Report:
    return make_report(seen, went, balancers=BALANCERS, duplicates=0, whole=whole, began_s=0.0, ended_s=40.0)


def test_passed_when_nothing_was_lost_and_all_came_back() -> None:
    assert report(calls(), faults()).passed


def test_failed_when_a_request_was_lost() -> None:
    assert not report(calls(lost_at_s=15.0), faults()).passed


def test_failed_when_the_mesh_did_not_come_back() -> None:
    assert not report(calls(), faults(back=None)).passed
    assert not report(calls(), faults(), whole=False).passed


def test_failed_when_the_script_was_cut_short() -> None:
    assert not report(calls(), faults(count=len(SCRIPT) - 1)).passed


def test_a_lost_order_is_told_but_not_judged() -> None:
    lost_order = Call("one", Kind.ORDER, 12.0, 22.0, "no answer within 10 s")
    made = report([*calls(), lost_order], faults())

    assert made.passed
    assert made.total.orders_unanswered == 1
    assert made.problems == ("one: no answer within 10 s",)


def test_each_call_is_counted_in_the_stretch_in_which_it_began() -> None:
    made = report(calls(lost_at_s=15.0), faults())

    assert [stretch.title for stretch in made.stretches] == ["calm", "fault 1", "fault 2", "fault 3"]
    assert [stretch.counts.reads for stretch in made.stretches] == [100, 100, 100, 100]
    assert [stretch.counts.lost for stretch in made.stretches] == [0, 1, 0, 0]
    assert made.total.reads == 400


def test_the_table_shows_figures_who_was_hit_and_what_never_happened() -> None:
    lines = to_table(report(calls(lost_at_s=15.0), faults(back=None)), lambda text, *_codes: text)

    (row,) = [line for line in lines if line.startswith("fault 1")]
    assert row.split() == ["fault", "1", "100", "1", "0", "0", "200", "0.5", "hit", "never", "never"]
    assert lines[-1] == "FAILED: 1 requests were lost and the mesh did not come back."
    assert all(len(line) <= 120 for line in lines)


def test_the_json_has_every_figure() -> None:
    told = json.loads(json.dumps(to_json(report(calls(), faults()))))

    assert told["passed"] is True
    assert told["total"]["reads"] == 400
    assert told["stretches"][1]["noticed"] == {"lb-a1": 0.5}
