"""A node that restarts: what it knew, what its peers know, and which of them counts for more."""

from dataclasses import replace

import pytest

from lbmesh.control.inputs import ProbeResult
from lbmesh.control.memory import Memory, memorise
from lbmesh.control.plane import Plane
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import ReplicaId
from tests.support import planes
from tests.support.planes import World, replica_id, settings, shop

DEAD = replica_id(2)


def answer(_node: str, replica: ReplicaId) -> ProbeResult:
    return ProbeResult(False, "connection refused") if replica == DEAD else ProbeResult(True, "status 200")


def a_mesh() -> World:
    """Three nodes that agree on a dead replica."""
    world = World(answer)
    for zone in "abc":
        world.add(f"lb-{zone}", f"zone-{zone}", shop())
    world.run(15.0)
    assert [world.availability(node) for node in world.planes] == ["UDU"] * 3
    return world


def memory_of(plane: Plane) -> Memory:
    assert plane.view is not None
    return memorise(plane.settings, plane.view, plane.picture.peer_addresses(), None, 1000.0)


def first_view(world: World, node: str) -> str:
    """Its letters; a View before the start of the plane would come first."""
    world.take(node, world.planes[node].start(world.now))
    assert len(world.views[node]) == 1
    return world.availability(node)


def test_without_peers_what_was_remembered_stands() -> None:
    world = World(answer)
    plane = world.add("lb-a", "zone-a", shop(), meshed=False)
    world.run(5.0)
    memory = memory_of(plane)
    plane = world.add("lb-a", "zone-a", shop(), meshed=False, started=False)
    plane.remember(memory, world.now)
    assert first_view(world, "lb-a") == "UDU"
    reasons = [one.reason for one in world.views["lb-a"][0].services[0].replicas]
    assert reasons[1] == "remembered from before the restart, down since 1970-01-01 00:16:40Z: connection refused"


def test_a_view_that_forwarders_serve_counts_for_more_than_the_disk() -> None:
    world = World(answer)
    plane = world.add("lb-a", "zone-a", shop(), meshed=False)
    world.run(5.0)
    served = plane.view
    assert served is not None
    memory = memory_of(plane)
    stale = replace(memory, replicas=tuple(replace(one, availability=Availability.DOWN) for one in memory.replicas))
    plane = world.add("lb-a", "zone-a", shop(), meshed=False, started=False)
    plane.inherit(served, world.now)
    plane.remember(stale, world.now)
    assert first_view(world, "lb-a") == "UDU"


def test_a_restarted_node_has_its_peers_opinions_in_its_first_view(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_mesh()
    monkeypatch.setattr(planes, "PROBE_S", 60.0)
    plane = world.add("lb-a", "zone-a", shop(), epoch=2, started=False)
    assert not plane.picture.caught_up()
    assert plane.view is None
    assert plane.picture.readiness().reason.startswith("catching up")
    began_s = world.now
    while not plane.picture.caught_up():
        world.run(0.001)
        assert world.now < began_s + 1.0
    assert world.views["lb-a"] == []
    assert first_view(world, "lb-a") == "UDU"


def test_peers_opinions_count_for_more_than_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_mesh()
    monkeypatch.setattr(planes, "PROBE_S", 60.0)
    memory = memory_of(world.planes["lb-a"])
    turned = {Availability.UP: Availability.DOWN, Availability.DOWN: Availability.UP}
    wrong = replace(
        memory, replicas=tuple(replace(one, availability=turned[one.availability]) for one in memory.replicas)
    )
    plane = world.add("lb-a", "zone-a", shop(), epoch=2, started=False)
    plane.remember(wrong, world.now)
    world.run(0.3)
    assert first_view(world, "lb-a") == "UDU"


def test_a_node_whose_peers_are_silent_never_catches_up() -> None:
    world = a_mesh()
    world.cut = {"lb-b", "lb-c"}
    plane = world.add("lb-a", "zone-a", shop(), epoch=2, started=False)
    world.run(10.0)
    assert not plane.picture.caught_up()


def test_a_node_alone_has_nothing_to_catch_up_with() -> None:
    assert World().add("lb-a", "zone-a", shop(), meshed=False, started=False).picture.caught_up()


def test_addresses_of_peers_are_those_of_members_that_have_not_left() -> None:
    world = a_mesh()
    peers = {node: address for address, node in world.addresses.items()}
    assert set(world.planes["lb-a"].picture.peer_addresses()) == {peers["lb-b"], peers["lb-c"]}
    world.take("lb-b", world.planes["lb-b"].leave(world.now))
    world.run(0.1)
    world.cut = {"lb-b"}
    world.run(5.0)
    assert set(world.planes["lb-a"].picture.peer_addresses()) == {peers["lb-c"]}
    assert set(World().add("lb-a", "zone-a", shop(), meshed=False).picture.peer_addresses()) == set[Address]()


def test_settings_without_the_service_forget_it() -> None:
    world = World(answer)
    plane = world.add("lb-a", "zone-a", shop(), meshed=False)
    world.run(5.0)
    memory = memory_of(plane)
    other = settings(shop(name="other"))
    assert memory.checks != ()
    assert {one.id.service for one in memory.replicas} == {"shop"}
    plane = world.add("lb-a", "zone-a", *other.services, meshed=False, started=False)
    plane.remember(memory, world.now)
    world.take("lb-a", plane.start(world.now))
    assert world.availability("lb-a", "other") == "???"
