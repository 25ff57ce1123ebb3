"""All fronts of a mesh together: who holds what, when nodes die, come back, flap, drain, freeze and lose each other."""

from itertools import pairwise

import pytest

from lbmesh.failover.claims import FrontState
from lbmesh.failover.front_limits import (
    ACQUIRE_RETRY_MAX_S,
    BALK_S,
    HANDOVER_S,
    LEASE_S,
    SETTLE_S,
    UNCLAIMED_S,
    UNFIT_AFTER,
    UNFIT_S,
)
from lbmesh.failover.guards import Outlook
from lbmesh.failover.orders import Acquire, Drain, Order, Release, Tickle, Unready
from lbmesh.model.address import Address
from lbmesh.model.front import Front, FrontClass
from tests.support.fronts import KERNEL_LEASE_S, STEP_S, FrontWorld

SIX = {"a1": "a", "a2": "a", "b1": "b", "b2": "b", "c1": "c", "c2": "c"}
THREE = {"a1": "a", "b1": "b", "c1": "c"}


def front(number: int = 1, zone: str = "a", node: str | None = "a1", **more: object) -> Front:
    return Front(Address(f"203.0.113.{number}", 80), zone, node, hold_down_s=5.0, **more)  # type: ignore[arg-type]


def exclusive(number: int = 1, zone: str = "a", node: str | None = "a1") -> Front:
    return front(number, zone, node, front_class=FrontClass.EXCLUSIVE)


def started(zones: dict[str, str], *fronts: Front, **more: object) -> FrontWorld:
    world = FrontWorld(zones, fronts, **more)  # type: ignore[arg-type]
    world.start()
    world.run(SETTLE_S + 4.0)
    return world


def orders_of(world: FrontWorld, name: str, kind: type[Order]) -> list[Order]:
    return [order for order in world.nodes[name].ordered if isinstance(order, kind)]


def test_a_mesh_that_starts_gives_each_front_to_its_home() -> None:
    world = started(SIX, front(), front(2, "b", None), exclusive(3, "c", "c2"))
    assert world.holders(world.fronts[0]) == ["a1"]
    (holder,) = world.holders(world.fronts[1])
    assert holder in ("b1", "b2")
    assert world.holders(world.fronts[2]) == ["c2"]
    assert all(move.before is not FrontState.HELD for _, _, move in world.moves), world.moves


def test_a_death_moves_a_front_within_150_ms_to_its_zone_and_tickles() -> None:
    world = started(SIX, front())
    world.kill("a1")
    world.run(0.15)
    assert world.holders(world.fronts[0]) == ["a2"]
    world.run(STEP_S)
    (tickle,) = orders_of(world, "a2", Tickle)
    assert isinstance(tickle, Tickle)
    assert tickle.holder_before == "a1"


def test_a_zones_death_moves_its_fronts_to_others_within_150_ms() -> None:
    world = started(SIX, front(), front(2, "a", "a2"), front(3, "a", None))
    world.kill("a1", "a2")
    world.run(0.15)
    for one in world.fronts:
        (holder,) = world.holders(one)
        assert holder[0] in "bc"


def test_only_judges_take_on_gone_and_the_mesh_lets_them_keep_it() -> None:
    world = started(SIX, front(), judges=lambda _: ["b1"])
    world.kill("a1")
    world.run(0.15)
    assert world.holders(world.fronts[0]) == ["b1"]
    world.run(3.0)
    # Down by membership as well: a2 would be a better home, and gets it after the hold-down, drained.
    assert world.holders(world.fronts[0]) == ["b1"]
    world.run(6.0)
    assert world.holders(world.fronts[0]) == ["a2"]


def test_an_exclusive_front_waits_for_the_lease_to_lapse() -> None:
    world = started(THREE, exclusive())
    world.kill("a1")
    world.run(1.5)
    assert world.holders(world.fronts[0]) == []
    world.run(LEASE_S)
    (holder,) = world.holders(world.fronts[0])
    assert holder in ("b1", "c1")


def test_gone_alone_gives_nobody_an_exclusive_front() -> None:
    world = started(THREE, exclusive(), front(2))
    world.is_cut = lambda source, _target: source == "a1"
    world.run(0.5)
    assert world.holders(world.fronts[0]) == ["a1"]
    assert len(world.holders(world.fronts[1])) == 2


def test_a_holder_that_loses_its_majority_is_silent_before_another_holds() -> None:
    world = started(THREE, exclusive())
    world.is_cut = lambda source, target: "a1" in (source, target)
    silent_s = held_s = None
    for _ in range(int(8 / STEP_S)):
        world.run(STEP_S)
        holders = world.holders(world.fronts[0])
        silent_s = silent_s or (world.now if "a1" not in holders else None)
        held_s = held_s or (world.now if holders and "a1" not in holders else None)
        assert len(holders) < 2
    assert silent_s is not None
    assert held_s is not None
    assert silent_s < held_s
    assert world.states(world.fronts[0])["a1"] in (FrontState.FENCED, FrontState.IDLE)


