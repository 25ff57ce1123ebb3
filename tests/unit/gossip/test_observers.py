import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.gossip.observers import WatchPlan, watch_plan

meshes = st.lists(st.sampled_from("abcd"), min_size=2, max_size=40).map(
    lambda zones: {f"{zone}{number}": zone for number, zone in enumerate(zones)}
)


def plan(mesh: dict[str, str], down: frozenset[str] = frozenset()) -> WatchPlan:
    return watch_plan(tuple(sorted((name, zone, name not in down) for name, zone in mesh.items())), 10)


def large(members: int) -> dict[str, str]:
    return {f"lb-{'abc'[number % 3]}{number}": "abc"[number % 3] for number in range(members)}


@given(mesh=meshes, data=st.data())
def test_observers_are_enough_and_spread(mesh: dict[str, str], data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(mesh)))
    chosen = plan(mesh).observers[target]
    zones = [mesh[name] for name in chosen]
    others = {zone for zone in mesh.values() if zone != mesh[target]}
    assert target not in chosen
    assert 1 <= len(chosen) == len(set(chosen)) <= 10
    for zone in others:
        assert zones.count(zone) >= min(2, sum(1 for other in mesh.values() if other == zone))
    if others:
        assert zones.count(mesh[target]) <= max(1, len(chosen) // 3)


@given(mesh=meshes.filter(lambda mesh: len(mesh) <= 16), data=st.data())
def test_the_death_of_another_node_moves_no_observer_of_a_target_it_did_not_watch(
    mesh: dict[str, str], data: st.DataObject
) -> None:
    target = data.draw(st.sampled_from(sorted(mesh)))
    before = plan(mesh).observers[target]
    for name in sorted(set(mesh) - set(before) - {target}):
        assert plan(mesh, frozenset({name})).observers[target] == before


@given(mesh=meshes, data=st.data())
def test_the_dead_are_watched_and_watch_nobody(mesh: dict[str, str], data: st.DataObject) -> None:
    down = frozenset(data.draw(st.sets(st.sampled_from(sorted(mesh)), max_size=len(mesh) - 1)))
    found = plan(mesh, down)
    assert not down & set(found.targets)
    assert set(found.observers) == set(mesh)
    assert all(target in found.targets[name] for target, watching in found.observers.items() for name in watching)


@pytest.mark.parametrize("members", [100, 300, 1000])
def test_in_a_large_mesh_everybody_is_watched_by_ten_and_nobody_watches_too_many(members: int) -> None:
    found = plan(large(members))
    assert {len(watching) for watching in found.observers.values()} == {10}
    assert max(map(len, found.targets.values())) <= 30


def test_in_a_large_mesh_one_death_moves_few() -> None:
    mesh = large(300)
    before = plan(mesh)
    after = plan(mesh, frozenset({"lb-a0"}))
    moved = [name for name in mesh if set(after.observers[name]) - set(before.observers[name])]
    assert len(moved) <= 2 * len(before.targets["lb-a0"])
