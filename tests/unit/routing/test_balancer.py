"""Choosing a replica: who is drawn how often, and never the same one twice while another is there."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.traffic import Balance
from lbmesh.routing.balancer import (
    DRAWS_FOR_UNTRIED,
    LOOKS_FOR_UNTRIED,
    REASON_LOCAL,
    REASON_NONE,
    REASON_REMOTE_ONLY,
    REASON_REMOTE_SHARE,
    REASON_UNKNOWN,
    Balancer,
)
from tests.support.candidates import Candidate, balancer, candidates

DRAWS = 4000


def drawn(made: Balancer[Candidate], times: int = DRAWS) -> Counter[str]:
    """How often each was picked, nobody ever being busy."""
    return Counter(picked.name for picked in (made.pick()[0] for _ in range(times)) if picked is not None)


policies = pytest.mark.parametrize("policy", list(Balance))


@policies
def test_groups_in_their_order(policy: Balance) -> None:
    a, b, c = candidates("abc")
    assert balancer(policy, [a], [b], [c]).pick() == (a, REASON_LOCAL)
    assert balancer(policy, [], [b], [c]).pick() == (b, REASON_REMOTE_ONLY)
    assert balancer(policy, [], [], [c]).pick() == (c, REASON_UNKNOWN)
    assert balancer(policy).pick() == (None, REASON_NONE)
    assert balancer(policy).pick_other([a]) == (None, REASON_NONE)


@policies
def test_every_replica_gets_its_share(policy: Balance) -> None:
    shares = drawn(balancer(policy, candidates("abcd")))
    assert all(0.2 * DRAWS < shares[name] < 0.3 * DRAWS for name in "abcd")


@given(st.integers(), st.lists(st.tuples(st.integers(0, 20), st.floats(1e-4, 10)), min_size=2, max_size=6))
def test_two_choices_never_take_the_worst(seed: int, loads: list[tuple[int, float]]) -> None:
    group = [Candidate(str(index), in_flight, cost_s) for index, (in_flight, cost_s) in enumerate(loads)]
    costs = {each.name: (each.in_flight + 1) * each.cost_s for each in group}
    picked, _ = balancer(Balance.P2C, group, seed=seed).pick()
    assert picked is not None
    if costs[picked.name] == max(costs.values()):
        assert list(costs.values()).count(costs[picked.name]) > 1


def test_two_choices_keep_loads_even() -> None:
    """Balls into bins (Mitzenmacher 2001): with two choices the fullest bin stays a few above the mean."""
    group = candidates("abcdefghij")
    made = balancer(Balance.P2C, group)
    for _ in range(1000):
        picked, _ = made.pick()
        assert picked is not None
        picked.in_flight += 1
    assert max(each.in_flight for each in group) - min(each.in_flight for each in group) <= 8


@given(st.integers(), st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_least_request_takes_the_least_busy(seed: int, loads: list[int]) -> None:
    group = [Candidate(str(index), in_flight) for index, in_flight in enumerate(loads)]
    picked, _ = balancer(Balance.LEAST_REQUEST, group, seed=seed).pick()
    assert picked is not None
    assert picked.in_flight == min(loads)


@given(st.integers(), st.integers(1, 7))
def test_round_robin_goes_round(seed: int, size: int) -> None:
    group = [Candidate(str(index)) for index in range(size)]
    made = balancer(Balance.ROUND_ROBIN, group, seed=seed)
    assert set(drawn(made, 3 * size).values()) == {3}


@policies
@pytest.mark.parametrize("share", [0.0, 0.25, 0.98, 1.0])
def test_the_local_share(policy: Balance, share: float) -> None:
    made = balancer(policy, candidates("ab"), candidates("cd"), local_share=share)
    picks = [made.pick() for _ in range(DRAWS)]
    local = sum(picked is not None and picked.name in "ab" for picked, _ in picks)
    assert abs(local / DRAWS - share) < 0.03
    assert all(
        reason == (REASON_LOCAL if picked is not None and picked.name in "ab" else REASON_REMOTE_SHARE)
        for picked, reason in picks
    )


@policies
def test_no_share_goes_where_nobody_is(policy: Balance) -> None:
    assert set(drawn(balancer(policy, candidates("a"), local_share=0.5), 100)) == {"a"}


GROUPS = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))


@given(st.sampled_from(list(Balance)), GROUPS, st.floats(0, 1), st.integers())
def test_a_retry_is_elsewhere_while_there_is_an_elsewhere(
    policy: Balance, sizes: tuple[int, int, int], share: float, seed: int
) -> None:
    local, remote, unproven = (
        [Candidate(f"{kind}{index}") for index in range(size)]
        for kind, size in zip(("local", "remote", "unproven"), sizes, strict=True)
    )
    made = balancer(policy, local, remote, unproven, local_share=share, seed=seed)
    everybody = {each.name for each in (*local, *remote, *unproven)}
    picked, _ = made.pick()
    tried: list[Candidate] = []
    while picked is not None and len(tried) < len(everybody):
        assert picked not in tried
        tried.append(picked)
        picked, _ = made.pick_other(tried)
    assert {each.name for each in tried} == everybody
    assert (picked is None) == (not everybody)


class Asked(list[Candidate]):
    """Everybody is in it, and who was asked about is noted."""

    def __contains__(self, one: object) -> bool:
        assert isinstance(one, Candidate)
        self.append(one)
        return True


def test_of_many_that_will_not_do_some_are_looked_at_and_all_in_turn() -> None:
    everybody = [Candidate(str(number)) for number in range(1000)]
    made = balancer(Balance.P2C, everybody)
    turns = 1000 // LOOKS_FOR_UNTRIED + 1
    seen: set[str] = set()
    for _ in range(turns):
        asked = Asked()
        made.pick_other(asked)
        assert len(asked) <= DRAWS_FOR_UNTRIED + LOOKS_FOR_UNTRIED
        seen |= {one.name for one in asked[DRAWS_FOR_UNTRIED:]}
    assert len(seen) == 1000


def test_a_retry_stays_near() -> None:
    local, remote = candidates("ab"), candidates("cd")
    made = balancer(Balance.P2C, local, remote, local_share=0.0)
    assert made.pick_other([local[0]]) == (local[1], REASON_LOCAL)
    picked, reason = made.pick_other(local)
    assert picked in remote
    assert reason == REASON_REMOTE_ONLY
