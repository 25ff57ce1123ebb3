"""What EC2 does to all of a node's fronts at the same time is waited for, with its reason, and is no failure of any."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from math import inf
from threading import Barrier, Event
from time import monotonic

import pytest
import trio
import trio.testing

from lbmesh.drivers.ec2 import driver as ec2_driver
from lbmesh.drivers.ec2 import line, pace
from lbmesh.drivers.ec2.api import Api
from lbmesh.drivers.ec2.caller import Caller
from lbmesh.drivers.ec2.choices import Choices
from lbmesh.drivers.ec2.driver import Ec2Fronts
from lbmesh.drivers.ec2.errors import Ec2Error
from lbmesh.drivers.ec2.limits import BURST, CHANGES_MAX, LOOKS_MAX, PLACES, READ_S, RESERVE
from lbmesh.drivers.ec2.metadata import Metadata
from lbmesh.drivers.ec2.resources import Mark, resource_of
from lbmesh.failover.orders import Answer, Done, Failed, Outdated, Release, Unfinished, Unready
from lbmesh.model.front import Front
from tests.support.ec2_cloud import Cloud, Fields, Reply, delayed, error, running_cloud, success
from tests.support.ec2_world import REGION, World
from tests.support.wait import PATIENCE_S

pytest.importorskip("boto3")
pytest.importorskip("moto")


@pytest.fixture(scope="module")
def moto() -> Iterator[Cloud]:
    with running_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with closing(Caller()) as caller:
        yield caller


@pytest.fixture(params=["eipalloc"])
def world(moto: Cloud, caller: Caller, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> World:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    moto.reset()
    return World(moto, caller, request.param)


all_kinds = pytest.mark.parametrize("world", ["eipalloc", "subnet", "subnet v6", "rtb"], indirect=True)


def take_all(world: World, fronts: Sequence[Front], by: Ec2Fronts) -> list[Answer]:
    """All at once, each ordered again until it is done or failed; what came of all orders."""
    outcomes: list[Answer] = []

    async def take(front: Front) -> None:
        outcome: Answer = Unfinished(front.name, 0, "")
        while isinstance(outcome, Unfinished):
            outcome = await by.acquire(world.order(7, front=front))
            outcomes.append(outcome)
            await trio.sleep(0.05)

    async def take_each() -> None:
        async with trio.open_nursery() as nursery:
            for front in fronts:
                nursery.start_soon(take, front)

    trio.run(take_each)
    return outcomes


def reasons(outcomes: Sequence[Answer]) -> set[str]:
    """What was said, with "…" for numbers."""
    said = {one.reason for one in outcomes if isinstance(one, Unfinished)}
    return {"".join("…" if each.isdecimal() else each for each in one) for one in said}


def test_all_fronts_of_a_dead_node_come_through_an_outage_and_none_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten at once; at first EC2 fails by itself, then it finds the rate too high, then it is slow."""
    monkeypatch.setattr(line, "WAIT_S", 0.1)
    monkeypatch.setattr(ec2_driver, "ACQUIRE_S", 1.0)
    monkeypatch.setattr(pace, "RATE_PER_S", 50.0)
    monkeypatch.setattr(pace, "PAUSE_S", 0.05)
    fronts = world.more_fronts(10)
    calls = count()

    def outage(_: Fields) -> Reply | None:
        number = next(calls)
        if number < 6:
            return error("ServiceUnavailable", 503)
        if number < 9:
            return error("RequestLimitExceeded", 503)
        if number < 24:
            time.sleep(0.2)
        return None

    world.cloud.faults["*"] = outage
    outcomes = take_all(world, fronts, world.a1)
    assert {type(one) for one in outcomes} == {Unfinished, Done}
    assert world.led_here() == {front.name for front in fronts}
    assert any("other fronts of this node are before it" in one for one in reasons(outcomes))


