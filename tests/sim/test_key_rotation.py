"""The key ring while a mesh lives: rotations under loss, with members that join, leave, restart and stay away."""

import random
from collections.abc import Callable
from functools import partial

import pytest

from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import KeyRing, key_id
from lbmesh.gossip.key_orders import KeyOrders
from lbmesh.model.member import MemberState
from tests.sim import tables
from tests.sim.keyed_world import KEY, KeyedWorld

SEEDS = pytest.mark.parametrize("seed", range(2))
OLD = key_id(KEY).hex()
NINE = {"a": 3, "b": 3, "c": 3}


def fresh_key(seed: int, number: int = 0) -> tuple[str, bytes]:
    key = random.Random(f"key/{seed}/{number}").randbytes(32)
    return key_id(key).hex(), key


def gossips(world: KeyedWorld) -> list[Gossip]:
    return [world.gossip(name) for name in world.running()]


def all_hold(world: KeyedWorld, key: str) -> bool:
    """Every running node says so in every other's eyes, too."""
    return all(
        key in one.held for gossip in gossips(world) for one in gossip.ring().members if one.name in world.running()
    )


def all_use(world: KeyedWorld, key: str) -> bool:
    return all(gossip.ring().primary == key for gossip in gossips(world))


def none_holds(world: KeyedWorld, key: str) -> bool:
    """No running node does, nor says another that one does."""
    told = (one for gossip in gossips(world) for one in gossip.ring().members if one.name in world.running())
    return all(key not in one.held for one in told) and all(
        key not in {each.hex() for each in gossip.keys_held()} for gossip in gossips(world)
    )


def until(world: KeyedWorld, order: Callable[[], bool]) -> None:
    """An operator who tries again until it is taken."""
    world.run_until(order, within_s=120.0, step_s=0.5)


def stored(world: KeyedWorld, name: str) -> list[bytes]:
    return list(world.key_files[name])


def refused_keys(world: KeyedWorld) -> list[tuple[float, str, str, str]]:
    return [one for one in world.refused if one[3] in ("unknown_key", "forged")]


@SEEDS
def test_a_rotation_under_loss_while_members_come_and_go_refuses_no_datagram(seed: int) -> None:
    world = KeyedWorld(seed, {"a": 3, "b": 3, "c": 4})
    late = "c4"
    world.start(*[name for name in world.nodes if name != late])
    world.run(5.0)
    world.loss = 0.3
    world.run(2.0)
    new, key = fresh_key(seed)
    assert world.order("a1", lambda orders: orders.install(key)).done
    world.run(0.3)
    world.start(late)
    world.crash("b2")
    world.run(0.5)
    world.start("b2")
    world.leave("c3")
    world.run_until(lambda: all_hold(world, new), within_s=60.0)
    world.crash("b3")
    until(world, lambda: world.order("a1", lambda orders: orders.use(new)).done)
    world.start("b3")
    world.run_until(lambda: all_use(world, new), within_s=60.0)
    until(world, lambda: world.order("a1", lambda orders: orders.remove(OLD, force=False)).done)
    world.run(0.2)
    world.crash("a2")
    world.start("a2")
    world.run_until(lambda: none_holds(world, OLD), within_s=60.0)
    world.loss = 0.0
    world.run_until(lambda: world.all_see(world.running(), MemberState.ALIVE), within_s=30.0)
    world.run(5.0)
    assert refused_keys(world) == []
    assert {world.key_files[name] for name in world.running()} == {(key,)}


def started(seed: int, zones: dict[str, int] | None = None) -> KeyedWorld:
    world = KeyedWorld(seed, zones or NINE)
    world.start_all()
    world.run(2.0)
    return world


def rotate_to(world: KeyedWorld, at: str, new: str, key: bytes) -> None:
    """What an operator does, up to the removal of the old key."""
    assert world.order(at, lambda orders: orders.install(key)).done
    world.run_until(lambda: all_hold(world, new), within_s=10.0)
    assert world.order(at, lambda orders: orders.use(new)).done
    world.run_until(lambda: all_use(world, new), within_s=10.0)


