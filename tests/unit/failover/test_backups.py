"""Who backs whom: the same on every node, symmetric, bounded, and moved by a death only where it must."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.failover.backups import Holding, circle_of, plan_backups
from lbmesh.failover.limits import BACKUPS_CROWDED, BACKUPS_MAX, PARTNERS_MAX
from lbmesh.model.address import Address
from lbmesh.model.front import Front

names = st.text("abcdefghij0123456789-", min_size=1, max_size=8)
zones = st.sampled_from(["zone-a", "zone-b", "zone-c", "zone-d"])
meshes = st.dictionaries(names, zones, min_size=1, max_size=24)


def own_front(name: str, zone: str) -> Front:
    return Front(Address(f"{name}.example", 80), zone, name)


def own_fronts(living: dict[str, str]) -> list[Front]:
    """What stands in for fronts until the configuration has them: one of each node."""
    return [own_front(name, zone) for name, zone in living.items()]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, str], list[Front]]:
    """A mesh, and fronts with and without a home node, of zones and nodes that may not live."""
    living = draw(meshes)
    free = st.builds(
        Front,
        st.builds(Address, st.just("203.0.113.1"), st.integers(1, 99)),
        zones,
        st.none() | names | st.sampled_from(sorted(living)),
    )
    fronts = draw(st.lists(free, max_size=8, unique_by=lambda front: front.address))
    return living, own_fronts(living) + fronts


def of(holdings: tuple[Holding, ...]) -> dict[Front, Holding]:
    return {holding.front: holding for holding in holdings}


@given(worlds(), st.randoms())
def test_every_node_finds_the_same_whatever_order_it_heard_in(
    world: tuple[dict[str, str], list[Front]], rng: random.Random
) -> None:
    living, fronts = world
    shuffled, others = list(living.items()), list(fronts)
    rng.shuffle(shuffled)
    rng.shuffle(others)
    assert plan_backups(fronts, living) == plan_backups(others, dict(shuffled))


@given(worlds())
def test_the_home_node_holds_then_the_home_zone_then_anybody(world: tuple[dict[str, str], list[Front]]) -> None:
    living, fronts = world
    found = plan_backups(fronts, living)
    assert {holding.front for holding in found} == set(fronts)
    for front, holding in of(found).items():
        assert holding.holder in living
        if front.node in living:
            assert holding.holder == front.node
        elif front.zone in living.values():
            assert living[holding.holder] == front.zone
        assert len(set(holding.backups) - {holding.holder}) == len(holding.backups) <= BACKUPS_MAX


@given(worlds())
def test_partners_are_mutual_and_few(world: tuple[dict[str, str], list[Front]]) -> None:
    living, fronts = world
    found = plan_backups(fronts, living)
    circles = {name: circle_of(name, found) for name in living}
    for name, circle in circles.items():
        assert name not in circle.partners
        assert len(circle.partners) <= PARTNERS_MAX
        assert circle.judged.keys() == circle.fronts.keys() <= circle.partners
        for partner in circle.partners:
            assert name in circles[partner].partners
            assert partner in circle.judged or name in circles[partner].judged
        for holder, judges in circle.judged.items():
            assert name in judges
            for judge in judges:
                assert circles[judge].judged[holder] == judges


@given(meshes)
def test_a_front_of_each_node_has_a_backup_and_one_in_another_zone(living: dict[str, str]) -> None:
    for holding in plan_backups(own_fronts(living), living):
        if len(living) <= PARTNERS_MAX + 1:
            assert len(holding.backups) == min(BACKUPS_MAX, len(living) - 1)
            if len(set(living.values())) > 1:
                assert any(living[name] != living[holding.holder] for name in holding.backups)
        first = holding.backups[:1]
        mates = [name for name, zone in living.items() if zone == living[holding.holder] and name != holding.holder]
        if mates and len(living) <= PARTNERS_MAX + 1:
            assert first[0] in mates


@pytest.mark.parametrize("size", [8, 9, 30, 100, 1000])
@pytest.mark.parametrize("shape", ["abc", "aaaaaabbcc"])
def test_large_meshes_of_usual_shapes_are_served_in_full(size: int, shape: str) -> None:
    living = {f"lb-{number}": f"zone-{shape[number % len(shape)]}" for number in range(size)}
    for holding in plan_backups(own_fronts(living), living):
        assert len(holding.backups) == BACKUPS_CROWDED
        assert any(living[name] != living[holding.holder] for name in holding.backups)


@given(meshes, st.data())
def test_the_next_holder_is_the_first_backup(living: dict[str, str], data: st.DataObject) -> None:
    if not 2 <= len(living) <= PARTNERS_MAX + 1:
        return
    dead = data.draw(st.sampled_from(sorted(living)))
    fronts = own_fronts(living)
    before = of(plan_backups(fronts, living))
    after = of(plan_backups(fronts, {name: zone for name, zone in living.items() if name != dead}))
    mine = own_front(dead, living[dead])
    assert after[mine].holder == before[mine].backups[0]


@given(worlds(), st.data())
def test_a_death_moves_no_front_of_the_living(world: tuple[dict[str, str], list[Front]], data: st.DataObject) -> None:
    living, fronts = world
    dead = data.draw(st.sampled_from(sorted(living)))
    rest = {name: zone for name, zone in living.items() if name != dead}
    before, after = of(plan_backups(fronts, living)), of(plan_backups(fronts, rest))
    for front, holding in after.items():
        if before[front].holder != dead:
            assert holding.holder == before[front].holder


@given(meshes, st.data())
def test_in_a_small_mesh_a_death_takes_no_backup_from_anybody_but_the_dead(
    living: dict[str, str], data: st.DataObject
) -> None:
    if len(living) > PARTNERS_MAX + 1:
        return
    dead = data.draw(st.sampled_from(sorted(living)))
    rest = {name: zone for name, zone in living.items() if name != dead}
    fronts = own_fronts(rest)
    before, after = of(plan_backups(fronts, living)), of(plan_backups(fronts, rest))
    for front in fronts:
        kept = [name for name in before[front].backups if name != dead]
        assert set(kept) <= set(after[front].backups)
        if dead not in before[front].backups:
            assert before[front].backups == after[front].backups


def test_in_a_large_mesh_a_death_moves_little_else() -> None:
    living = {f"lb-{number}": f"zone-{'abc'[number % 3]}" for number in range(100)}
    fronts = own_fronts(living)
    before = of(plan_backups(fronts, living))
    moved = 0
    for dead in living:
        after = of(plan_backups(fronts, {name: zone for name, zone in living.items() if name != dead}))
        moved += sum(
            before[front].backups != after[front].backups
            for front in fronts
            if dead not in (before[front].holder, *before[front].backups)
        )
    assert moved / len(living) < 1


def test_nobody_alive_holds_nothing() -> None:
    assert plan_backups([own_front("lb-a", "zone-a")], {}) == ()


def test_a_node_of_no_plan_has_no_partners() -> None:
    found = plan_backups([own_front("lb-a", "zone-a")], {"lb-a": "zone-a"})
    circle = circle_of("lb-z", found)
    assert (circle.partners, circle.judged) == (frozenset(), {})
