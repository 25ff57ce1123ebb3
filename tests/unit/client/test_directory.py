"""Which addresses a transport goes to, and in which order, as look-ups come and fail."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.client.admin_picture import OTHER_SHAPE, Picture, picture_of
from lbmesh.client.directory import LEADS_MAX, Directory, Endpoint, Slot, interleaved
from lbmesh.client.fleet import Fleet
from lbmesh.client.limits import ADDRESSES_MAX
from lbmesh.client.policy import Policy
from lbmesh.model.address import Address

A, B, C = (Endpoint(Address(f"10.0.{number}.10", 80), f"zone-{name}") for number, name in enumerate("abc", 1))
SIX = [Endpoint(Address(f"2001:db8::{number}", 80)) for number in (1, 2, 3)]
ANSWERS = st.lists(st.lists(st.sampled_from((A, B, C, *SIX)), max_size=6), max_size=12)


class Fixed:
    """A random source that says one thing."""

    def __init__(self, value: float) -> None:
        self._value = value

    def random(self) -> float:
        """Always the same."""
        return self._value


def addresses(*endpoints: Endpoint) -> tuple[Address, ...]:
    """Without the zones."""
    return tuple(each.address for each in endpoints)


def test_transports_spread_over_a_list_and_keep_the_rings_order() -> None:
    listed = [str(each.address) for each in (A, B, C)]
    homes = {Fleet(listed, Policy(), "", Fixed(share)).finder.home for share in (0.0, 0.34, 0.67)}
    assert homes == {addresses(A, B, C), addresses(B, C, A), addresses(C, A, B)}
    assert Fleet(listed, Policy(spread=False), "", Fixed(0.67)).finder.home == addresses(A, B, C)


def test_the_zone_is_the_callers_or_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {each.zone: [str(each.address)] for each in (A, B, C)}
    monkeypatch.setenv("LBMESH_ZONE", "zone-b")
    assert Fleet(listed, Policy(spread=False), None, None).finder.home == addresses(B, A, C)
    assert Fleet(listed, Policy(spread=False), "zone-c", None).finder.home == addresses(C, A, B)
    assert Fleet(listed, Policy(spread=False), "", None).finder.home == addresses(A, B, C)


@pytest.mark.parametrize("zone", ["zone-a", "zone-b", "zone-c", "zone-x"])
def test_the_own_zone_comes_first_wherever_the_list_begins(zone: str) -> None:
    for start in range(3):
        slots = [Slot(each.zone, [each]) for each in (A, B, C)]
        directory = Directory(slots, zone=zone, start=start)
        own = [each.address for each in (A, B, C) if each.zone == zone]
        assert list(directory.home[: len(own)]) == own
        assert sorted(directory.home) == sorted(addresses(A, B, C))


@given(ANSWERS)
def test_what_was_found_last_stands_whatever_comes_after(answers: list[list[Endpoint]]) -> None:
    slot = Slot("shop:80")
    last: list[Endpoint] = []
    for now, answer in enumerate(answers):
        slot.answered(answer, now)
        last = answer or last
        assert set(slot.found) == set(last), "of each answer all and nothing else; of an empty one nothing"
        assert len(slot.found) == len(set(slot.found))
        assert bool(slot.fault) == (not answer)
        slot.failed("the resolver is silent")
        assert set(slot.found) == set(last)


@given(st.lists(st.permutations([A, B, C]), min_size=1, max_size=20))
def test_answers_that_are_turned_round_do_not_move_the_home(answers: list[list[Endpoint]]) -> None:
    """Unless one address leads so often in a row that it must be meant."""
    slot = Slot("shop:80")
    slot.answered(answers[0], 0.0)
    leads = 1
    for before, answer in pairwise(answers):
        home = slot.found[0]
        slot.answered(answer, 0.0)
        leads = leads + 1 if answer[0] == before[0] else 1
        assert slot.found[0] == (answer[0] if leads >= LEADS_MAX else home)


def test_the_nearest_becomes_the_home_again_when_it_is_back() -> None:
    slot = Slot("shop:80")
    slot.answered([A, B, C], 0.0)
    slot.answered([B, C], 5.0)
    assert slot.found[0] == B
    for now in range(LEADS_MAX):
        slot.answered([A, B, C] if now % 2 else [A, C, B], 10.0 + now)
    assert slot.found[0] == A


@given(st.lists(st.sampled_from((A, B, C, *SIX)), min_size=1, max_size=6, unique=True))
def test_families_take_turns_and_each_keeps_its_order(endpoints: list[Endpoint]) -> None:
    turns = interleaved(endpoints)
    assert sorted(turns, key=str) == sorted(endpoints, key=str)
    assert turns[0] == endpoints[0]
    families = [":" in each.address.host for each in turns]
    both = 2 * min(families.count(True), families.count(False))
    assert all(one != other for one, other in pairwise(families[:both]))
    for family in (True, False):
        assert [e for e in turns if (":" in e.address.host) == family] == [
            e for e in endpoints if (":" in e.address.host) == family
        ]


def test_a_flood_of_addresses_is_cut() -> None:
    slot = Slot("shop:80")
    slot.answered([Endpoint(Address(f"10.1.0.{number}", 80)) for number in range(200)], 0.0)
    assert len(slot.found) == ADDRESSES_MAX


def test_only_what_is_looked_up_becomes_due_and_stale() -> None:
    name = Slot("shop:80")
    alone = Directory([name])
    assert alone.due(0.0, 5.0) == [name]
    assert alone.is_stale(0.0, 60.0)
    name.asked_at = 0.0
    name.answered([A], 0.0)
    alone.arrange()
    assert (alone.due(4.9, 5.0), alone.due(5.0, 5.0)) == ([], [name])
    assert (alone.is_stale(59.0, 60.0), alone.is_stale(60.0, 60.0)) == (False, True)
    name.failed("does not resolve")
    assert alone.home == addresses(A)
    literal = Directory([name, Slot("10.0.2.10:80", [B])])
    assert not literal.is_stale(1000.0, 60.0), "an address that cannot change is always fresh"


def a_state(
    fronts: Sequence[dict[str, object]] = (), gone: Sequence[str] = (), down: Sequence[str] = ()
) -> dict[str, object]:
    """Of three nodes in three zones."""
    members = [
        {
            "name": f"lb-{each.zone}",
            "zone": each.zone,
            "address": f"{each.address.host}:7946",
            "state": "down" if each.zone in down else "alive",
            "gone": {"for_s": 1.0, "reason": "silent"} if each.zone in gone else None,
        }
        for each in (A, B, C)
    ]
    return {"node": {"name": "lb-zone-a", "zone": "zone-a"}, "members": members, "fronts": list(fronts)}


def a_front(number: int, driver: str, holder: str | None) -> dict[str, object]:
    """At home in the zone of that number."""
    zone = f"zone-{'abc'[number - 1]}"
    return {
        "address": f"203.0.113.{number}",
        "port": 8080,
        "zone": zone,
        "node": None,
        "driver": driver,
        "holder": holder,
    }


def test_without_fronts_the_live_nodes_are_the_balancers() -> None:
    assert picture_of(a_state(gone=["zone-b"]), 80).endpoints == (A, C)
    assert picture_of(a_state(down=["zone-c"]), 80).endpoints == (A, B)


def test_a_front_that_moves_is_in_its_holders_zone() -> None:
    fronts = [a_front(1, "vip", "lb-zone-a"), a_front(2, "vip", "lb-zone-c"), a_front(3, "vip", None)]
    assert picture_of(a_state(fronts, down=["zone-b"]), 80).endpoints == (
        Endpoint(Address("203.0.113.1", 8080), "zone-a"),
        Endpoint(Address("203.0.113.2", 8080), "zone-c"),
    )


def test_a_front_that_stays_goes_with_its_zone() -> None:
    fronts = [a_front(number, "none", "lb-zone-a") for number in (1, 2, 3)]
    found = picture_of(a_state(fronts, gone=["zone-b"]), 80).endpoints
    assert [each.address.host for each in found] == ["203.0.113.1", "203.0.113.3"]


def test_when_no_front_is_held_all_are_tried() -> None:
    fronts = [a_front(number, "vip", None) for number in (1, 2, 3)]
    assert len(picture_of(a_state(fronts), 80).endpoints) == 3


@pytest.mark.parametrize(
    ("gone", "down", "hears_most"),
    [((), (), True), (("zone-b",), (), True), (("zone-b",), ("zone-c",), False), ((), ("zone-b", "zone-c"), False)],
)
def test_only_a_node_that_hears_most_of_the_others_is_a_witness_of_their_death(
    gone: Sequence[str], down: Sequence[str], hears_most: bool
) -> None:
    assert picture_of(a_state(gone=gone, down=down), 80).hears_most is hears_most


def test_most_are_more_than_half_of_the_nodes_and_of_the_zones() -> None:
    for hears, knows, most in (((2, 1), (4, 1), False), ((3, 1), (5, 3), False), ((3, 2), (5, 3), True)):
        assert Picture((), hears, knows).hears_most is most


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"node": {}, "members": [], "fronts": []},
        {"node": {"name": "a", "zone": "z"}, "members": [{"name": "b"}], "fronts": []},
        {"node": {"name": "a", "zone": "z"}, "members": 3, "fronts": []},
        {"node": {"name": "a", "zone": "z"}, "members": [], "fronts": [{"address": "no address at all"}]},
        [],
    ],
)
def test_a_state_of_another_shape_is_told(state: dict[str, object]) -> None:
    with pytest.raises(OTHER_SHAPE):
        picture_of(state, 80)
