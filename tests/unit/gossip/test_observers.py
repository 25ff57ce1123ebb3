from hypothesis import given
from hypothesis import strategies as st

from lbmesh.gossip.observers import observers_of

meshes = st.lists(st.sampled_from("abcd"), min_size=2, max_size=40).map(
    lambda zones: {f"{zone}{number}": zone for number, zone in enumerate(zones)}
)


@given(mesh=meshes, data=st.data())
def test_observers_are_enough_and_spread(mesh: dict[str, str], data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(mesh)))
    chosen = observers_of(target, mesh[target], mesh, 10)
    zones = [mesh[name] for name in chosen]
    others = {zone for zone in mesh.values() if zone != mesh[target]}
    assert target not in chosen
    assert 1 <= len(chosen) == len(set(chosen)) <= 10
    for zone in others:
        assert zones.count(zone) >= min(2, sum(1 for other in mesh.values() if other == zone))
    if others:
        assert zones.count(mesh[target]) <= max(1, len(chosen) // 3)


@given(mesh=meshes, data=st.data())
def test_the_loss_of_another_node_moves_at_most_one_observer_in_its_zone(
    mesh: dict[str, str], data: st.DataObject
) -> None:
    target = data.draw(st.sampled_from(sorted(mesh)))
    before = observers_of(target, mesh[target], mesh, 10)
    for name in sorted(set(mesh) - set(before) - {target}):
        rest = {other: zone for other, zone in mesh.items() if other != name}
        assert observers_of(target, mesh[target], rest, 10) == before
