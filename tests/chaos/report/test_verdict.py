"""When a drill passes."""

from dataclasses import replace
from random import Random

import pytest

from lbmesh_chaos.model.flow import Kind, Method
from lbmesh_chaos.model.outcome import Evidence, Invariant, Marks, Outcome
from lbmesh_chaos.model.tally import Finding, Findings, Tally, Verdict
from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.report.report import make_report
from lbmesh_chaos.report.verdict import Judged, Ruling
from tests.support.drill_outcomes import BEGAN_S, fates, fault, outcome

ONE = Findings(1, (Finding("a-7", "carried out 2 times: r1, r2"),))


def _judge(made: Outcome) -> Judged:
    return make_report(made, Random(1)).judged


def _mesh(**verdicts: Verdict) -> Tally:
    return Tally((fates(kind=Kind.MESH_SYNC, bad={float(at[1:]): verdict for at, verdict in verdicts.items()}),))


def test_a_drill_without_any_loss_passes() -> None:
    judged = _judge(outcome(_mesh(), fault()))
    assert (judged.ruling, judged.reasons) == (Ruling.PASSED, ())


def test_one_idempotent_request_lost_through_lbmesh_client_fails_it() -> None:
    judged = _judge(outcome(_mesh(s11=Verdict.LOST), fault()))
    assert judged.ruling is Ruling.FAILED
    assert judged.reasons == ("no idempotent request lost through lbmesh.client: 1 of 300 lost; at most 0 may be",)


def test_what_plain_clients_lose_is_judged_only_where_a_mark_says_so() -> None:
    tally = Tally((fates(bad={11.0: Verdict.LOST}),))
    assert _judge(outcome(tally, fault())).ruling is Ruling.PASSED
    assert _judge(outcome(tally, fault(), marks=Marks(plain_lost_max=0))).ruling is Ruling.FAILED


def test_unknown_outcomes_are_no_loss() -> None:
    tally = Tally((fates(kind=Kind.MESH_SYNC, method=Method.POST, bad={11.0: Verdict.UNKNOWN}),))
    assert _judge(outcome(tally, fault())).ruling is Ruling.PASSED


@pytest.mark.parametrize("sort", ["duplicated", "mixed_up", "damaged", "unexecuted", "strays"])
def test_each_finding_fails_it_and_is_named(sort: str) -> None:
    judged = _judge(outcome(replace(_mesh(), **{sort: ONE}), fault()))  # type: ignore[arg-type]
    assert judged.ruling is Ruling.FAILED
    assert "a-7" in judged.reasons[0]


def test_replays_do_not_fail_it() -> None:
    assert _judge(outcome(replace(_mesh(), replayed=ONE), fault())).ruling is Ruling.PASSED


def test_residue_fails_it() -> None:
    judged = _judge(outcome(_mesh(), fault(), residue=("table chaos_cut in lb-a1",)))
    assert judged.reasons == ("left behind: table chaos_cut in lb-a1",)


def test_a_starved_client_makes_it_say_nothing_but_a_fact_stays_a_fact() -> None:
    starved = Tally((fates(kind=Kind.MESH_SYNC, bad={5.0: Verdict.VOID}, bad_for_s=2.0),))
    judged = _judge(outcome(starved, fault()))
    assert judged.ruling is Ruling.INCONCLUSIVE
    assert "starved for 6.7 % of the requests" in judged.reasons[0]
    assert _judge(outcome(replace(starved, duplicated=ONE), fault())).ruling is Ruling.FAILED


@pytest.mark.parametrize(
    "changes",
    [{"aborted": "Ctrl-C"}, {"invariants": (Invariant("steady", None),)}, {"tally": Tally()}],
)
def test_what_could_not_be_judged_is_no_pass(changes: dict[str, object]) -> None:
    assert _judge(replace(outcome(_mesh(), fault()), **changes)).ruling is Ruling.INCONCLUSIVE  # type: ignore[arg-type]