def test_fronts_come_one_after_the_other_and_not_all_of_them_late(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than a few are half done at any time."""
    monkeypatch.setattr(pace, "RATE_PER_S", 1000.0)
    half_done: set[str] = set()
    most = 0

    def note(fields: Fields) -> None:
        nonlocal most
        if fields["Action"] == "CreateTags":
            half_done.add(fields["ResourceId.1"])
            most = max(most, len(half_done))
        if fields["Action"] == "AssociateAddress":
            half_done.discard(fields["AllocationId"])

    world.cloud.faults["*"] = note
    fronts = world.more_fronts(PLACES + 5)
    take_all(world, fronts, world.a1)
    assert world.led_here() == {front.name for front in fronts}
    assert most <= PLACES


def test_fronts_that_move_at_the_same_time_get_private_addresses_of_their_own(world: World) -> None:
    """EC2 would take one away again: each is asked for before the other is done."""
    both, given = Barrier(2), set()

    def meet(fields: Fields) -> None:
        given.add(fields["PrivateIpAddress"])
        both.wait(PATIENCE_S)

    world.cloud.faults["AssociateAddress"] = meet
    outcomes = take_all(world, world.more_fronts(2), world.a1)
    assert {type(one) for one in outcomes} == {Done}
    assert len(given) == 2


def test_a_pause_that_ec2_asks_for_is_told_at_once(world: World) -> None:
    world.cloud.faults["*"] = lambda _: error("RequestLimitExceeded", 503)
    outcomes: list[Answer] = []

    async def check() -> None:
        with trio.fail_after(PATIENCE_S):
            while not outcomes or "asked again in" not in getattr(outcomes[-1], "reason", ""):
                outcomes.append(await world.a1.acquire(world.order(7)))

    trio.run(check)
    assert {type(one) for one in outcomes} == {Unfinished}
    assert reasons(outcomes) >= {"EC… said that this account calls too often: it is asked again in … s"}


def test_what_takes_long_goes_on_until_patience_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec2_driver, "ACQUIRE_S", 0.3)
    world.cloud.faults["DescribeAddresses"] = delayed(0.5)
    words = "EC2 is slow: it has not done all within 0.3 s, and is asked to go on"
    assert world.acquire(7) == Unfinished(world.front.name, 7, words)
    assert world.acquire(7) == Unfinished(world.front.name, 7, words)
    monkeypatch.setattr(ec2_driver, "ILL_S", 0.0)
    assert world.acquire(7) == Failed(world.front.name, 7, words)

    async def let_go() -> None:
        await world.a1.release(Release(world.front, 7, "its driver failed", 1, is_fenced=False))

    trio.run(let_go)
    monkeypatch.setattr(ec2_driver, "ILL_S", 0.05)
    assert world.acquire(8) == Unfinished(world.front.name, 8, words), "of another claim it is another matter"


def test_that_others_come_in_between_again_and_again_is_a_failure(world: World) -> None:
    world.cloud.faults["AssociateAddress"] = lambda _: error("Resource.AlreadyAssociated")
    outcomes = [world.acquire(7) for _ in range(CHANGES_MAX)]
    assert [type(one) for one in outcomes] == [Unfinished] * (CHANGES_MAX - 1) + [Failed]
    world.cloud.faults.clear()
    assert world.acquire(7) == Done(world.front.name, 7)
    world.acquire(8, by=world.b1)
    world.cloud.faults["AssociateAddress"] = lambda _: error("Resource.AlreadyAssociated")
    assert isinstance(world.acquire(9), Unfinished), "it is counted anew"


def test_a_call_that_hangs_is_given_up_when_the_votes_lapse(world: World) -> None:
    world.acquire(6)
    world.cloud.released.clear()
    answered: list[Fields] = []

    def hang(fields: Fields) -> None:
        world.cloud.released.wait(PATIENCE_S)
        answered.append(fields)

    world.cloud.faults["DescribeAddresses"] = hang
    words = "the votes for the front lapsed while EC2 was at work"
    assert world.acquire(7, until_s=monotonic() + 0.3) == Failed(world.front.name, 7, words)
    assert not answered
    world.cloud.released.set()


@all_kinds
def test_a_loop_that_stood_still_moves_nothing_after_the_votes_lapsed(world: World) -> None:
    """trio's clock stands still, as it seems to a task that went on before trio looked at the time."""
    world.acquire(6, by=world.b1)
    world.cloud.asked.clear()
    world.cloud.faults["*"] = delayed(0.3)
    outcomes: list[Answer] = []

    async def acquire() -> None:
        outcomes.append(await world.a1.acquire(world.order(7, monotonic() + 0.2)))

    trio.run(acquire, clock=trio.testing.MockClock(rate=0.0))
    words = "the votes for the front lapsed while EC2 was at work"
    assert outcomes == [Failed(world.front.name, 7, words)]
    assert not world.cloud.moved


@all_kinds
def test_each_call_that_moves_something_asks_for_the_right_to_it(world: World) -> None:
    world.acquire(6, by=world.b1)
    asked = 0

    def may() -> None:
        nonlocal asked
        asked += 1
        if asked > allowed:
            raise Ec2Error("no right")

    async def lead() -> None:
        ec2 = Api(world.caller, REGION, world.cloud.url, Metadata().region)
        resource = resource_of(world.front, ec2, Choices())
        seen = await resource.look()
        with pytest.raises(Ec2Error, match="no right"):
            await resource.lead(seen, world.own, may)

    calls = 1 if world.resource.startswith("rtb") else 2
    for allowed in range(calls):
        asked = 0
        world.cloud.asked.clear()
        trio.run(lead)
        assert len(world.cloud.moved) == allowed


def test_a_newer_claim_that_comes_before_the_last_look_is_told(world: World) -> None:
    """Another node claims it between the move and the look that follows."""

    def meanwhile(_: Fields) -> None:
        if "AssociateAddress" in world.cloud.asked:
            world.cloud.faults.clear()
            assert world.acquire(9, by=world.b1) == Done(world.front.name, 9)

    world.cloud.faults["DescribeAddresses"] = meanwhile
    assert world.acquire(7) == Outdated(world.front.name, 7, 9, "lb-b1")
    assert Mark(9, "lb-b1").outdates(Mark(7, "lb-a1"))
    assert world.holder() == world.other


def test_looks_leave_room_for_orders(world: World) -> None:
    """However many fronts are looked at, and however long EC2 takes for that, few wait for an answer."""
    fronts = world.more_fronts(20)
    world.cloud.released.clear()
    looked_at: list[str] = []
    began_s = monotonic()

    def hang(fields: Fields) -> None:
        if (allocation := fields["AllocationId.1"]) != world.resource:
            looked_at.append(allocation)
            world.cloud.released.wait(PATIENCE_S)

    world.cloud.faults["DescribeAddresses"] = hang

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            for front in fronts:
                nursery.start_soon(world.a1.watch, front, lambda _: None)
            with trio.fail_after(PATIENCE_S):
                while len(looked_at) < LOOKS_MAX:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            assert await world.a1.acquire(world.order(7, inf)) == Done(world.front.name, 7)
            rounds = 1 + int((monotonic() - began_s) / READ_S)
            assert len(looked_at) <= rounds * LOOKS_MAX
            world.cloud.released.set()
            nursery.cancel_scope.cancel()

    trio.run(check)


def test_an_order_does_not_wait_for_a_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec2_driver, "LOOK_S", 0.01)
    world.cloud.released.clear()
    calls = count()
    looks = trio.Event()
    told: list[object] = []

    async def check() -> None:
        token = trio.lowlevel.current_trio_token()

        def hang(_: Fields) -> None:
            if not next(calls):
                token.run_sync_soon(looks.set)
                world.cloud.released.wait(PATIENCE_S)

        async with trio.open_nursery() as nursery:
            assert await world.a1.acquire(world.order(7)) == Done(world.front.name, 7)
            world.cloud.faults["DescribeAddresses"] = hang
            nursery.start_soon(world.a1.watch, world.front, told.append)
            with trio.fail_after(PATIENCE_S):
                await looks.wait()
            assert await world.a1.acquire(world.order(8)) == Done(world.front.name, 8)
            assert not told, "a look that was waited for would have failed"
            world.cloud.released.set()
            nursery.cancel_scope.cancel()

    trio.run(check)


