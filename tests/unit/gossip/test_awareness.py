from lbmesh.gossip.awareness import Awareness
from lbmesh.gossip.limits import GossipTiming

TIMING = GossipTiming()


def test_strikes_add_up_to_a_bound_and_fade() -> None:
    own = Awareness(TIMING)
    assert own.extra_misses(0.0) == 0
    own.strike(1.0, "a step came 200 ms late")
    assert own.extra_misses(1.0) == 1
    for _ in range(100):
        own.strike(2.0, "sending failed")
    assert own.extra_misses(2.0) == TIMING.strikes_max
    assert own.latest == "sending failed"
    assert own.extra_misses(2.0 + 4 * TIMING.strike_half_life_s) == 0
