"""The verdict's state machine: first result at once, then fall and rise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.verdict import Verdict, condemn, judge
from lbmesh.model.health import Availability
from lbmesh.model.service import HealthCheck

CHECK = HealthCheck(fall=3, rise=2)


def after(results: str, check: HealthCheck = CHECK, verdict: Verdict | None = None) -> Verdict:
    """The verdict after results, "+" for a success and "-" for a failure, one a second from 1."""
    verdict = verdict or Verdict()
    for now, result in enumerate(results, start=1):
        verdict = judge(verdict, success=result == "+", reason=result, check=check, now=float(now))
    return verdict


@pytest.mark.parametrize(
    ("results", "availability", "streak"),
    [
        ("", Availability.UNKNOWN, 0),
        ("+", Availability.UP, 0),
        ("-", Availability.DOWN, 0),
        ("+-", Availability.UP, 1),
        ("+--", Availability.UP, 2),
        ("+---", Availability.DOWN, 0),
        ("+--+--", Availability.UP, 2),
        ("-+", Availability.DOWN, 1),
        ("-+-+", Availability.DOWN, 1),
        ("-++", Availability.UP, 0),
        ("+---+", Availability.DOWN, 1),
    ],
)
def test_the_table(results: str, availability: Availability, streak: int) -> None:
    verdict = after(results)
    assert (verdict.availability, verdict.streak) == (availability, streak)


def test_since_is_the_flip_and_at_the_newest_evidence() -> None:
    verdict = after("+++---+")
    assert (verdict.since_s, verdict.at_s, verdict.reason) == (6.0, 7.0, "-")


@given(st.text("+-", max_size=40), st.integers(1, 5), st.integers(1, 5))
def test_a_flip_needs_a_whole_streak(results: str, fall: int, rise: int) -> None:
    verdict = Verdict()
    for index, result in enumerate(results):
        before = verdict.availability
        verdict = after(result, HealthCheck(fall=fall, rise=rise), verdict)
        if before is not Availability.UNKNOWN and verdict.availability is not before:
            needed = fall if before is Availability.UP else rise
            assert results[: index + 1].endswith(result * needed)


def test_a_result_makes_an_inherited_verdict_first_hand_when_it_agrees() -> None:
    inherited = Verdict(Availability.UP, reason="inherited", first_hand=False)
    assert after("+", verdict=inherited).first_hand
    doubted = after("-", verdict=inherited)
    assert (doubted.availability, doubted.first_hand) == (Availability.UP, False)
    assert after("---", verdict=inherited) == Verdict(Availability.DOWN, since_s=3.0, at_s=3.0, reason="-")


def test_condemning_waits_for_nothing_and_keeps_the_time_of_the_first_fall() -> None:
    down = condemn(after("+++"), reason="requests failed", now=9.0)
    assert (down.availability, down.since_s) == (Availability.DOWN, 9.0)
    assert condemn(down, reason="again", now=11.0).since_s == 9.0


def test_a_verdict_expires() -> None:
    verdict = after("+")
    assert verdict.is_fresh(6.9, 6.0)
    assert not verdict.is_fresh(7.0, 6.0)
    assert not Verdict().is_fresh(0.0, 6.0)
