"""Gossip streams over real sockets: thousands of rows to a newcomer, and what strangers may not do."""

import random
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic

import trio

from lbmesh.agent.gossip_tasks import GossipTasks
from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import STREAMS_IN_MAX
from lbmesh.agent.stream_tasks import StreamTasks
from lbmesh.control.plane import Plane
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import Identity, KeyRing
from lbmesh.model.address import Address
from tests.support.planes import settings, shop

WAIT_S = 30.0
HOST = "127.0.0.1"


def bound_pair() -> tuple[socket.socket, Address]:
    """A UDP socket whose port is free for TCP, too."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((HOST, 0))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                udp.close()
                continue
            return udp, Address(HOST, udp.getsockname()[1])


@asynccontextmanager
async def running(
    name: str, seeds: tuple[Address, ...], rows: int = 0, udp: socket.socket | None = None
) -> AsyncIterator[tuple[Gossip, Address]]:
    udp = udp or bound_pair()[0]
    address = Address(HOST, udp.getsockname()[1])
    rng = random.Random(name)
    identity = Identity(name, f"zone-{name}", address, 1, rng.randbytes(32))
    ring = KeyRing((b"k" * 32,))
    gossip = Gossip(identity=identity, key_ring=ring, seeds=seeds, rng=rng, now=monotonic())
    for number in range(rows):
        gossip.publish(monotonic(), f"row/{number}", b"x" * 60)
    own = settings(shop(0), node=name, zone=f"zone-{name}")
    hub = Hub(Plane(own, generation=1, gossip=gossip, rng=rng, now=monotonic()))
    with udp:
        async with trio.open_nursery() as nursery:
            hub.do(hub.plane.start(monotonic()))
            GossipTasks(hub, udp, nursery)
            StreamTasks(hub, udp, nursery)
            nursery.start_soon(hub.keep_time)
            yield gossip, address
            nursery.cancel_scope.cancel()


async def learned(gossip: Gossip, rows: int) -> None:
    with trio.fail_after(WAIT_S):
        while sum(1 for _ in gossip.rows("row/")) < rows:  # noqa: ASYNC110
            await trio.sleep(0.02)


def test_a_newcomer_learns_thousands_of_rows_by_stream() -> None:
    async def scenario() -> None:
        async with running("rich", (), rows=4000) as (_, address), running("poor", (address,)) as (poor, _):
            await learned(poor, 4000)
            assert poor.counters["datagrams_in"] > 4000 * 60 / 1200
            assert not [name for name in poor.counters if name.startswith("rejected_") and name != "rejected_unproven"]

    trio.run(scenario)


def test_strangers_hold_nothing() -> None:
    """Silent ones, half a unit, gibberish and the wrong key: each is gone soon, and a member gets through."""

    async def scenario() -> None:
        async with running("rich", (), rows=2000) as (rich, address), AsyncExitStack() as stack:
            silent = [
                await stack.enter_async_context(await trio.open_tcp_stream(HOST, address.port))
                for _ in range(2 * STREAMS_IN_MAX)
            ]
            for stream, said in zip(
                silent, (b"", b"\x04", b"\x00\x10half", b"\xff\xff", b"\x00\x05wrong"), strict=False
            ):
                try:
                    await stream.send_all(said)
                except trio.BrokenResourceError:
                    continue
            async with running("poor", (address,)) as (poor, _):
                await learned(poor, 2000)
                with trio.fail_after(WAIT_S):
                    for stream in silent:
                        try:
                            assert await stream.receive_some(1) == b""
                        except trio.BrokenResourceError:
                            continue
            assert {member.name for member in rich.members()} == {"rich", "poor"}

    trio.run(scenario)


def test_a_port_that_is_taken_leaves_the_datagrams() -> None:
    async def scenario() -> None:
        rich_udp, address = bound_pair()
        with socket.create_server((HOST, address.port)):
            async with (
                running("rich", (), rows=300, udp=rich_udp) as (_, at),
                running("poor", (at,)) as (poor, _),
            ):
                await learned(poor, 300)

    trio.run(scenario)
