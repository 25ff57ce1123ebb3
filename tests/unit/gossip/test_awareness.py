import pytest

from lbmesh.gossip.awareness import Awareness
from lbmesh.gossip.limits import SENDS_FAILED_MAX, SENDS_WITHIN_S, GossipTiming
from lbmesh.model.address import Address

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


def failing(own: Awareness, now: float, addresses: int, peers: int) -> int:
    """How much longer it doubts before it accuses, after sends to so many addresses failed."""
    for number in range(addresses):
        own.send_failed(now, Address(f"10.0.0.{number}", 7946), peers)
    return own.extra_misses(now)


@pytest.mark.parametrize(
    ("addresses", "peers", "is_own_fault"),
    [(1, 4, False), (2, 4, True), (1, 1, True), (2, 9, False), (2, 8, True), (15, 1000, False), (16, 1000, True)],
)
def test_a_quarter_of_the_peers_that_cannot_be_sent_to_is_a_strike(
    addresses: int, peers: int, is_own_fault: bool
) -> None:
    assert (failing(Awareness(TIMING), 1.0, addresses, peers) > 0) is is_own_fault


def test_one_of_many_that_fails_again_and_again_is_none() -> None:
    own = Awareness(TIMING)
    for tenth in range(100):
        assert failing(own, tenth / 10, 1, peers=5) == 0


def test_those_that_failed_long_ago_do_not_add_up() -> None:
    own = Awareness(TIMING)
    for number in range(10):
        own.send_failed(number * SENDS_WITHIN_S, Address(f"10.0.0.{number}", 7946), 5)
    assert own.extra_misses(10.0) == 0


def test_of_those_that_fail_few_are_remembered() -> None:
    own = Awareness(TIMING)
    failing(own, 1.0, 200, peers=1000)
    assert len(own._failed_s) == SENDS_FAILED_MAX  # noqa: SLF001
