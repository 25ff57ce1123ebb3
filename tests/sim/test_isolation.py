"""A node whose own link breaks, and its picture of the replicas, on whole control planes."""

import pytest

from lbmesh.model.health import Availability
from lbmesh.model.service import HealthCheck
from tests.sim.world import World

CHECK = HealthCheck(interval_s=0.5, timeout_s=0.25, fall=2, rise=1)
CUT_S, WHOLE_S = 3.0, 2.0


def reaches_all(world: World, name: str) -> bool:
    view = world.nodes[name].view
    return view is not None and all(one.availability is Availability.UP for one in view.services[0].replicas)


@pytest.mark.parametrize("seed", range(3))
def test_a_link_that_flaps_leaves_no_replica_a_bad_name(seed: int) -> None:
    """While it is cut off a node reaches none of them, and when it is back all serve at once, time after time."""
    world = World(seed, {"a": 1, "b": 1, "c": 1}, replicas=6, check=CHECK)
    world.start_all()
    assert world.replicas is not None
    world.run_until(lambda: reaches_all(world, "a1"), within_s=10.0)
    for _ in range(4):
        world.isolate("a1")
        for replica in world.replicas.by_id.values():
            replica.cut_from = frozenset("a")
        world.run(CUT_S)
        assert not reaches_all(world, "a1")
        world.network.heal()
        for replica in world.replicas.by_id.values():
            replica.cut_from = frozenset()
        world.run(WHOLE_S)
        assert reaches_all(world, "a1")
