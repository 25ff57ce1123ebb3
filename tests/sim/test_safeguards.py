"""Safeguards that only a whole mesh shows, or that no other test would miss (tests/sim/mutants.py)."""

import pytest

from lbmesh.model.health import Availability
from lbmesh.model.member import MemberState
from lbmesh.model.service import HealthCheck
from tests.sim.network import End
from tests.sim.test_gossip_scenarios import settled, started
from tests.sim.world import World

NINE = {"a": 3, "b": 3, "c": 3}
SEEDS = pytest.mark.parametrize("seed", range(2))


@SEEDS
@pytest.mark.parametrize("zones", [{"a": 1, "b": 1}, {"a": 2, "b": 2}, NINE], ids=["two", "four", "nine"])
def test_a_split_heals_without_seeds(seed: int, zones: dict[str, int]) -> None:
    """The seeds may be gone for good: the names no longer resolve, say. Of two zones both hold each other for down."""
    world = started(seed, zones)
    for node in world.nodes.values():
        assert node.gossip is not None
        node.gossip.seeds_resolved(())
    world.cut(lambda source, target: (source.zone == "b") != (target.zone == "b"))
    world.run(15.0)
    world.network.heal()
    settled(world, within_s=5.0)


@SEEDS
@pytest.mark.parametrize("side", [("a1", "a2", "a3"), ("a1", "a2")], ids=["a zone", "two of a zone"])
def test_the_smaller_side_of_a_split_condemns_no_companion_when_it_heals(seed: int, side: tuple[str, ...]) -> None:
    """The others found these down, and rightly; but they come back to life in each other's company."""
    world = started(seed, NINE)
    world.isolate(*side)
    world.run(6.0)
    world.network.heal()
    since_s = world.now
    world.run(5.0)
    downs = [one for one in world.downs(side, world.nodes) if one[0] > since_s]
    assert not downs, f"seed {seed}: {downs}"
    settled(world, within_s=5.0)


@SEEDS
def test_who_comes_back_from_a_cut_believes_no_old_word(seed: int) -> None:
    """When it was cut off, two others were down; they have been back for long."""
    world = started(seed, NINE)
    world.crash("b1", "c3")
    world.run(3.0)
    world.crash("a1")
    world.run(1.0)
    world.isolate("a1", "a2")
    world.start("b1", "c3", "a1")
    world.run(6.0)
    world.network.heal()
    since_s = world.now
    world.run(5.0)
    downs = [one for one in world.downs(["a1", "a2"], world.nodes) if one[0] > since_s]
    assert not downs, f"seed {seed}: {downs}"


@SEEDS
def test_a_node_that_thaws_believes_no_old_word(seed: int) -> None:
    """What came while it was stopped is stale: accusations of a member that has long come back."""
    world = started(seed, NINE)
    world.pause("b2")
    world.crash("c1", "c2")
    world.run(3.0)
    world.start("c1", "c2")
    world.run(6.0)
    world.thaw("b2")
    world.run(5.0)
    assert not world.downs(["b2"], world.nodes), f"seed {seed}\n{world.picture()}"


@SEEDS
def test_a_node_that_stutters_accuses_nobody(seed: int) -> None:
    """It runs for half a millisecond every two seconds: too short for any answer, too long to be one pause."""
    world = started(seed, NINE)
    for _ in range(12):
        world.pause("b2")
        world.run(2.0)
        world.thaw("b2")
        world.run(0.0005)
    world.run(0.05)
    assert not [change for _, who, change in world.changes if who == "b2" and change.after is not MemberState.ALIVE]
    settled(world, within_s=5.0)


@SEEDS
def test_a_plane_that_was_stopped_takes_no_replica_out(seed: int) -> None:
    """Its evidence is older than evidence may be, and probes have ended without an answer that it could take; but it
    was this node that stood still.
    """
    world = World(seed, {"a": 1}, replicas=4, check=HealthCheck(fall=1))
    assert world.replicas is not None
    for replica in world.replicas.by_id.values():
        replica.slow_s = 0.6
    world.start_all()
    world.run(10.0)
    for _ in range(4):
        world.pause("a1")
        world.run(20.0)
        world.thaw("a1")
        for _ in range(57):
            world.run(0.05)
            view = world.nodes["a1"].view
            assert view is not None
            assert {one.availability for one in view.services[0].replicas} == {Availability.UP}, f"seed {seed}"


@SEEDS
def test_a_one_way_cut_between_two_zones_condemns_nobody_as_the_third_reaches_both(seed: int) -> None:
    world = started(seed, NINE)

    def is_cut(source: End, target: End) -> bool:
        return (source.zone, target.zone) == ("a", "b")

    world.cut(is_cut)
    world.run(20.0)
    assert not world.downs(world.nodes, world.nodes), f"seed {seed}\n{world.picture()}"