@SEEDS
def test_of_two_rotations_at_once_all_choose_the_same_and_none_goes_back(seed: int) -> None:
    world = started(seed)
    keys = dict(fresh_key(seed, number) for number in range(2))
    for at, key in zip(("a1", "c3"), keys.values(), strict=True):
        assert world.order(at, partial(KeyOrders.install, key=key)).done
    world.run_until(lambda: all(all_hold(world, one) for one in keys), within_s=10.0)
    for at, identifier in zip(("a1", "c3"), keys, strict=True):
        assert world.order(at, partial(KeyOrders.use, identifier=identifier)).done
    seen: dict[str, list[str]] = {name: [OLD] for name in world.nodes}
    for _ in range(500):
        world.run(0.01)
        for name in world.nodes:
            if (primary := world.gossip(name).ring().primary) != seen[name][-1]:
                seen[name].append(primary)
    last = {primaries[-1] for primaries in seen.values()}
    assert len(last) == 1
    assert last <= keys.keys()
    assert all(len(set(primaries)) == len(primaries) for primaries in seen.values()), seen
    assert refused_keys(world) == []


@SEEDS
def test_a_key_is_not_used_while_a_live_member_lacks_it_nor_removed_while_one_uses_it(seed: int) -> None:
    world = started(seed)
    new, key = fresh_key(seed)
    world.order("a1", lambda orders: orders.install(key))
    world.run(0.03)
    early = world.order("a1", lambda orders: orders.use(new))
    assert not early.done
    assert len(early.members) >= 5
    world.run_until(lambda: all_hold(world, new), within_s=10.0)
    world.order("a1", lambda orders: orders.use(new))
    world.run(0.001)
    soon = world.order("b1", lambda orders: orders.remove(OLD, force=True))
    assert not soon.done
    assert set(soon.members) >= {"b1"}
    world.run_until(lambda: all_use(world, new), within_s=10.0)
    in_use = world.order("b1", lambda orders: orders.remove(new, force=True))
    assert not in_use.done
    world.run_until(lambda: world.order("b1", lambda orders: orders.remove(OLD, force=False)).done, within_s=5.0)
    world.run_until(lambda: none_holds(world, OLD), within_s=15.0)
    assert not world.order("c1", lambda orders: orders.remove(OLD, force=True)).done
    assert refused_keys(world) == []


@SEEDS
def test_members_that_would_come_back_with_the_old_key_alone_must_be_forced_out(seed: int) -> None:
    world = started(seed)
    world.read_only.add("b2")
    world.crash("c3")
    world.run_until(lambda: world.all_see(["c3"], MemberState.DOWN), within_s=5.0)
    new, key = fresh_key(seed)
    rotate_to(world, "a1", new, key)
    world.run(1.0)
    said = world.order("a1", lambda orders: orders.remove(OLD, force=False))
    assert (said.done, said.members) == (False, ("b2", "c3"))
    world.start("c3")
    world.run_until(lambda: all_use(world, new), within_s=10.0)
    world.run(2.0)
    said = world.order("a1", lambda orders: orders.remove(OLD, force=False))
    assert (said.done, said.members) == (False, ("b2",))
    assert world.order("a1", lambda orders: orders.remove(OLD, force=True)).done
    world.run_until(lambda: none_holds(world, OLD), within_s=15.0)
    assert refused_keys(world) == []
    world.crash("b2")
    world.start("b2")
    world.run(10.0)
    assert {sender for _, sender, _, reason in world.refused if reason == "unknown_key"} > {"b2"}


@SEEDS
def test_who_was_cut_off_during_a_rotation_follows_when_the_cut_heals(seed: int) -> None:
    world = started(seed)
    world.is_cut = lambda source, target: (source.zone == "c") != (target.zone == "c")
    world.run(10.0)
    new, key = fresh_key(seed)
    assert world.order("a1", lambda orders: orders.install(key)).done
    near = [name for name in world.nodes if not name.startswith("c")]
    world.run_until(lambda: all(new in gossip.ring().keys for gossip in gossips(world)[:6]), within_s=10.0)
    until(world, lambda: world.order("a1", lambda orders: orders.use(new)).done)
    world.run(5.0)
    assert {world.key_files[name] for name in near} == {(key, KEY)}
    world.is_cut = lambda _source, _target: False
    world.run_until(lambda: all_use(world, new), within_s=20.0)
    assert refused_keys(world) == []


