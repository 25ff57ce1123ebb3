"""What the client streams, cancels, shares and leaves behind."""

import asyncio
import gc
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import anyio
import httpx
import pytest
import trio

from lbmesh.client import AsyncMeshTransport, MeshTransport, Policy
from tests.support.balancers import balancer, frozen, refusing, silent
from tests.support.callers import FLAVOURS, STEADY, URL, call

ASYNC_FLAVOURS = ("trio", "asyncio")


def run_async(flavour: str, function: Callable[[], Awaitable[Any]]) -> Any:
    """Run to its end on the named loop."""

    async def main() -> Any:
        return await function()

    return trio.run(main) if flavour == "trio" else asyncio.run(main())


def open_descriptors() -> set[str]:
    """Sockets this process holds."""
    gc.collect()
    links = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            links.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue  # the listing's own descriptor
    return {link for link in links if link.startswith("socket:")}


def rival_threads() -> list[threading.Thread]:
    """Threads of hedges that still run."""
    return [thread for thread in threading.enumerate() if thread.name == "lbmesh-client-rival"]


class Gated:
    """Sends the head and a first chunk, then each further chunk when the reader has seen the one before."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        if self.go_on.wait(10):
            connection.sendall(b"4\r\nlast\r\n0\r\n\r\n")
        return True


def test_a_streamed_answer_is_not_held_back_nor_hedged_in_threads() -> None:
    gated = Gated()
    with balancer(gated) as alive, balancer() as other:
        transport = MeshTransport([alive.address, other.address], policy=Policy(spread=False, hedge_delay_s=0.05))
        with httpx.Client(transport=transport) as client, client.stream("GET", URL) as response:
            parts = response.iter_raw()
            assert next(parts) == b"first"
            time.sleep(0.1)  # twice the hedge delay: a hedge would start if any were still armed
            gated.go_on.set()
            assert b"".join(parts) == b"last"
        assert other.seen == []


@pytest.mark.parametrize("flavour", ASYNC_FLAVOURS)
def test_a_streamed_answer_is_not_held_back_nor_hedged_in_tasks(flavour: str) -> None:
    gated = Gated()

    async def main() -> None:
        policy = Policy(spread=False, hedge_delay_s=0.05)
        transport = AsyncMeshTransport([alive.address, other.address], policy=policy)
        async with httpx.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
            parts = response.aiter_raw()
            assert await anext(parts) == b"first"
            await anyio.sleep(0.1)
            gated.go_on.set()
            assert b"".join([part async for part in parts]) == b"last"

    with balancer(gated) as alive, balancer() as other:
        run_async(flavour, main)
        assert other.seen == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_body_cut_short_is_an_error_that_names_the_balancer(flavour: str) -> None:
    def cut(connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        return False

    with balancer(cut) as short, pytest.raises(httpx.RemoteProtocolError, match=short.address):
        call(flavour, [short.address], "GET")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_nothing_is_left_open_after_success_or_failure(flavour: str) -> None:
    with frozen() as stuck, refusing() as dead, silent() as swallowing:
        before = open_descriptors()
        for balancers in ([dead], [swallowing, dead], [stuck.address, dead], [stuck.address, swallowing]):
            with pytest.raises(httpx.TransportError):
                call(flavour, balancers, "GET", timeout=httpx.Timeout(0.4))
        assert open_descriptors() == before
        assert rival_threads() == []


@pytest.mark.parametrize("flavour", ASYNC_FLAVOURS)
@pytest.mark.parametrize("cancel_after_s", [0.0, 0.02, 0.08, 0.3])
def test_a_cancelled_request_leaves_nothing_open(flavour: str, cancel_after_s: float) -> None:
    """Cancelled before it starts, while it dials, while the race is on, and while it is hedged."""

    async def main() -> None:
        transport = AsyncMeshTransport([swallowing, stuck.address, other.address], policy=STEADY)
        with anyio.move_on_after(cancel_after_s) as scope:
            await transport.handle_async_request(httpx.Request("GET", URL))
        assert scope.cancelled_caught
        await transport.aclose()

    with frozen() as stuck, frozen() as other, silent() as swallowing:
        before = open_descriptors()
        run_async(flavour, main)
        assert open_descriptors() == before


class StopHereError(BaseException):
    """What Ctrl-C is to a program."""


def test_an_interrupt_while_hedged_leaves_no_rival() -> None:
    """The signal comes when the rival's connection has arrived, so both attempts are under way."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise StopHereError

    def interrupt_when_hedged() -> None:
        connections.append(other.listener.accept()[0])
        os.kill(os.getpid(), signal.SIGUSR1)

    connections: list[socket.socket] = []
    with frozen() as stuck, frozen() as other:
        before = open_descriptors()
        previous = signal.signal(signal.SIGUSR1, stop)
        watcher = threading.Thread(target=interrupt_when_hedged)
        watcher.start()
        transport = MeshTransport([stuck.address, other.address], policy=STEADY)
        try:
            with httpx.Client(transport=transport, timeout=10) as client, pytest.raises(StopHereError):
                client.get(URL)
        finally:
            signal.signal(signal.SIGUSR1, previous)
            watcher.join()
            connections[0].close()
        assert open_descriptors() == before
        assert rival_threads() == []


