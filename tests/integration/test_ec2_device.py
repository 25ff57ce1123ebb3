"""A front that EC2 leads here is on this machine, as long as it does, and nothing else is touched. As root."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import trio

from lbmesh.drivers.ec2 import driver as ec2_driver
from lbmesh.drivers.ec2.caller import Caller
from lbmesh.drivers.ec2.device import Device
from lbmesh.drivers.ec2.driver import Ec2Fronts
from lbmesh.failover.orders import Done, Failed
from lbmesh_chaos.lab.kernel import in_network
from tests.support.ec2_cloud import Cloud, running_cloud
from tests.support.ec2_world import World
from tests.support.segment import Place, segment
from tests.support.wait import PATIENCE_S

pytest.importorskip("boto3")
pytest.importorskip("moto")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="needs root, and: apt-get install iproute2"
)


@pytest.fixture
def place() -> Iterator[Place]:
    with segment(1) as made:
        yield made.nodes[0]


@pytest.fixture(scope="module")
def moto() -> Iterator[Cloud]:
    with running_cloud() as cloud:
        yield cloud


@pytest.fixture
def device(place: Place) -> Iterator[Device]:
    """Of the namespace: a socket stays where it was opened."""
    with closing(Device()) as device:
        with in_network(place.path):
            assert not device.has("192.0.2.9")
        yield device


@pytest.fixture
def world(moto: Cloud, device: Device, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(ec2_driver, "LOOK_S", 0.05)
    moto.reset()
    with closing(Caller()) as caller:
        world = World(moto, caller, "rtb")
        world.a1 = Ec2Fronts("lb-a1", caller, device)
        world.front = replace(world.front, driver=replace(world.options, device="eth0"))
        yield world


@pytest.mark.parametrize("address", ["192.0.2.9", "2001:db8::9"])
def test_it_is_put_once_and_taken_if_it_is_ours(place: Place, device: Device, address: str) -> None:
    assert device.put(address, "eth0") == ""
    assert device.put(address, "eth0") == "", "it is there already"
    assert device.has(address)
    assert place.has(address)
    device.take(address)
    assert not place.has(address)
    assert not device.has(address)
    place.run("ip", "address", "add", address, "dev", "eth0")
    assert not device.has(address)
    device.take(address)
    assert place.has(address), "somebody else's stays"


def test_an_interface_that_is_not_there_is_named(world: World) -> None:
    world.front = replace(world.front, driver=replace(world.options, device="eth7"))
    words = 'there is no interface eth7: write in options.device one that "ip link" lists'
    assert world.acquire(7) == Failed(world.front.name, 7, words)


def watched(world: World, place: Place, then: Callable[[], None], *, until: Callable[[], bool]) -> None:
    """Have the front held and looked after, until it is as it is to be after this."""

    async def check() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.a1.watch, world.front, lambda _: None)
            assert await world.a1.acquire(world.order(7)) == Done(world.front.name, 7)
            assert place.has(world.front.name)
            then()
            with trio.fail_after(PATIENCE_S):
                while not until():  # noqa: ASYNC110
                    await trio.sleep(0.02)
            nursery.cancel_scope.cancel()

    trio.run(check)


def test_who_leaves_takes_it_away(world: World, place: Place) -> None:
    watched(world, place, lambda: None, until=lambda: True)
    assert not place.has(world.front.name)
    assert world.holder() == world.own, "EC2 leads it here still"


def test_it_is_taken_away_when_ec2_leads_it_elsewhere(world: World, place: Place) -> None:
    def move() -> None:
        world.ec2.replace_route(
            RouteTableId=world.resource, DestinationCidrBlock="192.0.2.9/32", NetworkInterfaceId=world.other
        )

    watched(world, place, move, until=lambda: not place.has(world.front.name))


def test_who_deletes_it_by_hand_gets_it_again(world: World, place: Place) -> None:
    def delete() -> None:
        place.run("ip", "address", "del", f"{world.front.name}/32", "dev", "eth0")

    watched(world, place, delete, until=lambda: place.has(world.front.name))