def test_only_those_that_wait_are_before_who_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has got it, has let it go, or has failed is out of the line."""
    monkeypatch.setattr(line, "WAIT_S", 0.1)
    monkeypatch.setattr(pace, "RATE_PER_S", 1000.0)
    fronts = world.more_fronts(PLACES + 4)
    done, failed, let_go, last = fronts[PLACES:]
    assert {type(one) for one in take_all(world, [done], world.a1)} == {Done}
    world.cloud.faults["DescribeAddresses"] = lambda _: error("UnauthorizedOperation", 403)
    assert {type(one) for one in take_all(world, [failed], world.a1)} == {Failed}
    world.cloud.faults["DescribeAddresses"] = lambda _: error("InternalError", 500)
    world.cloud.released.clear()

    def hang(_: Fields) -> None:
        world.cloud.released.wait(5)

    async def check() -> None:
        assert isinstance(await world.a1.acquire(world.order(7, front=let_go)), Unfinished)
        await world.a1.release(Release(let_go, 7, "why", 1, is_fenced=False))
        world.cloud.faults["DescribeAddresses"] = hang
        async with trio.open_nursery() as nursery:
            for front in fronts[:PLACES]:
                nursery.start_soon(world.a1.acquire, world.order(7, front=front))
            await trio.testing.wait_all_tasks_blocked()
            outcome = await world.a1.acquire(world.order(7, front=last))
            assert isinstance(outcome, Unfinished)
            assert outcome.reason.startswith(f"{PLACES} other fronts of this node are before it")
            world.cloud.released.set()

    trio.run(check)


def test_a_tag_that_was_not_written_is_missed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec2_driver, "VERIFY_S", 0.3)
    world.cloud.faults["CreateTags"] = lambda fields: success(fields["Action"])
    words = "EC2 said that it was done, but its tag says nothing, not 7 lb-a1"
    assert world.acquire(7) == Unfinished(world.front.name, 7, words)


def test_a_region_that_boto3_does_not_find_is_asked_of_the_instance_metadata(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    with closing(Caller()) as caller:
        ec2 = Api(caller, None, world.cloud.url, Metadata().region)

        async def ask() -> None:
            with pytest.raises(Ec2Error, match=r"the instance metadata do not tell the region .*options\.region"):
                await ec2.call("describe_addresses")
            with pytest.raises(Ec2Error, match="the instance metadata"):
                await ec2.call("describe_addresses")

        trio.run(ask)
    assert not world.cloud.asked


def test_looks_leave_calls_for_orders(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a rate that is used up for long."""
    monkeypatch.setattr(pace, "RATE_PER_S", 0.001)
    fronts = world.more_fronts(20)

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            for front in fronts:
                nursery.start_soon(world.a1.watch, front, lambda _: None)
            with trio.fail_after(PATIENCE_S):
                while world.cloud.asked.count("DescribeAddresses") < BURST - RESERVE:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            await trio.sleep(0.2)
            assert await world.a1.acquire(world.order(7)) == Done(world.front.name, 7)
            nursery.cancel_scope.cancel()

    world.cloud.asked.clear()
    trio.run(check)