def test_two_zones_go_on_with_a_witness_and_not_without() -> None:
    zones = {"a1": "a", "b1": "b", "w": "w"}
    world = started(zones, exclusive(), witnesses=["w"])
    assert world.holders(world.fronts[0]) == ["a1"]
    world.kill("a1")
    world.run(6.0)
    assert world.holders(world.fronts[0]) == ["b1"]
    world.kill("w")
    world.run(6.0)
    assert world.holders(world.fronts[0]) == []


def test_a_home_that_returns_gets_its_front_after_the_hold_down_and_the_heir_holds_first() -> None:
    world = started(THREE, front())
    world.kill("a1")
    world.run(3.0)
    world.start("a1")
    world.run(4.0)
    (other,) = world.holders(world.fronts[0])
    assert other != "a1"
    missed = 0
    for _ in range(int(6 / STEP_S)):
        world.run(STEP_S)
        missed += not world.holders(world.fronts[0])
    assert missed == 0
    assert world.holders(world.fronts[0]) == ["a1"]
    assert orders_of(world, other, Drain)
    assert [order.ask_first for order in orders_of(world, "a1", Acquire) if isinstance(order, Acquire)] == [False]
    assert not orders_of(world, "a1", Tickle)


def test_an_exclusive_front_is_let_go_before_its_heir_holds_it() -> None:
    world = started(THREE, exclusive())
    world.kill("a1")
    world.run(7.0)
    world.start("a1")
    for _ in range(int(12 / STEP_S)):
        world.run(STEP_S)
        assert len(world.holders(world.fronts[0])) < 2
    assert world.holders(world.fronts[0]) == ["a1"]
    # Handed over, it needs no lease to lapse.
    (released_s,) = [at_s for at_s, who, move in world.moves if who != "a1" and move.after is FrontState.IDLE]
    held_s = [at_s for at_s, who, move in world.moves if who == "a1" and move.after is FrontState.HELD][-1]
    assert held_s - released_s < 0.5


def test_a_node_that_flaps_gets_its_front_back_later_and_later() -> None:
    world = started(THREE, front())
    moved = []
    for _ in range(8):
        before = len(world.moves)
        world.kill("a1")
        world.run(2.0)
        world.start("a1")
        world.run(9.0)
        moved.append(len(world.moves) - before)
    assert moved[0] > 0
    assert sum(moved[3:]) == 0, "it still moves back and forth"


def test_a_path_that_flaps_does_not_carry_the_front_with_it() -> None:
    """a1 lives all the time, and says that it holds the front; but the others have lost it twice."""
    world = started(THREE, front())
    for _ in range(10):
        world.is_cut = lambda source, target: "a1" in (source, target)
        world.run(0.4)
        world.is_cut = lambda _source, _target: False
        world.run(0.6)
    adoptions = [who for _, who, move in world.moves if who != "a1" and move.after is FrontState.HELD]
    assert len(adoptions) <= 2, world.moves
    assert len(world.holders(world.fronts[0])) == 1


def test_who_leaves_hands_over_before_it_lets_go() -> None:
    world = started(THREE, front(), exclusive(2))
    world.nodes["a1"].willing = False
    for _ in range(int(6 / STEP_S)):
        world.run(STEP_S)
        assert world.holders(world.fronts[0])
        assert len(world.holders(world.fronts[1])) < 2
    assert all("a1" not in world.holders(one) for one in world.fronts)
    assert all(len(world.holders(one)) == 1 for one in world.fronts)


def test_the_last_one_holds_though_it_is_drained() -> None:
    world = started({"a1": "a", "b1": "b"}, front())
    world.kill("b1")
    world.nodes["a1"].willing = False
    world.run(4.0)
    assert world.holders(world.fronts[0]) == ["a1"]


def test_fronts_return_one_at_a_time_the_heaviest_first() -> None:
    fronts = [front(number, weight=number) for number in range(1, 5)]
    world = started({"a1": "a", "b1": "b"}, *fronts)
    world.kill("a1")
    world.run(3.0)
    world.start("a1")
    world.run(20.0)
    back = [(at_s, move.front) for at_s, who, move in world.moves if who == "a1" and move.after is FrontState.HELD][4:]
    assert [name for _, name in back] == [one.name for one in reversed(fronts)]
    gaps = [later[0] - earlier[0] for earlier, later in pairwise(back)]
    assert min(gaps) >= 0.4


