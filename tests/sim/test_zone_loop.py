"""The zones' shares in a closed loop: no zone is overrun while another has room, and nothing swings."""

from collections.abc import Callable
from itertools import product

import pytest

from lbmesh.control.ingress_rows import LEVEL_MAX
from lbmesh.routing.load_band import SPILL_MAX
from tests.sim.zone_loop import SERVICE, Zone, ZoneLoop, reversals

MIN_HOME = 0.02


def three(*, servers: tuple[int, int, int] = (40, 40, 40), service_s: float = 0.1) -> list[Zone]:
    """400 requests a second each, unless said otherwise."""
    return [Zone(f"zone-{letter}", count, service_s) for letter, count in zip("abc", servers, strict=True)]


def rates(*by_zone: float, nodes: int = 2) -> dict[str, list[float]]:
    return {f"zone-{letter}": [rate / nodes] * nodes for letter, rate in zip("abc", by_zone, strict=True)}


class Watch:
    """The greatest load of a zone once things have settled."""

    def __init__(self, settled_s: float) -> None:
        self.settled_s = settled_s
        self.load = 0.0

    def __call__(self, loop: ZoneLoop) -> None:
        if loop.now > 1000 + self.settled_s:
            self.load = max(self.load, *(zone.load for zone in loop.zones.values()))


@pytest.mark.parametrize(
    ("asked", "delay_s"),
    list(
        product(
            [(300, 300, 300), (600, 200, 100), (900, 0, 100), (0, 0, 1000), (1000, 10, 10), (500, 450, 50)], [1, 5, 20]
        )
    ),
)
def test_uneven_traffic_overruns_no_zone(asked: tuple[float, float, float], delay_s: int) -> None:
    loop, watch = ZoneLoop(three(), rates(*asked), delay_s=delay_s), Watch(40)
    loop.run(200, watch)
    assert watch.load < 0.98
    for balancer in loop.balancers:
        assert reversals(balancer.history, 0.1) <= 1


def test_a_zone_alone_with_the_traffic_uses_all_capacity() -> None:
    """Where balancers are counted instead of traffic, it would keep all, at two and a half times what it can do."""
    loop = ZoneLoop(three(), rates(1000, 0, 0))
    loop.run(90)
    loads = [zone.load for zone in loop.zones.values()]
    assert max(loads) - min(loads) < 0.1


def test_even_traffic_stays_at_home_and_makes_no_views() -> None:
    loop = ZoneLoop(three(), rates(300, 300, 300))
    loop.run(30)
    made = loop.views_made
    loop.run(300)
    assert loop.views_made == made
    assert all(loop.share(one, one.zone) > 0.9 for one in loop.balancers)


def slow_down(loop: ZoneLoop, times: float) -> None:
    loop.zones["zone-a"].service_s *= times


@pytest.mark.parametrize("delay_s", [1, 5, 20])
def test_a_zone_that_becomes_slow_sheds_load_and_takes_it_back(delay_s: int) -> None:
    """Its weights say what they ever said; only what is in flight shows it."""
    loop = ZoneLoop(three(), rates(200, 200, 200), delay_s=delay_s)
    loop.run(60)
    slow_down(loop, 2.4)
    loop.run(240)
    home = loop.zones["zone-a"]
    assert home.load < 1.0
    assert home.waiting < 1.0
    slow_down(loop, 1 / 2.4)
    loop.run(240)
    for one in loop.balancers:
        assert loop.share(one, one.zone) > 0.9
        assert reversals(one.history, 0.16) <= 4


def test_a_change_of_traffic_is_followed_within_seconds() -> None:
    loop = ZoneLoop(three(), rates(300, 300, 300))
    loop.run(60)
    for balancer in loop.balancers:
        balancer.rate *= 3.0 if balancer.zone == "zone-a" else 0.3
    loop.run(20)
    assert loop.zones["zone-a"].load < 1.1
    loop.run(30)
    assert loop.zones["zone-a"].load < 0.98


def lie(level: int) -> tuple[bytes, ...]:
    return (b'{"%b":[%d,{"zone-a":%d}]}' % (SERVICE.encode(), level, level),)


@pytest.mark.parametrize("level", [0, 40, LEVEL_MAX])
@pytest.mark.parametrize("zone", ["zone-a", "zone-b"])
def test_one_that_lies_overruns_nobody(level: int, zone: str) -> None:
    """Nine nodes in three zones with a third of all capacity in use to spare."""
    loop, watch = ZoneLoop(three(), rates(260, 260, 260, nodes=3)), Watch(0)
    next(one for one in loop.balancers if one.zone == zone).lies = lie(level)
    loop.run(300, watch)
    assert watch.load < 1.05
    for one in loop.balancers:
        assert loop.share(one, one.zone) > (1 - SPILL_MAX) * 0.5
        assert reversals(one.history[60:], 0.05) <= 1


def garbage(loop: ZoneLoop) -> None:
    for one in loop.balancers[::2]:
        one.lies = (b"\xff",)


def silence(loop: ZoneLoop) -> None:
    for one in loop.balancers[::2]:
        one.lies = ()


@pytest.mark.parametrize("break_off", [garbage, silence])
def test_without_words_from_half_of_the_nodes_the_rest_goes_on(break_off: Callable[[ZoneLoop], None]) -> None:
    loop, watch = ZoneLoop(three(), rates(500, 200, 200)), Watch(60)
    break_off(loop)
    loop.run(120, watch)
    assert watch.load < 1.1
    assert all(loop.share(one, one.zone) > MIN_HOME for one in loop.balancers)
