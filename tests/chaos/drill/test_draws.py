"""Faults drawn by a seed: all of them possible, all sorts drawn, the same for the same seed."""

from random import Random

from lbmesh_chaos.drill.draws import SORTS, STANDS_S, draw
from lbmesh_chaos.drill.endurance import experiment_of, marks_of
from lbmesh_chaos.faults.vocabulary import VOCABULARY
from lbmesh_chaos.model.world import Host, Role, World, Zone
from lbmesh_chaos.toolkit.check import check
from tests.chaos.faults.worlds import three_zones

WORLD = three_zones()
MANY = 600


def test_whatever_is_drawn_can_be_done() -> None:
    rng = Random(1)
    for number in range(MANY):
        drawn = draw(rng, WORLD)
        assert check(experiment_of(drawn, number), WORLD) == (), drawn
        assert STANDS_S[0] <= drawn.stands_s <= STANDS_S[1]


def test_only_where_an_ejection_must_run_out_may_agreement_take_longer() -> None:
    rng = Random(3)
    for drawn in (draw(rng, WORLD) for _ in range(MANY)):
        agree_s = marks_of(drawn).agree_s
        assert agree_s is not None
        assert (agree_s > 2.0) is (drawn.sort.split()[0] in {"slow", "silent", "truncating", "resetting"}), drawn


def test_every_sort_is_drawn_and_every_fault_but_those_that_are_left_out() -> None:
    rng = Random(2)
    drawn = [draw(rng, WORLD) for _ in range(MANY)]
    assert {one.sort for one in drawn} == set(SORTS)
    assert set(VOCABULARY) - {one.fault for one in drawn} == {"clock_jump", "control_plane"}


def test_the_same_seed_draws_the_same() -> None:
    assert [draw(Random("7-3"), WORLD) for _ in range(2)] == [draw(Random("7-3"), WORLD)] * 2
    assert draw(Random("7-3"), WORLD) != draw(Random("8-3"), WORLD)


def test_in_a_small_world_only_what_is_possible_is_drawn() -> None:
    hosts = (Host("lb", "z", Role.BALANCER, "10.1.1.1"), Host("app", "z", Role.REPLICA, "10.1.2.1"))
    small, rng = World("small", (Zone("z", 1),), hosts), Random(3)
    for number in range(MANY):
        drawn = draw(rng, small)
        assert check(experiment_of(drawn, number), small) == (), drawn