def test_many_threads_share_one_transport_when_a_balancer_freezes() -> None:
    with frozen() as stuck, balancer() as alive:
        transport = MeshTransport([stuck.address, alive.address], policy=STEADY)
        with httpx.Client(transport=transport, timeout=10) as client, ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda number: client.get(URL, params={"n": number}), range(64)))
        assert [answer.status_code for answer in answers] == [200] * 64
        assert rival_threads() == []


@pytest.mark.parametrize("flavour", ASYNC_FLAVOURS)
def test_more_requests_than_the_budget_are_all_saved_when_a_balancer_freezes(flavour: str) -> None:
    statuses: list[int] = []

    async def main() -> None:
        transport = AsyncMeshTransport([stuck.address, alive.address], policy=STEADY)
        async with httpx.AsyncClient(transport=transport, timeout=10) as client, anyio.create_task_group() as tasks:

            async def one(number: int) -> None:
                statuses.append((await client.get(URL, params={"n": number})).status_code)

            for number in range(60):
                tasks.start_soon(one, number)

    with frozen() as stuck, balancer() as alive:
        run_async(flavour, main)
    assert statuses == [200] * 60


@pytest.mark.parametrize("flavour", ASYNC_FLAVOURS)
def test_no_post_arrives_twice_however_the_connects_race(flavour: str) -> None:
    """A stagger of next to nothing makes every balancer take part in every race."""

    async def main() -> None:
        policy = Policy(stagger_s=1e-6, hedge_delay_s=1e-3)
        transport = AsyncMeshTransport([swallowing, dead, first.address, second.address], policy=policy)
        async with httpx.AsyncClient(transport=transport, timeout=10) as client, anyio.create_task_group() as tasks:

            async def one(number: int) -> None:
                await client.post(URL, content=str(number))

            for number in range(60):
                tasks.start_soon(one, number)

    with silent() as swallowing, refusing() as dead, balancer() as first, balancer() as second:
        run_async(flavour, main)
    arrived = Counter(first.bodies + second.bodies)
    assert arrived == Counter(str(number).encode() for number in range(60))


def test_no_post_arrives_twice_from_threads() -> None:
    policy = Policy(stagger_s=1e-6, hedge_delay_s=1e-3)
    with silent() as swallowing, refusing() as dead, balancer() as first, balancer() as second:
        transport = MeshTransport([swallowing, dead, first.address, second.address], policy=policy)
        with httpx.Client(transport=transport, timeout=10) as client, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: client.post(URL, content=str(number)), range(60)))
    assert Counter(first.bodies + second.bodies) == Counter(str(number).encode() for number in range(60))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_balancer_that_came_back_is_used_again(flavour: str) -> None:
    policy = Policy(spread=False, rest_s=0.01, rest_max_s=0.01)
    down = threading.Event()

    def sometimes(connection: socket.socket, _line: str, _body: bytes) -> bool:
        if not down.is_set():
            down.set()
            return False
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True

    with balancer(sometimes) as flapping, balancer() as steady:
        deadline = time.monotonic() + 10
        methods = ["GET"] * 20
        while len(flapping.seen) < 2 and time.monotonic() < deadline:
            call(flavour, [flapping.address, steady.address], *methods, policy=policy)
        assert len(flapping.seen) >= 2
        assert steady.seen
