"""Fronts that EC2 moves: the driver against moto's server, and between them a proxy with all faults of a cloud."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from time import monotonic

import pytest
import trio

from lbmesh.drivers.ec2 import driver as ec2_driver
from lbmesh.drivers.ec2.caller import Caller
from lbmesh.drivers.ec2.driver import Ec2Fronts
from lbmesh.failover.orders import Answer, Done, Drifted, Failed, Outdated, Release, Renew, Told, Unfinished
from lbmesh.model.address import Address
from lbmesh.model.front import Front
from tests.support.ec2_cloud import Cloud, Reply, delayed, error, running_cloud, success
from tests.support.ec2_world import World
from tests.support.wait import PATIENCE_S

pytest.importorskip("boto3")
pytest.importorskip("moto")


@pytest.fixture(scope="module")
def moto() -> Iterator[Cloud]:
    with running_cloud() as cloud:
        yield cloud


@pytest.fixture
def cloud(moto: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    moto.reset()
    return moto


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    """The process that calls EC2: one for all, as it takes a while to start."""
    with closing(Caller()) as caller:
        yield caller


@pytest.fixture(params=["eipalloc", "subnet", "subnet v6", "rtb"])
def world(cloud: Cloud, caller: Caller, request: pytest.FixtureRequest) -> World:
    return World(cloud, caller, request.param)


@pytest.fixture
def elastic(cloud: Cloud, caller: Caller) -> World:
    return World(cloud, caller, "eipalloc")


def test_it_is_led_here_signed_and_led_away_by_a_newer_claim_only(world: World) -> None:
    assert world.acquire(7) == Done(world.front.name, 7)
    assert (world.holder(), world.tag()) == (world.own, "7 lb-a1")
    assert world.acquire(8, by=world.b1) == Done(world.front.name, 8)
    assert (world.holder(), world.tag()) == (world.other, "8 lb-b1")
    world.cloud.asked.clear()
    assert world.acquire(7) == Outdated(world.front.name, 7, 8, "lb-b1")
    assert world.acquire(8) == Outdated(world.front.name, 8, 8, "lb-b1"), "of two with one epoch, the first"
    assert not world.cloud.moved
    assert world.holder() == world.other
    assert world.acquire(9) == Done(world.front.name, 9)
    assert (world.holder(), world.tag()) == (world.own, "9 lb-a1")


def test_what_is_done_is_not_done_again(world: World) -> None:
    world.acquire(7)
    world.cloud.asked.clear()
    assert world.acquire(7) == Done(world.front.name, 7)
    assert not world.cloud.moved
    assert world.acquire(8) == Done(world.front.name, 8)
    assert world.cloud.moved == ["CreateTags"], "an agent that starts anew claims anew, and nothing moves"


def test_what_was_left_half_done_is_finished(world: World) -> None:
    world.acquire(6, by=world.b1)
    for action in ("AssociateAddress", "AssignPrivateIpAddresses", "AssignIpv6Addresses", "ReplaceRoute"):
        world.cloud.faults[action] = lambda _: error("InternalError", 500)
    assert isinstance(world.acquire(7), Unfinished)
    assert world.tag() == "7 lb-a1", "signed before it is moved"
    world.cloud.reset()
    assert world.acquire(7) == Done(world.front.name, 7)
    assert "CreateTags" not in world.cloud.moved
    assert world.holder() == world.own


def test_a_release_leaves_it_led_here_for_the_next_to_take(world: World) -> None:
    world.acquire(7)
    world.cloud.faults["*"] = lambda _: Reply(0)

    async def release() -> None:
        order = Release(world.front, 7, "fenced", 1, is_fenced=True)
        assert await world.a1.release(order) == Done(world.front.name, 1)

    trio.run(release)
    assert world.holder() == world.own


def test_a_late_call_of_an_older_claim_is_refused_by_ec2(elastic: World) -> None:
    """The proxy holds the older claim's last call back until a newer claim has the address."""

    def meanwhile(fields: dict[str, str]) -> None:
        if fields["NetworkInterfaceId"] == elastic.own:
            assert elastic.acquire(8, by=elastic.b1) == Done(elastic.front.name, 8)

    elastic.cloud.faults["AssociateAddress"] = meanwhile
    outcome = elastic.acquire(7)
    assert isinstance(outcome, Unfinished)
    assert "AlreadyAssociated" in outcome.reason
    assert (elastic.holder(), elastic.tag()) == (elastic.other, "8 lb-b1")
    assert elastic.acquire(7) == Outdated(elastic.front.name, 7, 8, "lb-b1")


