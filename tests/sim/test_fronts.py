"""Fronts on whole control planes: gossip, membership, claims and votes as rows, through deaths, splits and hours."""

from functools import partial

import pytest

from lbmesh.config.settings import FailoverSettings
from lbmesh.model.address import Address
from lbmesh.model.front import Front, FrontClass
from tests.sim.faults import Lag, Weather, begin
from tests.sim.fronts import Fronts
from tests.sim.schedules import REPLICAS, Planned, draw, skewed_clock
from tests.sim.world import World

THREE = {"a": 1, "b": 1, "c": 1}
SIX = {"a": 2, "b": 2, "c": 2}
FRONTS = (
    Front(Address("203.0.113.1", 80), "a", "a1", hold_down_s=5.0),
    Front(Address("203.0.113.2", 80), "b", None, hold_down_s=5.0),
    Front(Address("203.0.113.3", 80), "a", "a1", FrontClass.EXCLUSIVE, hold_down_s=5.0),
    Front(Address("203.0.113.4", 80), "c", None, FrontClass.EXCLUSIVE, hold_down_s=5.0),
)
SEEDS = pytest.mark.parametrize("seed", range(2))


def world_of(seed: int, zones: dict[str, int]) -> tuple[World, Fronts]:
    names = tuple((zone, tuple(f"{zone}{number}" for number in range(1, size + 1))) for zone, size in zones.items())
    failover = FailoverSettings(zones=names)
    world = World(seed, zones, replicas=REPLICAS, clocks=skewed_clock, fronts=FRONTS, failover=failover)
    return world, Fronts(world, FRONTS)


def started(seed: int, zones: dict[str, int]) -> tuple[World, Fronts]:
    world, fronts = world_of(seed, zones)
    world.start_all()
    world.run_until(lambda: all(len(fronts.holders(one)) == 1 for one in FRONTS), within_s=10.0)
    assert fronts.holders(FRONTS[0]) == fronts.holders(FRONTS[2]) == ["a1"]
    world.run(2.0)
    return world, fronts


@SEEDS
@pytest.mark.parametrize("zones", [THREE, SIX], ids=["three", "six"])
def test_the_fronts_of_a_dead_node_are_answered_within_300_ms_and_come_home(seed: int, zones: dict[str, int]) -> None:
    world, fronts = started(seed, zones)
    world.crash("a1")
    took_s = world.run_until(lambda: bool(fronts.holders(FRONTS[0])), within_s=1.0)
    assert took_s <= 0.3
    world.run_until(lambda: bool(fronts.holders(FRONTS[2])), within_s=8.0)
    world.start("a1")
    world.run_until(lambda: fronts.holders(FRONTS[0]) == fronts.holders(FRONTS[2]) == ["a1"], within_s=60.0, step_s=0.1)


@SEEDS
def test_a_split_leaves_each_exclusive_front_to_the_larger_side(seed: int) -> None:
    world, fronts = started(seed, SIX)
    world.isolate("a1", "a2")
    world.run_until(lambda: bool(fronts.holders(FRONTS[2])) and fronts.holders(FRONTS[2])[0][0] != "a", within_s=10.0)
    world.network.heal()
    world.run_until(lambda: all(len(fronts.holders(one)) == 1 for one in FRONTS), within_s=30.0, step_s=0.1)
    world.run_until(lambda: fronts.holders(FRONTS[2]) == ["a1"], within_s=60.0, step_s=0.1)


@SEEDS
def test_a_node_that_leaves_hands_over_and_one_that_is_frozen_falls_silent(seed: int) -> None:
    world, fronts = started(seed, THREE)
    world.pause("a1")
    world.run_until(lambda: bool(set(fronts.holders(FRONTS[0])) - {"a1"}), within_s=0.5)
    world.run_until(lambda: fronts.holders(FRONTS[0]) != ["a1"] and len(fronts.holders(FRONTS[0])) == 1, within_s=0.5)
    world.thaw("a1")
    world.run_until(lambda: all(len(fronts.holders(one)) == 1 for one in FRONTS), within_s=10.0)


@pytest.mark.parametrize(("seed", "shape", "seconds"), [(21, "3", 240.0), (22, "2", 120.0), (23, "9", 60.0)])
def test_no_schedule_gives_an_exclusive_front_to_two(seed: int, shape: str, seconds: float) -> None:
    schedule = draw(seed, shape, seconds, whole=True)
    zones = {"3": THREE, "2": {"a": 1, "b": 1}, "9": {"a": 3, "b": 3, "c": 3}}[shape]
    world, fronts = world_of(seed, zones)
    world.start(*world.nodes)
    for planned in schedule.faults:
        world.at(planned.at_s, partial(_happen, world, planned))
    world.run(seconds)
    assert fronts.moves


def _happen(world: World, planned: Planned) -> None:
    end = begin(planned.fault, world)
    world.at(world.now + planned.for_s, end)


def _hour(seed: int, seconds: float) -> list[tuple[float, str, str, bool]]:
    world, fronts = started(seed, THREE)
    before = len(fronts.moves)
    world.run(seconds)
    return fronts.moves[before:]


def test_nothing_moves_while_nothing_happens() -> None:
    assert _hour(31, 300.0) == []


def test_nothing_moves_while_all_words_come_late() -> None:
    """Both cores of each node are busy: its loop comes round up to 175 ms late, and the network adds its own."""
    world, fronts = started(32, THREE)
    begin(Lag(tuple(world.nodes), 0.175), world)
    begin(Weather(delay_s=0.03, jitter_s=0.03, overtaken=0.05), world)
    world.run(5.0)
    before = len(fronts.moves)
    world.run(300.0)
    assert fronts.moves[before:] == []
