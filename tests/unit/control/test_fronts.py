"""Fronts in the plane: rows between real gossip cores, readiness, the heartbeat's word, and what is told of it."""

from dataclasses import replace
from pathlib import Path

from lbmesh.config.settings import FailoverSettings, GossipSettings
from lbmesh.control.fronts import UNREADY_S, FrontPart
from lbmesh.control.state import Readiness
from lbmesh.failover.claims import FrontState
from lbmesh.failover.front_limits import SETTLE_S
from lbmesh.failover.orders import Acquire, Done
from lbmesh.model.address import Address
from lbmesh.model.front import Front, FrontClass
from lbmesh.model.member import Member, MemberState
from tests.sim.fronts import Fronts
from tests.sim.world import World
from tests.support.planes import settings, shop

FRONT = Front(Address("203.0.113.1", 80), "a", "a1", hold_down_s=1.0)
READY, UNREADY = Readiness(True, "ready"), Readiness(False, "no forwarder serves a View yet")


C1 = Address("10.0.2.1", 7946)
"""Where the simulated node c1 is reached."""


def a_mesh(front: Front, failover: FailoverSettings = FailoverSettings()) -> tuple[World, Fronts]:  # noqa: B008
    world = World(1, {"a": 1, "b": 1, "c": 1}, replicas=3, fronts=(front,), failover=failover)
    watched = Fronts(world, (front,))
    world.start_all()
    world.run(SETTLE_S + 4.0)
    return world, watched


def test_claims_reach_the_peers_and_everybody_tells_the_same() -> None:
    world, _ = a_mesh(FRONT)
    for node in world.nodes.values():
        assert node.core is not None
        (status,) = node.core.plane.picture.state(node.now_s()).fronts  # type: ignore[attr-defined]
        assert status.place.holder == "a1"
        assert status.state is (FrontState.HELD if node.name == "a1" else FrontState.IDLE)
        found = node.core.plane.picture.explain_front(node.now_s(), FRONT.name)  # type: ignore[attr-defined]
        assert found.state == status.state
        if node.name != "a1":
            (said,) = found.said
            assert (said.who, said.counts) == ("a1", True)
            assert said.what.startswith("held, epoch 1: a1 is its home node")
            assert 0 < said.age_s < SETTLE_S + 5
        assert node.core.plane.picture.explain_front(node.now_s(), "203.0.113.9") is None  # type: ignore[attr-defined]


def test_a_witness_votes_and_holds_nothing() -> None:
    front = replace(FRONT, front_class=FrontClass.EXCLUSIVE)
    world, watched = a_mesh(front, FailoverSettings((C1,), (("a", ("a1",)), ("b", ("b1",)))))
    assert watched.holders(front) == ["a1"]
    world.crash("a1")
    world.run_until(lambda: watched.holders(front) == ["b1"], within_s=8.0)
    world.crash("c1")
    world.run_until(lambda: not watched.holders(front), within_s=5.0)


def part(*fronts: Front, now: float = 100.0) -> FrontPart:
    own = settings(shop(), node="a1", zone="a")
    gossip = GossipSettings(Address("10.0.0.1", 7946), Address("10.0.0.1", 7946), (), Path("/k"), (b"1" * 32,), None)
    return FrontPart(replace(own, gossip=gossip, fronts=fronts), "session", now)


def test_a_node_alone_holds_its_front_at_once() -> None:
    alone = replace(settings(shop(), node="a1", zone="a"), fronts=(FRONT,))
    one = FrontPart(alone, "session", 100.0)
    one.fare(100.0, READY, at_once=False)
    output = one.step(100.0, (), {}, {}, is_isolated=False, stalled="")
    (order,) = output.orders
    assert isinstance(order, Acquire)
    one.take(Done(FRONT.name, order.ticket), 100.0)
    one.step(100.0, (), {}, {}, is_isolated=False, stalled="")
    assert one.statuses()[0].state is FrontState.HELD


def test_without_fronts_it_costs_nothing_and_has_no_deadline() -> None:
    one = part()
    assert not one.is_used
    assert one.is_willing is None
    assert one.next_deadline() == float("inf")


def test_a_forwarder_may_die_and_come_back_before_a_front_moves() -> None:
    one = part(FRONT)
    assert one.fare(100.0, READY, at_once=False)
    assert not one.fare(101.0, UNREADY, at_once=False)
    assert one.is_willing
    assert not one.fare(101.5, READY, at_once=False)
    assert not one.fare(200.0, UNREADY, at_once=False)
    assert one.next_deadline() <= 200.0 + UNREADY_S
    assert one.fare(200.0 + UNREADY_S, UNREADY, at_once=False)
    assert one.is_willing is False


def test_who_leaves_or_hangs_takes_nothing_from_that_moment_on() -> None:
    one = part(FRONT)
    one.fare(100.0, READY, at_once=False)
    assert one.fare(101.0, UNREADY, at_once=True)
    assert one.is_willing is False


def test_a_member_that_has_left_is_nobody_to_be_cut_off_from() -> None:
    one = part(FRONT)
    one.fare(100.0, READY, at_once=False)
    gone = [Member(name, "b", Address("10.0.1.1", 1), 1, MemberState.LEFT, 0.0, "") for name in ("b1", "b2")]
    one.step(100.0 + SETTLE_S, gone, {}, {}, is_isolated=False, stalled="")
    assert one.statuses()[0].guard == ""
    dead = [replace(member, state=MemberState.DOWN) for member in gone]
    one.step(101.0 + SETTLE_S, dead, {}, {}, is_isolated=False, stalled="")
    assert one.statuses()[0].guard.startswith("isolated")
    one.reach("gateway", in_reach=True)
    one.step(102.0 + SETTLE_S, dead, {}, {}, is_isolated=False, stalled="")
    assert one.statuses()[0].guard == ""


def test_who_leaves_is_relieved_before_it_says_goodbye() -> None:
    world, watched = a_mesh(FRONT)
    node = world.nodes["a1"]
    plane = node.core.plane  # type: ignore[union-attr]
    node.inform(lambda core, now: core._step(core.plane.retire(now)))  # type: ignore[attr-defined]  # noqa: SLF001
    took_s = world.run_until(lambda: len(watched.holders(FRONT)) != 1, within_s=0.7)
    assert took_s > 0
    assert len(watched.holders(FRONT)) == 2, "make before break"
    assert not plane.is_relieved, "it has still to let go"
    assert world.run_until(lambda: plane.is_relieved, within_s=0.7 - took_s) >= 0
    assert [node for node in watched.holders(FRONT) if node != "a1"] == watched.holders(FRONT) != []
    world.leave("a1")