def test_condemning_what_no_fault_struck_fails_it() -> None:
    def said(second: float, subject: str) -> Event:
        return Event(BEGAN_S + second, What.EJECTED, subject, "lb-b1")

    struck = outcome(_mesh(), fault(), events=(said(11.0, "lb-a1"),), marks=Marks(agree_s=None))
    assert _judge(struck).ruling is Ruling.PASSED
    for wrong in (said(11.0, "app-b2"), said(9.0, "lb-a1")):
        judged = _judge(replace(struck, events=(wrong,)))
        assert judged.reasons[0].startswith(f"nothing healthy condemned or ejected: lb-b1 on {wrong.subject} after")


@pytest.mark.parametrize(("cleared", "ruling"), [(21.9, Ruling.PASSED), (22.1, Ruling.FAILED), (None, Ruling.FAILED)])
def test_views_must_agree_soon_after_the_heal(cleared: float | None, ruling: Ruling) -> None:
    events = [Event(BEGAN_S + 11, What.AGREED, "lb-a1", "lb-b1")]
    if cleared is not None:
        events.append(Event(BEGAN_S + cleared, What.CLEARED, "lb-a1", "lb-b1"))
    assert _judge(outcome(_mesh(), fault(), events=tuple(events))).ruling is ruling


def test_what_was_killed_has_the_time_of_its_boot_besides() -> None:
    events = Event(BEGAN_S + 11, What.AGREED, "lb-a1", "lb-b1"), Event(BEGAN_S + 23, What.CLEARED, "lb-a1", "lb-b1")
    booted = outcome(_mesh(), fault(boot_s=1.5), events=events)
    assert _judge(booted).ruling is Ruling.PASSED
    assert _judge(replace(booted, faults=(fault(),))).ruling is Ruling.FAILED


def test_unknown_outcomes_fail_it_where_a_mark_says_so_whoever_has_them() -> None:
    tally = Tally((fates(method=Method.POST, bad={11.0: Verdict.UNKNOWN}),))
    judged = _judge(outcome(tally, fault(), marks=Marks(unknown_max=0)))
    assert judged.reasons == ("every client knows what became of it: 1 of 300 unknown; at most 0 may be",)
    assert _judge(outcome(tally, fault(), marks=Marks(unknown_max=1))).ruling is Ruling.PASSED


NOTHING_TOLD = Evidence(logged=False, echoed=False, counted=False)


def _names(judged: Judged) -> set[str]:
    return {one.name for one in judged.invariants}


def test_what_no_origin_tells_is_neither_held_nor_broken() -> None:
    judged = _judge(outcome(Tally((fates(executions=0),)), fault(), evidence=NOTHING_TOLD))
    assert judged.ruling is Ruling.PASSED
    assert not _names(judged) & {"no request without a key carried out twice", "no bytes of one request in another"}


def test_an_answer_of_another_request_fails_a_drill_whose_origins_echo() -> None:
    mixed = Tally((fates(executions=1),), mixed_up=ONE)
    judged = _judge(outcome(mixed, fault(), evidence=replace(NOTHING_TOLD, echoed=True)))
    assert judged.ruling is Ruling.FAILED
    assert judged.reasons[0].startswith("no answer of another request: 1; the first is a-7")


def test_what_was_carried_out_twice_by_its_answer_fails_a_drill_whose_origins_count() -> None:
    twice = Tally((fates(method=Method.POST, executions=2),), duplicated=ONE)
    told = replace(NOTHING_TOLD, echoed=True, counted=True)
    assert _judge(outcome(twice, fault(), evidence=told)).ruling is Ruling.FAILED


def test_origins_that_do_not_tell_what_the_list_says_leave_it_open() -> None:
    """299 answers tell, and one does not."""
    made = fates(executions=1)
    made.executions[7] = 0
    judged = _judge(outcome(Tally((made,)), fault(), evidence=replace(NOTHING_TOLD, echoed=True)))
    assert judged.ruling is Ruling.INCONCLUSIVE
    assert judged.reasons == (
        "every good answer tells what the target's list says it does: 1 of 300 good answers did not",
    )