def test_a_disassociation_that_comes_late_takes_nothing_from_the_next_holder(elastic: World) -> None:
    elastic.acquire(6)

    def meanwhile(_: dict[str, str]) -> None:
        elastic.cloud.faults.clear()
        assert elastic.acquire(8, by=elastic.b1) == Done(elastic.front.name, 8)

    elastic.cloud.faults["DisassociateAddress"] = meanwhile
    outcome = elastic.acquire(7, by=elastic.c1)
    assert isinstance(outcome, Unfinished)
    assert "InvalidAssociationID.NotFound" in outcome.reason
    assert (elastic.holder(), elastic.tag()) == (elastic.other, "8 lb-b1")


def test_nothing_is_moved_once_the_votes_have_lapsed(world: World) -> None:
    words = "the votes for the front lapsed while EC2 was at work"
    assert world.acquire(7, until_s=monotonic()) == Failed(world.front.name, 7, words)
    world.cloud.faults["CreateTags"] = delayed(0.6)
    assert world.acquire(7, until_s=monotonic() + 0.5) == Failed(world.front.name, 7, words)
    assert set(world.cloud.moved) <= {"CreateTags"}
    assert not world.holder()


def test_a_slow_cloud_has_the_time_that_is_renewed(elastic: World) -> None:
    elastic.cloud.faults["CreateTags"] = delayed(1.0)
    outcomes: list[Answer] = []

    async def acquire() -> None:
        outcomes.append(await elastic.a1.acquire(elastic.order(7, monotonic() + 0.8)))

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire)
            with trio.fail_after(PATIENCE_S):
                while "CreateTags" not in elastic.cloud.asked:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            elastic.a1.renew(Renew(elastic.front, 7, monotonic() + PATIENCE_S))

    trio.run(check)
    assert outcomes == [Done(elastic.front.name, 7)]


def test_a_cloud_that_lies_is_not_believed(elastic: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec2_driver, "VERIFY_S", 0.6)
    elastic.acquire(6, by=elastic.b1)
    inner = "<return>true</return><associationId>eipassoc-0123456789abcdef0</associationId>"
    for action in ("DisassociateAddress", "AssociateAddress"):
        elastic.cloud.faults[action] = lambda fields: success(fields["Action"], inner)
    where = f"EC2 said that it was done, but it is led to {elastic.other}, not to {elastic.own}"
    assert elastic.acquire(7) == Unfinished(elastic.front.name, 7, where)


def test_what_shows_late_is_waited_for(elastic: World) -> None:
    elastic.acquire(6, by=elastic.b1)
    looks: list[Reply] = []

    def old_news(_: dict[str, str]) -> Reply | None:
        if len(looks) < 3 and "AssociateAddress" in elastic.cloud.asked:
            looks.append(stale[0])
            return looks[-1]
        return None

    stale = [success("DescribeAddresses", f"<addressesSet><item><allocationId>{elastic.resource}</allocationId>"
             f"<publicIp>{elastic.front.name}</publicIp></item></addressesSet>")]  # fmt: skip
    elastic.cloud.asked.clear()
    elastic.cloud.faults["DescribeAddresses"] = old_news
    assert elastic.acquire(7) == Done(elastic.front.name, 7)
    assert len(looks) == 3


FAULTS: list[tuple[Callable[[dict[str, str]], Reply | None], str]] = [
    (lambda _: error("RequestLimitExceeded", 503), "EC2 is called too often by this account (RequestLimitExceeded)"),
    (lambda _: error("UnauthorizedOperation", 403), "no right to call DescribeAddresses: allow ec2:DescribeAddresses"),
    (lambda _: error("ExpiredToken"), "EC2 does not accept the credentials (ExpiredToken): renew them"),
    (lambda _: error("RequestExpired"), "EC2 takes the request for an old one (RequestExpired): set the clock"),
    (lambda _: error("InternalError", 500), "EC2 itself has failed, at DescribeAddresses: said so (InternalError)"),
    (lambda _: error("InvalidAllocationID.NotFound"), "EC2 has no such elastic address: correct options.resource"),
    (lambda _: Reply(0), "EC2 cannot be reached: "),
    (lambda _: Reply(200, b"<html>welcome to the hotel"), "what EC2 answered is no answer: "),
    (lambda _: success("DescribeAddresses", "<addressesSet/>"), "EC2 told of 0 when it was asked about "),
    (lambda _: success("DescribeAddresses", ""), "EC2 told of 0 when it was asked about "),
    (lambda _: Reply(502, b""), "EC2 itself has failed, at DescribeAddresses: "),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS)