def test_nothing_is_taken_away_without_a_call_left_to_give_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.acquire(6, by=world.b1)
    monkeypatch.setattr(pace, "RATE_PER_S", 0.001)
    monkeypatch.setattr(pace, "BURST", 4)
    world.cloud.asked.clear()
    assert isinstance(world.acquire(7), Unfinished)
    assert world.cloud.moved == ["CreateTags"]
    assert world.holder() == world.other


def test_what_was_taken_away_is_given_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often EC2 refuses others meanwhile."""
    monkeypatch.setattr(pace, "PAUSE_S", 100.0)
    monkeypatch.setattr(pace, "PAUSE_MAX_S", 100.0)
    world.acquire(6, by=world.b1)
    world.cloud.asked.clear()
    (other,) = world.more_fronts(1)
    taken, refused = Event(), Event()

    def take(_: Fields) -> None:
        taken.set()
        refused.wait(PATIENCE_S)

    world.cloud.faults["DisassociateAddress"] = take

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.a1.acquire, world.order(7))
            await trio.to_thread.run_sync(taken.wait)
            world.cloud.faults["DescribeAddresses"] = lambda _: error("RequestLimitExceeded", 503)
            assert isinstance(await world.a1.acquire(world.order(7, front=other)), Unfinished)
            refused.set()

    trio.run(check)
    assert world.cloud.moved == ["CreateTags", "DisassociateAddress", "AssociateAddress"]
    assert world.holder() == world.own


def test_a_backup_tells_what_is_missing_until_it_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec2_driver, "LOOK_S", 0.01)
    told: list[object] = []
    world.cloud.faults["DescribeAddresses"] = lambda _: error("UnauthorizedOperation", 403)

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.b1.watch, world.front, told.append)
            with trio.fail_after(PATIENCE_S):
                while len(told) < 2:
                    if told:
                        world.cloud.faults.clear()
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    trio.run(check)
    right = "no right to call DescribeAddresses: allow ec2:DescribeAddresses to the node's role (docs/FRONTS-CLOUD.md)"
    name = world.front.name
    assert told == [Unready(name, f"it could not be led here as things are: {right}"), Unready(name, "")]


def looked_at(world: World, monkeypatch: pytest.MonkeyPatch, look: Callable[[Fields], Reply | None]) -> list[object]:
    """What is told of a front that is held, and let go after three looks were answered so."""
    monkeypatch.setattr(ec2_driver, "LOOK_S", 0.01)
    told: list[object] = []

    async def check() -> None:
        assert await world.a1.acquire(world.order(7)) == Done(world.front.name, 7)
        world.cloud.asked.clear()
        world.cloud.faults["DescribeAddresses"] = look
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.a1.watch, world.front, told.append)
            with trio.fail_after(PATIENCE_S):
                while len(world.cloud.asked) < 3:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            await world.a1.release(Release(world.front, 7, "why", 1, is_fenced=False))
            world.cloud.released.set()
            await trio.sleep(0.3)
            nursery.cancel_scope.cancel()

    world.cloud.released.clear()
    trio.run(check)
    return told


def test_a_look_that_fails_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told = looked_at(world, monkeypatch, lambda _: error("UnauthorizedOperation", 403))
    assert {type(one) for one in told} == {Unready}


def test_what_was_let_go_while_it_was_looked_at_is_not_told_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = f"<allocationId>{world.resource}</allocationId><publicIp>{world.front.name}</publicIp>"
    looks = count()

    def third_says_otherwise(_: Fields) -> Reply | None:
        if next(looks) < 2:
            return None
        world.cloud.released.wait(5)
        return success("DescribeAddresses", f"<addressesSet><item>{nobody}</item></addressesSet>")

    assert looked_at(world, monkeypatch, third_says_otherwise) == []
