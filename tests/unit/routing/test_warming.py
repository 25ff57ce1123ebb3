"""Slow start: a replica that returns gets the share it is to have, under every policy, however idle it looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.traffic import Balance
from lbmesh.routing.warming import JITTER, WARMTH_MIN, is_warming, share_in_between, warmth
from tests.support.candidates import Candidate, balancer, shares_of

PICKS = 20_000
policies = pytest.mark.parametrize("policy", list(Balance))


def shares(
    policy: Balance,
    local: list[Candidate],
    warmths: dict[Candidate, float],
    remote: tuple[Candidate, ...] = (),
    local_share: float = 1.0,
) -> dict[str, float]:
    """How often each is picked, of all picks."""
    return shares_of(balancer(policy, local, remote, local_share=local_share, warmths=warmths, seed=7), PICKS)


@policies
@pytest.mark.parametrize(("part", "share"), [(0.1, 0.1 / 1.1), (0.25, 0.2), (0.5, 1 / 3), (0.999, 0.5)])
def test_of_two_the_returned_one_gets_its_part(policy: Balance, part: float, share: float) -> None:
    """Idle and quick as it looks: that is what a cold replica looks like."""
    warm, back = Candidate("warm", in_flight=50, cost_s=0.1), Candidate("back", cost_s=0.0001)
    assert shares(policy, [warm, back], {back: part})["back"] == pytest.approx(share, abs=0.015)


@policies
def test_weights_count(policy: Balance) -> None:
    warm, back = Candidate("warm"), Candidate("back", weight=3)
    assert shares(policy, [warm, back], {back: 0.5})["back"] == pytest.approx(1.5 / 2.5, abs=0.015)


@policies
def test_the_others_are_balanced_as_ever(policy: Balance) -> None:
    one, other, back = Candidate("one"), Candidate("other"), Candidate("back")
    got = shares(policy, [one, back, other], {back: 0.2})
    assert got["back"] == pytest.approx(0.2 / 2.2, abs=0.015)
    assert got["one"] == pytest.approx(got["other"], abs=0.03)


@policies
def test_where_no_other_can_serve_there_is_nothing_to_wait_for(policy: Balance) -> None:
    back, both = Candidate("back"), Candidate("both")
    assert shares(policy, [back], {back: 0.1}) == {"back": 1.0}
    assert shares(policy, [back, both], {back: 0.1, both: 0.1})["back"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("policy", [Balance.P2C, Balance.LEAST_REQUEST])
def test_among_equally_cold_ones_the_policy_decides(policy: Balance) -> None:
    busy, idle = Candidate("busy", in_flight=50), Candidate("idle")
    assert shares(policy, [busy, idle], {busy: 0.3, idle: 0.3}) == {"idle": 1.0}


@policies
def test_a_group_elsewhere_has_its_own_shares(policy: Balance) -> None:
    here, there, back = Candidate("here"), Candidate("there"), Candidate("back")
    got = shares(policy, [here], {back: 0.25}, remote=(there, back), local_share=0.5)
    assert got["here"] == pytest.approx(0.5, abs=0.02)
    assert got["back"] == pytest.approx(0.1, abs=0.015)


@policies
def test_a_retry_goes_elsewhere_even_to_a_cold_one(policy: Balance) -> None:
    warm, back = Candidate("warm"), Candidate("back")
    made = balancer(policy, [warm, back], warmths={back: 0.1})
    assert made.pick_other([warm])[0] is back
    assert made.pick_other([back])[0] is warm


@given(
    st.sampled_from(list(Balance)),
    st.lists(st.tuples(st.integers(1, 5), st.none() | st.floats(0.1, 0.99)), min_size=1, max_size=5),
    st.integers(),
)
def test_whatever_warms_somebody_is_picked(policy: Balance, made_of: list[tuple[int, float | None]], seed: int) -> None:
    group = [Candidate(str(index), weight=weight) for index, (weight, _) in enumerate(made_of)]
    warmths = {one: part for one, (_, part) in zip(group, made_of, strict=True) if part is not None}
    made = balancer(policy, group, group[:1], local_share=0.5, warmths=warmths, seed=seed)
    for _ in range(20):
        assert made.pick()[0] in group


def test_warmth_rises_from_the_floor_to_one() -> None:
    assert warmth(100.0, 10.0, 99.0) == WARMTH_MIN
    assert warmth(100.0, 10.0, 100.0) == WARMTH_MIN
    assert warmth(100.0, 10.0, 105.0) == pytest.approx(0.55)
    assert warmth(100.0, 10.0, 110.0) == pytest.approx(1.0)
    assert warmth(100.0, 10.0, 1000.0) == 1.0
    assert warmth(100.0, 0.0, 100.0) == 1.0


def test_a_return_is_over_after_the_latest_rise_and_one_of_another_life_never_was() -> None:
    assert is_warming(100.0, 10.0, 100.0)
    assert is_warming(100.0, 10.0, 100.0 + 10 * (1 + JITTER) - 0.01)
    assert not is_warming(100.0, 10.0, 100.0 + 10 * (1 + JITTER))
    assert not is_warming(100.0, 10.0, 50.0)
    assert not is_warming(100.0, 0.0, 100.0)
    assert not is_warming(None, 10.0, 100.0)


def test_the_local_share_rises_with_what_is_here() -> None:
    assert share_in_between(0.0, 0.98, [0.1]) == pytest.approx(0.098)
    assert share_in_between(0.5, 0.9, [0.2, 0.4]) == pytest.approx(0.62)
    assert share_in_between(0.5, 0.9, []) == 0.9