def test_each_fault_has_its_words(elastic: World, fault: Callable[[dict[str, str]], Reply | None], words: str) -> None:
    elastic.cloud.faults["*"] = fault
    outcome = elastic.acquire(7)
    is_of_all = any(one in words for one in ("too often", "EC2 itself", "told of 0"))
    assert isinstance(outcome, Unfinished if is_of_all else Failed), outcome
    assert outcome.reason.startswith(words)
    assert not elastic.cloud.moved


def test_a_cloud_that_hangs_costs_a_deadline_and_no_other_task(elastic: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lbmesh.drivers.ec2.api.CALL_S", 0.5)
    elastic.acquire(6)
    elastic.cloud.faults["DescribeAddresses"] = elastic.cloud.hang
    rounds = 0

    async def check() -> None:
        nonlocal rounds
        async with trio.open_nursery() as nursery:
            nursery.start_soon(acquire, nursery.cancel_scope)
            while True:
                await trio.sleep(0.01)
                rounds += 1

    async def acquire(done: trio.CancelScope) -> None:
        outcome = await elastic.a1.acquire(elastic.order(7))
        assert outcome == Failed(elastic.front.name, 7, "EC2 has not answered for 0.5 s")
        done.cancel()

    trio.run(check)
    assert rounds > 5


def test_missing_credentials_are_named(elastic: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    words = "there are no credentials for EC2: give the instance a role (docs/FRONTS-CLOUD.md)"
    with closing(Caller()) as caller:
        assert elastic.acquire(7, by=Ec2Fronts("lb-a1", caller)) == Failed(elastic.front.name, 7, words)


def test_what_the_front_says_must_be_what_ec2_says(elastic: World) -> None:
    real = elastic.front.name
    elastic.front = Front(Address("198.51.100.7", 80), "zone-a", driver=elastic.options)
    outcome = elastic.acquire(7)
    words = f"{elastic.resource} is {real}, not 198.51.100.7: correct options.resource"
    assert outcome == Failed("198.51.100.7", 7, words)


def test_a_route_needs_an_interface_that_takes_what_is_not_its_own(cloud: Cloud, caller: Caller) -> None:
    world = World(cloud, caller, "rtb")
    world.ec2.modify_network_interface_attribute(NetworkInterfaceId=world.own, SourceDestCheck={"Value": True})
    outcome = world.acquire(7)
    assert isinstance(outcome, Failed)
    assert "--no-source-dest-check" in outcome.reason


def test_a_private_address_needs_an_interface_of_its_subnet(cloud: Cloud, caller: Caller) -> None:
    world = World(cloud, caller, "subnet")
    elsewhere = World(cloud, caller, "subnet")
    world.front = replace(world.front, driver=replace(world.options, interfaces=(("lb-a1", elsewhere.own),)))
    words = f"{elsewhere.own} is in {elsewhere.subnet}, not in {world.subnet}: write one of that in options.interfaces"
    assert world.acquire(7) == Failed(world.front.name, 7, words)


def test_a_first_address_cannot_move(cloud: Cloud, caller: Caller) -> None:
    world = World(cloud, caller, "subnet")
    world.front = replace(world.front, address=Address("127.0.1.20", 80))
    words = f"127.0.1.20 is the first address of {world.other}, which cannot move: use another"
    assert world.acquire(7) == Failed("127.0.1.20", 7, words)


def test_a_private_address_is_given_only_if_no_other_has_it(cloud: Cloud, caller: Caller) -> None:
    world = World(cloud, caller, "subnet")
    asked: list[dict[str, str]] = []
    cloud.faults["AssignPrivateIpAddresses"] = asked.append
    assert world.acquire(7) == Done(world.front.name, 7)
    assert [one["AllowReassignment"] for one in asked] == ["false"]


def listed(own: str, *addresses: str) -> Reply:
    """An interface as EC2 shows it, with these private addresses."""
    items = "".join(f"<item>{one}</item>" for one in addresses)
    inner = f"<networkInterfaceId>{own}</networkInterfaceId><privateIpAddressesSet>{items}</privateIpAddressesSet>"
    return success("DescribeNetworkInterfaces", f"<networkInterfaceSet><item>{inner}</item></networkInterfaceSet>")


PRIMARY = "<privateIpAddress>127.0.1.10</privateIpAddress><primary>true</primary>"
SECONDARY = "<privateIpAddress>127.0.1.11</privateIpAddress><primary>false</primary>"
LED = "<association><allocationId>eipalloc-00000001</allocationId></association>"


def test_an_elastic_address_that_is_led_here_already_is_left_alone(elastic: World) -> None:
    elastic.cloud.faults["DescribeNetworkInterfaces"] = lambda _: listed(elastic.own, PRIMARY + LED, SECONDARY + LED)
    outcome = elastic.acquire(7)
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith(f"all private addresses of {elastic.own} have elastic ones: aws ec2 assign-")
    assert elastic.cloud.moved == ["CreateTags"]


def test_the_first_private_address_is_taken_last(elastic: World) -> None:
    asked: list[str] = []
    elastic.cloud.faults["AssociateAddress"] = lambda fields: asked.append(fields["PrivateIpAddress"])
    elastic.cloud.faults["DescribeNetworkInterfaces"] = lambda _: listed(elastic.own, PRIMARY, SECONDARY)
    assert elastic.acquire(7) == Done(elastic.front.name, 7)
    elastic.cloud.faults["DescribeNetworkInterfaces"] = lambda _: listed(elastic.own, PRIMARY, SECONDARY + LED)
    elastic.acquire(8, by=elastic.b1)
    asked.clear()
    assert elastic.acquire(9) == Done(elastic.front.name, 9)
    assert asked == ["127.0.1.10"]


def test_the_machine_must_have_the_private_address(elastic: World) -> None:
    absent = "<privateIpAddress>203.0.113.5</privateIpAddress><primary>false</primary>"
    elastic.cloud.faults["DescribeNetworkInterfaces"] = lambda _: listed(elastic.own, absent)
    outcome = elastic.acquire(7)
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith(f"this machine has not 203.0.113.5, a private address of {elastic.own}: add it")


def watched(world: World, change: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a holder says of a change behind its back."""
    monkeypatch.setattr(ec2_driver, "LOOK_S", 0.05)
    told: list[Told] = []

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            await world.a1.acquire(world.order(7))
            nursery.start_soon(world.a1.watch, world.front, told.append)
            await trio.to_thread.run_sync(change)
            with trio.fail_after(PATIENCE_S):
                while not told:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    trio.run(check)
    assert isinstance(told[0], Drifted)
    return told[0].what


def test_what_is_changed_by_hand_is_found_and_taken_back(elastic: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def move() -> None:
        elastic.ec2.associate_address(
            AllocationId=elastic.resource, NetworkInterfaceId=elastic.other, AllowReassociation=True
        )

    what = watched(elastic, move, monkeypatch)
    assert what == f"it is led to {elastic.other}, not to {elastic.own}"
    assert elastic.acquire(7) == Done(elastic.front.name, 7)
    assert elastic.holder() == elastic.own


def test_a_tag_that_an_older_claim_wrote_late_is_found(elastic: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def sign() -> None:
        elastic.ec2.create_tags(Resources=[elastic.resource], Tags=[{"Key": "lbmesh:epoch", "Value": "5 lb-b1"}])

    assert watched(elastic, sign, monkeypatch) == "its tag says 5 lb-b1, not 7 lb-a1"
    assert elastic.acquire(7) == Done(elastic.front.name, 7)
    assert elastic.tag() == "7 lb-a1"


def test_a_tag_that_is_none_is_written_over(elastic: World) -> None:
    for value in ("soon", "99999999999999999 x", "4503599627370496 x", ""):
        elastic.ec2.create_tags(Resources=[elastic.resource], Tags=[{"Key": "lbmesh:epoch", "Value": value}])
        assert elastic.acquire(7) == Done(elastic.front.name, 7)
        assert elastic.tag() == "7 lb-a1"