def test_after_a_mass_loss_one_front_at_a_time_is_taken_and_each_is_asked_first() -> None:
    fronts = [front(1, "a", "a1"), front(2, "b", "b1"), front(3, "b", "b2"), front(4, "c", "c2")]
    world = started(SIX, *fronts)
    world.outlook = lambda _node, seen: Outlook(seen.peers, seen.hears_peer, {"gateway": True})
    world.kill("a1", "a2", "b1", "b2", "c2")
    world.run(0.4)
    assert sum(world.answers("c1", one) for one in fronts) <= 2
    world.run(4.0)
    assert all(world.holders(one) == ["c1"] for one in fronts)
    assert all(order.ask_first for order in orders_of(world, "c1", Acquire) if isinstance(order, Acquire))


def test_a_cut_of_the_words_alone_takes_nothing_while_the_front_answers() -> None:
    world = started(SIX, *[front(number, zone, f"{zone}1") for number, zone in enumerate("abc", 1)])
    world.finds_occupied = True
    world.is_cut = lambda source, target: (source[0] == "a") != (target[0] == "a")
    for _ in range(int(6 / STEP_S)):
        world.run(STEP_S)
        assert all(len(world.holders(one)) == 1 for one in world.fronts)
    problems = [status.problem for status in world.nodes["b1"].core.statuses()]  # type: ignore[union-attr]
    others = [status.problem for status in world.nodes["b2"].core.statuses()]  # type: ignore[union-attr]
    others += [status.problem for status in world.nodes["c1"].core.statuses()]  # type: ignore[union-attr]
    others += [status.problem for status in world.nodes["c2"].core.statuses()]  # type: ignore[union-attr]
    assert any("still answers elsewhere" in problem for problem in problems + others)


def test_an_isolated_node_keeps_what_tolerates_two_lets_go_of_the_rest_and_takes_nothing() -> None:
    world = started(THREE, front(), exclusive(2), front(3, "b", "b1"))
    world.is_cut = lambda source, target: "a1" in (source, target)
    world.outlook = lambda node, seen: Outlook(seen.peers, seen.hears_peer, {"gateway": node != "a1"})
    world.run(0.3)
    assert world.answers("a1", world.fronts[0])
    assert not world.answers("a1", world.fronts[1])
    world.run(5.0)
    assert world.answers("a1", world.fronts[0])
    assert not world.answers("a1", world.fronts[2])
    (status, *_) = world.nodes["a1"].core.statuses()  # type: ignore[union-attr]
    assert status.guard == "isolated: nothing is in reach of peers, gateway"


def test_one_of_two_nodes_takes_over_when_the_other_dies() -> None:
    world = started({"a1": "a", "b1": "b"}, front(), front(2, "b", "b1"))
    world.kill("a1")
    world.run(0.15)
    assert all(world.holders(one) == ["b1"] for one in world.fronts)


def test_a_node_that_thaws_finds_its_front_elsewhere_and_lets_it_go() -> None:
    world = started(THREE, front(), exclusive(2))
    world.freeze("a1")
    doubled_s = 0.0
    for _ in range(int(8 / STEP_S)):
        world.run(STEP_S)
        doubled_s += STEP_S * (len(world.holders(world.fronts[0])) > 1)
        assert len(world.holders(world.fronts[1])) < 2
    assert doubled_s <= KERNEL_LEASE_S
    world.thaw("a1")
    world.run(0.5)
    for one in world.fronts:
        assert len(world.holders(one)) == 1
    assert not world.answers("a1", world.fronts[1])


def test_a_node_whose_driver_fails_passes_the_front_on() -> None:
    world = FrontWorld(THREE, [front()])
    world.driver = lambda node, order: (0.001, "no rights" if node == "a1" and isinstance(order, Acquire) else "")
    world.start()
    world.run(8.0)
    (holder,) = world.holders(world.fronts[0])
    assert holder != "a1"
    (status,) = world.nodes["a1"].core.statuses()  # type: ignore[union-attr]
    assert status.problem == "no rights"
    assert status.reason == f"its driver failed {UNFIT_AFTER} times: no rights"


def test_a_node_alone_holds_its_front_soon_after_its_driver_works_again() -> None:
    world = FrontWorld({"a1": "a"}, [front()])
    world.driver = lambda _node, order: (0.001, "BIRD does not run" if isinstance(order, Acquire) else "")
    world.start()
    world.run(SETTLE_S + 100.0)
    assert world.holders(world.fronts[0]) == []
    world.driver = lambda _node, _order: (0.001, "")
    world.run(ACQUIRE_RETRY_MAX_S + 0.1)
    assert world.holders(world.fronts[0]) == ["a1"]


