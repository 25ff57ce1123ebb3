"""Where a key goes as replicas die, warm up, fill and fail: the same on every balancer that knows the same."""

from collections import Counter
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.routing.affinity import LOAD_FLOOR, KeyRing, in_flight_max, key_ring
from lbmesh.routing.steps import finish
from tests.support.candidates import Candidate, candidates

KEYS = [b"user-%d" % number for number in range(2000)]


def ring(replicas: list[Candidate]) -> KeyRing[Candidate]:
    return finish(key_ring([one.name for one in replicas], replicas))


def homes(made: KeyRing[Candidate], usable: list[Candidate], **how: object) -> list[str | None]:
    """By key."""
    said = {"warmths": {}, "in_flight_max": inf, **how}
    picks = (made.pick(key, frozenset(usable), **said) for key in KEYS)  # type: ignore[arg-type]
    return [one.name if one else None for one in picks]


def test_a_death_moves_the_keys_of_the_dead_alone_and_spreads_them() -> None:
    replicas = candidates("abcdefgh")
    made = ring(replicas)
    before, after = homes(made, replicas), homes(made, replicas[1:])
    assert all(was == now for was, now in zip(before, after, strict=True) if was != "a")
    heirs = Counter(now for was, now in zip(before, after, strict=True) if was == "a")
    assert len(heirs) == 7
    assert max(heirs.values()) < 3 * sum(heirs.values()) / 7


def test_balancers_agree_whatever_order_they_know_the_replicas_in() -> None:
    replicas = candidates("abcdef")
    assert homes(ring(replicas), replicas) == homes(ring(replicas[::-1]), replicas)


def test_the_last_one_alive_has_all_keys_and_none_alive_has_none() -> None:
    replicas = [Candidate(f"r{number}") for number in range(300)]
    made = ring(replicas)
    assert set(homes(made, replicas[7:8])) == {"r7"}
    assert set(homes(made, [])) == {None}


def test_a_retry_goes_to_who_would_stand_in_were_the_first_dead() -> None:
    replicas = candidates("abcdef")
    made = ring(replicas)
    for key in KEYS[:200]:
        first = made.pick(key, frozenset(replicas), warmths={}, in_flight_max=inf)
        assert first is not None
        retried = made.pick(key, frozenset(replicas), warmths={}, in_flight_max=inf, tried=(first,))
        assert retried is made.pick(key, frozenset(replicas) - {first}, warmths={}, in_flight_max=inf)
        assert retried is not first


def test_one_that_warms_up_takes_its_keys_back_one_after_the_other() -> None:
    replicas = candidates("abcd")
    made = ring(replicas)
    own = {key for key, home in zip(KEYS, homes(made, replicas), strict=True) if home == "a"}
    held: set[bytes] = set()
    for part in (0.1, 0.3, 0.6, 0.999):
        now = {
            key
            for key, home in zip(KEYS, homes(made, replicas, warmths={replicas[0]: part}), strict=True)
            if home == "a"
        }
        assert held <= now <= own
        assert len(now) / len(own) == pytest.approx(part, abs=0.08)
        held = now


def test_alone_it_has_all_its_keys_however_cold() -> None:
    replicas = candidates("ab")
    assert set(homes(ring(replicas), replicas[:1], warmths={replicas[0]: 0.1})) == {"a"}


def test_a_hot_key_spills_over_and_comes_home() -> None:
    replicas = candidates("abcd")
    made = ring(replicas)
    home = made.pick(b"hot", frozenset(replicas), warmths={}, in_flight_max=10)
    assert home is not None
    home.in_flight = 10
    other = made.pick(b"hot", frozenset(replicas), warmths={}, in_flight_max=10)
    assert other is not None
    assert other is not home
    for one in replicas:
        one.in_flight = 10
    assert made.pick(b"hot", frozenset(replicas), warmths={}, in_flight_max=10) is home, "as full as all"
    home.in_flight = 9
    assert made.pick(b"hot", frozenset(replicas), warmths={}, in_flight_max=10) is home


@given(st.integers(125, 400), st.lists(st.integers(1, 10), min_size=2, max_size=8))
def test_with_a_bound_a_single_key_fills_nobody_beyond_it(factor: int, weights: list[int]) -> None:
    """Mirrokni et al.: nobody has more than the factor times its fair share, and one."""
    replicas = [Candidate(str(number), weight=weight) for number, weight in enumerate(weights)]
    made, usable = ring(replicas), frozenset(replicas)
    total = sum(weights)
    for number in range(300):
        bound = in_flight_max(factor, number, len(replicas), total)
        picked = made.pick(b"hot", usable, warmths={}, in_flight_max=bound)
        assert picked is not None
        picked.in_flight += 1
    for one in replicas:
        floor = LOAD_FLOOR * len(replicas) * one.weight / total
        assert one.in_flight <= max(floor, factor / 100 * 301 * one.weight / total) + 2


def test_without_a_factor_nothing_is_too_much() -> None:
    assert in_flight_max(0, 10_000, 2, 2) == inf
    assert in_flight_max(150, 0, 4, 4) == LOAD_FLOOR
    assert in_flight_max(150, 99, 4, 4) == pytest.approx(37.5)
