"""Connections over TCP: their bounds, each with the connection that goes beyond it."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.nameserver import tcp
from lbmesh.nameserver.tcp import TcpServer, split
from tests.support.dns_zone import query, responder

WIRE = query("shop.mesh.example.com").to_wire()
MESSAGE = len(WIRE).to_bytes(2, "big") + WIRE
Connect = Callable[[], Awaitable[trio.SocketStream]]


def serving(scenario: Callable[[Connect], Awaitable[None]]) -> TcpServer:
    """Run it against a server; what is left of that."""
    server = TcpServer(responder())

    async def main() -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:

            async def connect() -> trio.SocketStream:
                return await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))

            nursery.start_soon(server.run, listener)
            await scenario(connect)
            nursery.cancel_scope.cancel()

    trio.run(main)
    return server


async def asked(stream: trio.SocketStream) -> bool:
    """One query and its answer; False when the connection has ended."""
    await stream.send_all(MESSAGE)
    return bool(await stream.receive_some(4096))


async def ended(stream: trio.SocketStream) -> bool:
    """Wait until the server ends it."""
    while await stream.receive_some(4096):
        pass
    return True


def test_when_there_are_too_many_the_one_that_rests_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "CONNECTIONS_MAX", 2)

    async def scenario(connect: Connect) -> None:
        first, second = await connect(), await connect()
        assert await asked(first)
        assert await asked(second)
        assert await asked(first)
        third = await connect()
        assert await asked(third)
        assert await ended(second)
        assert await asked(first)

    assert serving(scenario).shed == 1


def test_a_burst_of_connections_makes_as_many_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "CONNECTIONS_MAX", 2)

    async def scenario(connect: Connect) -> None:
        left = {await connect() for _ in range(8)}
        async with trio.open_nursery() as nursery:

            async def watch(stream: trio.SocketStream) -> None:
                await ended(stream)
                left.discard(stream)
                if len(left) == 2:
                    nursery.cancel_scope.cancel()

            for stream in tuple(left):
                nursery.start_soon(watch, stream)
        assert [await asked(stream) for stream in left] == [True, True]

    assert serving(scenario).shed == 6


def test_one_that_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "IDLE_S", 0.01)

    async def scenario(connect: Connect) -> None:
        assert await ended(await connect())

    assert serving(scenario).connections == 0


def test_a_message_that_comes_byte_by_byte_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MESSAGE_S", 0.05)

    async def scenario(connect: Connect) -> None:
        stream = await connect()

        async def drip() -> None:
            try:
                while True:
                    await stream.send_all(b"\0")
                    await trio.sleep(0.01)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

        # A length of 0xff00, and then bytes that never make it whole.
        await stream.send_all(b"\xff")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            with suppress(trio.BrokenResourceError):
                assert await ended(stream)
            nursery.cancel_scope.cancel()

    serving(scenario)


def test_after_so_many_queries_a_client_is_to_come_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "QUERIES_PER_CONNECTION_MAX", 3)

    async def scenario(connect: Connect) -> None:
        stream = await connect()
        await stream.send_all(MESSAGE * 5)
        answers = b""
        while data := await stream.receive_some(4096):
            answers += data
        assert len(split(answers)[0]) == 3

    serving(scenario)


@given(st.lists(st.binary(max_size=40), max_size=8), st.binary(max_size=1), st.integers(0, 400))
def test_messages_are_split_alike_wherever_they_are_cut(messages: list[bytes], rest: bytes, at: int) -> None:
    stream = b"".join(len(each).to_bytes(2, "big") + each for each in messages) + rest
    first, left = split(stream[:at])
    second, end = split(left + stream[at:])
    assert [*first, *second] == messages
    assert end == rest
