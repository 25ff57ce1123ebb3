"""The client of the control socket, against a server on a real socket: what it says, and when it says nothing."""

import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec

import pytest
import trio
import trio.testing

from lbmesh.drivers.bgp.bird import Bird, Trouble
from lbmesh.drivers.bgp.limits import COMMAND_S
from lbmesh.drivers.bgp.replies import Reply

P = ParamSpec("P")
Serve = Callable[[trio.SocketStream], Awaitable[None]]


def in_trio(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run it with a clock that jumps when nothing is left to do."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        trio.run(lambda: test(*args, **kwargs), clock=trio.testing.MockClock(autojump_threshold=0.02))

    return run


@asynccontextmanager
async def bird(path: Path, serve: Serve) -> AsyncIterator[Bird]:
    """A client of a server that does this with each connection."""
    listener = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await listener.bind(str(path))
    listener.listen(8)
    client = Bird(path)
    async with trio.open_nursery() as nursery:

        async def accept() -> None:
            while True:
                connection, _ = await listener.accept()
                nursery.start_soon(serve, trio.SocketStream(connection))

        nursery.start_soon(accept)
        yield client
        await client.close()
        nursery.cancel_scope.cancel()
    listener.close()


async def answer(stream: trio.SocketStream) -> None:
    """Each command with its number in the connection, in pieces."""
    async with stream:
        await stream.send_all(b"0001 BIRD 2.0.12 ready.\n")
        number = 0
        async for _ in stream:
            number += 1
            await stream.send_all(f"1000-command {number}\n".encode())
            await trio.sleep(0.001)
            await stream.send_all(b"0000 \n")


@in_trio
async def test_commands_take_turns_on_one_connection(tmp_path: Path) -> None:
    said: list[str] = []
    async with bird(tmp_path / "ctl", answer) as client, trio.open_nursery() as nursery:

        async def ask() -> None:
            reply = await client.ask("show status")
            assert isinstance(reply, Reply)
            said.append(reply.lines[0].text)

        for _ in range(5):
            nursery.start_soon(ask)
    assert said == [f"command {number}" for number in range(1, 6)]


@in_trio
async def test_a_connection_that_a_restart_cut_is_made_anew(tmp_path: Path) -> None:
    async def once(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_all(b"0001 BIRD 2.0.12 ready.\n")
            await stream.receive_some(100)
            await stream.send_all(b"0013 Daemon is up and running\n")

    async with bird(tmp_path / "ctl", once) as client:
        for _ in range(3):
            reply = await client.ask("show status")
            assert isinstance(reply, Reply)
            assert reply.code == 13


@in_trio
async def test_one_that_hangs_is_said_to_and_its_late_answer_is_not_the_next_ones(tmp_path: Path) -> None:
    connections = 0

    async def slow(stream: trio.SocketStream) -> None:
        nonlocal connections
        connections += 1
        mine = connections
        async with stream:
            await stream.send_all(b"0001 BIRD 2.0.12 ready.\n")
            await stream.receive_some(100)
            await trio.sleep(2 * COMMAND_S if mine == 1 else 0)
            await stream.send_all(f"1000-connection {mine}\n0000 \n".encode())

    async with bird(tmp_path / "ctl", slow) as client:
        trouble = await client.ask("show status")
        assert isinstance(trouble, Trouble)
        assert "so it hangs: systemctl restart bird" in trouble.words
        assert not trouble.is_absent
        reply = await client.ask("show status")
        assert isinstance(reply, Reply)
        assert reply.lines[0].text == "connection 2"


@in_trio
async def test_one_that_accepts_and_says_nothing_hangs(tmp_path: Path) -> None:
    async def silent(stream: trio.SocketStream) -> None:
        async with stream:
            await trio.sleep_forever()

    async with bird(tmp_path / "ctl", silent) as client:
        trouble = await client.ask("show status")
    assert isinstance(trouble, Trouble)
    assert "so it hangs" in trouble.words


@in_trio
async def test_one_that_is_no_bird_is_said_to_be_none(tmp_path: Path) -> None:
    async def web(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_all(b"HTTP/1.1 400 Bad Request\n")

    async with bird(tmp_path / "ctl", web) as client:
        trouble = await client.ask("show status")
    assert isinstance(trouble, Trouble)
    assert "is not BIRD 2" in trouble.words
    assert "correct options.socket" in trouble.words


@pytest.mark.parametrize(
    ("left", "said"), [("nothing", "there is no"), ("socket", "nobody listens"), ("file", "nobody listens")]
)
@in_trio
async def test_nobody_there_is_absent(tmp_path: Path, left: str, said: str) -> None:
    path = tmp_path / "ctl"
    if left == "socket":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
            gone.bind(str(path))
    elif left == "file":
        path.write_text("")
    trouble = await Bird(path).ask("show status")
    assert isinstance(trouble, Trouble)
    assert trouble.is_absent
    assert said in trouble.words
    assert "systemctl start bird" in trouble.words