def test_where_all_drivers_fail_the_front_is_held_soon_after_one_works_again() -> None:
    broken = {"a1", "b1", "c1"}
    world = FrontWorld(THREE, [front()])
    world.driver = lambda node, order: (0.001, "no rights" if isinstance(order, Acquire) and node in broken else "")
    world.start()
    world.run(SETTLE_S + 40.0)
    assert world.holders(world.fronts[0]) == []
    broken.remove("a1")
    world.run(UNFIT_S + 2 * ACQUIRE_RETRY_MAX_S)
    assert world.holders(world.fronts[0]) == ["a1"]


def test_the_status_tells_who_answers_and_not_who_should() -> None:
    world = FrontWorld(THREE, [front()])
    world.driver = lambda _node, order: (0.001, "no rights" if isinstance(order, Acquire) else "")
    world.start()
    world.run(SETTLE_S + 0.5)
    told = [node.core.statuses()[0] for node in world.nodes.values() if node.core]
    assert [(one.place.holder, one.holders) for one in told] == [("a1", ())] * 3
    world.driver = lambda _node, _order: (0.001, "")
    world.run(ACQUIRE_RETRY_MAX_S)
    told = [node.core.statuses()[0] for node in world.nodes.values() if node.core]
    assert [one.holders for one in told] == [("a1",)] * 3


def test_an_heir_that_cannot_take_it_is_not_asked_again_for_a_while() -> None:
    world = started(THREE, front())
    world.kill("a1")
    world.run(3.0)
    world.driver = lambda node, order: (30.0 if node == "a1" and isinstance(order, Acquire) else 0.001, "")
    world.start("a1")
    world.run(12.0 + HANDOVER_S)
    assert len(world.holders(world.fronts[0])) == 1
    drains = sum(len(orders_of(world, name, Drain)) for name in ("b1", "c1"))
    world.run(BALK_S / 2)
    assert sum(len(orders_of(world, name, Drain)) for name in ("b1", "c1")) == drains == 1


def test_a_front_that_is_taken_out_of_the_settings_is_let_go() -> None:
    world = started(THREE, front(), exclusive(2))
    for node in world.nodes.values():
        assert node.core is not None
        node.core.configure(world.local_s(node), ())
    world.run(0.5)
    assert not any(world.holders(one) for one in world.fronts)
    assert len(orders_of(world, "a1", Release)) == 2


@pytest.mark.parametrize("is_exclusive", [False, True])
def test_a_new_agent_beside_old_ones_leaves_what_others_hold(is_exclusive: bool) -> None:
    one = exclusive() if is_exclusive else front()
    world = started(THREE, one)
    world.restart_agent("b1")
    before = len(world.moves)
    world.run(5.0)
    assert world.holders(one) == ["a1"]
    assert len(world.moves) == before


def test_a_node_that_should_have_a_front_and_does_not_know_of_it_is_passed_by() -> None:
    world = FrontWorld(THREE, [front()])
    world.start("b1", "c1")
    world.fronts = ()
    world.start("a1")
    world.run(SETTLE_S + UNCLAIMED_S + 1.0)
    (holder,) = world.holders(front())
    assert holder != "a1"


def test_a_node_that_starts_late_does_not_take_what_another_holds() -> None:
    world = started(THREE, front(2, "b", None), front(1))
    world.kill("a1")
    world.run(3.0)
    world.start("a1")
    world.run(1.0)
    assert not orders_of(world, "a1", Acquire)


def test_a_new_agent_goes_on_with_what_the_old_one_held() -> None:
    world = started(THREE, front())
    world.restart_agent("a1")
    for _ in range(int(8 / STEP_S)):
        world.run(STEP_S)
        assert world.answers("a1", world.fronts[0])
    assert world.states(world.fronts[0])["a1"] is FrontState.HELD
    world.run(10.0)
    assert world.holders(world.fronts[0]) == ["a1"]


def test_what_a_backup_lacks_is_told_until_it_is_there() -> None:
    world = started(THREE, front())
    backup, name = world.nodes["b1"], world.fronts[0].name
    assert backup.core is not None
    backup.core.take(world.local_s(backup), Unready(name, "there is no interface eth7"))
    # The driver may say so before the front is let go as it was.
    backup.core.configure(world.local_s(backup), [front(weight=2)])
    world.run(1.0)
    (status,) = backup.core.statuses()
    assert (status.front.weight, status.state) == (2, FrontState.IDLE)
    assert status.problem == "there is no interface eth7"
    backup.core.take(world.local_s(backup), Unready(name, ""))
    (status,) = backup.core.statuses()
    assert status.problem == ""
