"""What many rounds support, and that a round outlives being written down."""

import json
from dataclasses import replace
from random import Random

import pytest

from lbmesh_chaos.model.flow import Kind, Method
from lbmesh_chaos.model.outcome import Outcome
from lbmesh_chaos.model.tally import Finding, Findings, Tally, Verdict
from lbmesh_chaos.report.counts import Count
from lbmesh_chaos.report.endurance import Round, endurance, from_json, round_of, to_json, to_text
from lbmesh_chaos.report.report import make_report
from lbmesh_chaos.report.statistics import binomial_upper
from tests.support.drill_outcomes import fates, fault, outcome


def a_round(number: int, lost: int = 0, *, open_: str = "", broken: str = "") -> Round:
    idempotent = Count(ok=1000 - lost, lost=lost)
    return Round(
        number,
        "kill an agent",
        "Kill: …",
        idempotent + Count(ok=500),
        idempotent,
        Count(ok=90, lost=10),
        broken=(broken,) if broken else (),
        open=(open_,) if open_ else (),
    )


def found_in(drill: Outcome) -> Round:
    return round_of(3, "cut a zone", make_report(drill, Random(1)))


def test_a_round_counts_idempotent_requests_through_the_client_by_themselves() -> None:
    tally = Tally(
        (
            fates("get", kind=Kind.MESH_SYNC, bad={11.0: Verdict.LOST}),
            fates("post", kind=Kind.MESH_ASYNC, method=Method.POST, bad={11.0: Verdict.UNKNOWN}),
            fates("plain", bad={11.0: Verdict.LOST, 12.0: Verdict.LOST}),
        )
    )
    found = found_in(outcome(tally, fault()))
    assert (found.idempotent.sent, found.idempotent.lost) == (300, 1)
    assert (found.mesh.sent, found.mesh.lost, found.mesh.unknown) == (600, 1, 1)
    assert (found.plain.sent, found.plain.lost) == (300, 2)
    assert found.text == "what it did"


def test_a_round_says_what_broke_and_what_could_not_be_judged() -> None:
    tally = Tally((fates(kind=Kind.MESH_SYNC),))
    twice = replace(tally, duplicated=Findings(1, (Finding("a-7", "carried out 2 times"),)))
    assert "carried out twice" in found_in(outcome(twice, fault())).broken[0]
    starved = Tally((fates(kind=Kind.MESH_SYNC, bad={5.0: Verdict.VOID}, bad_for_s=9.0),))
    found = found_in(outcome(starved, fault()))
    assert found.broken == ()
    assert "starved" in found.open[0]


def test_a_round_outlives_its_line() -> None:
    one = a_round(4, 2, broken="x")
    assert from_json(json.loads(json.dumps(to_json(one)))) == one
    with pytest.raises((KeyError, TypeError)):
        from_json({"number": 1})


def test_losses_of_one_round_support_less_than_if_they_were_independent() -> None:
    rounds = [a_round(number) for number in range(29)] + [a_round(29, 30)]
    (idempotent, *_) = endurance(rounds, Random(1)).populations
    supported = idempotent.available.at_least_clustered
    assert supported is not None
    assert supported < 1 - binomial_upper(30, 30_000)
    assert (idempotent.available.faults, idempotent.available.losing_faults) == (30, 1)


def test_where_no_round_lost_anything_only_the_faults_bound_it() -> None:
    (idempotent, *_) = endurance([a_round(number) for number in range(60)], Random(1)).populations
    assert idempotent.available.at_least_clustered is None
    assert idempotent.available.losing_faults_at_most == pytest.approx(1 - 0.05 ** (1 / 60))


def test_a_round_that_nobody_can_judge_counts_for_nothing_but_is_told() -> None:
    found = endurance([a_round(1), a_round(2, open_="the clients were starved")], Random(1))
    assert found.populations[0].count.sent == 1000
    text = to_text(found, 3_000_000, 0.0)
    assert text.startswith(
        "1 faults, 1\u202f500 of 3\u202f000\u202f000 requests through lbmesh.client\n1 rounds left out"
    )


def test_what_broke_is_told_with_its_round() -> None:
    found = endurance([a_round(1), a_round(2, broken="no bytes of one request in another: 1")], Random(1))
    assert found.broken == ("round 2, kill an agent: no bytes of one request in another: 1",)
    assert "✗ round 2" in to_text(found, 10, 5.0)


def test_of_no_round_nothing_is_claimed() -> None:
    text = to_text(endurance([], Random(1)), 10, 0.0)
    assert "answered 0.00 %" in text