@SEEDS
def test_a_recorded_rotation_changes_nothing_when_it_is_replayed(seed: int) -> None:
    world = started(seed, {"a": 1, "b": 1, "c": 1})
    world.records = True
    new, key = fresh_key(seed)
    rotate_to(world, "a1", new, key)
    newer, newer_key = fresh_key(seed, 1)
    rotate_to(world, "b1", newer, newer_key)
    recording = list(world.sent)
    world.crash("c1")
    world.start("c1")
    world.run_until(lambda: all_use(world, newer), within_s=10.0)
    until(world, lambda: world.order("a1", lambda orders: orders.remove(new, force=True)).done)
    world.run(20.0)
    rings = [gossip.ring() for gossip in gossips(world)]
    for sender, address, datagram in recording:
        assert world.gossip(world.name_of(address)).receive(world.now, sender.address, datagram).rejected
    world.run(5.0)
    assert [gossip.ring() for gossip in gossips(world)] == rings


@SEEDS
def test_a_node_that_slept_through_a_removal_tries_each_of_its_keys(seed: int) -> None:
    world = started(seed)
    new, key = fresh_key(seed)
    assert world.order("a1", lambda orders: orders.install(key)).done
    world.run_until(lambda: all_hold(world, new), within_s=10.0)
    world.crash("c2")
    world.run_until(lambda: world.all_see(["c2"], MemberState.DOWN), within_s=5.0)
    assert stored(world, "c2") == [KEY, key]
    assert world.order("a1", lambda orders: orders.use(new)).done
    until(world, lambda: world.order("a1", lambda orders: orders.remove(OLD, force=False)).done)
    world.run(20.0)
    others = [name for name in world.nodes if name != "c2"]
    world.crash(*others)
    world.start(*others)
    world.run(10.0)
    world.start("c2")  # Nobody knows it any more, so it is its own business to be heard.
    world.run_until(world.all_alive, within_s=10.0)
    world.run(2.0)
    assert stored(world, "c2") == [KEY, key], "nobody remembers the orders"
    assert not world.order("a1", lambda orders: orders.remove(OLD, force=True)).done
    assert world.order("a1", lambda orders: orders.use(new)).done
    until(world, lambda: world.order("a1", lambda orders: orders.remove(OLD, force=True)).done)
    world.run_until(lambda: none_holds(world, OLD), within_s=20.0)
    assert stored(world, "c2") == [key]


@SEEDS
def test_a_changed_key_file_is_followed(seed: int) -> None:
    world = started(seed, {"a": 1, "b": 1, "c": 1})
    new, key = fresh_key(seed)
    gossip = world.gossip("a1")
    assert gossip.key_orders.follow_file(KeyRing((key, KEY))) == ()
    world.run_until(lambda: all_use(world, new), within_s=10.0)
    world.run(1.0)
    assert gossip.key_orders.follow_file(KeyRing((key,))) == ()
    world.run(10.0)
    assert stored(world, "a1") == [key]
    assert OLD in gossip.ring().keys, "the others hold it still"
    (refusal,) = gossip.key_orders.follow_file(KeyRing((KEY,)))
    assert "it is primary until all hold" in refusal
    world.run_until(lambda: all_use(world, OLD), within_s=10.0)
    world.run(1.0)
    assert stored(world, "a1") == [KEY, key]
    assert refused_keys(world) == []


@SEEDS
def test_datagrams_that_are_late_still_open_when_their_key_is_removed(seed: int) -> None:
    world = started(seed)
    world.jitter_s = 0.8
    new, key = fresh_key(seed)
    assert world.order("a1", lambda orders: orders.install(key)).done
    world.run_until(lambda: world.order("a1", lambda orders: orders.use(new)).done, within_s=20.0)
    world.run_until(lambda: world.order("a1", lambda orders: orders.remove(OLD, force=True)).done, within_s=20.0)
    world.run_until(lambda: none_holds(world, OLD), within_s=30.0)
    assert refused_keys(world) == []


def test_a_life_of_rotations_outgrows_no_table() -> None:
    world = started(1, {"a": 1, "b": 1, "c": 1})
    old = OLD
    for number in range(12):
        new, key = fresh_key(1, number)
        rotate_to(world, "a1", new, key)
        retire(world, "b1", old)
        old = new
        for gossip in gossips(world):
            sizes = tables.sizes(gossip, len(world.nodes))
            assert not [(table, size, bound) for table, size, bound in sizes if size > bound]


def retire(world: KeyedWorld, at: str, old: str) -> None:
    """The rest of it: the removal of the old key."""
    until(world, lambda: world.order(at, lambda orders: orders.remove(old, force=False)).done)
    world.run_until(lambda: none_holds(world, old), within_s=15.0)
