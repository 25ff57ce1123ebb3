"""The nameserver's end of the link: what is newer is taken, what is older or broken changes nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio

from lbmesh.control.dns_link import decode_telemetry, encode_line
from lbmesh.control.lines import LINE_BYTES_MAX
from lbmesh.dns.responder import Responder
from lbmesh.model.dns import DnsPicture
from lbmesh.model.view import ViewVersion
from lbmesh.nameserver.agent_link import AgentLinkClient
from tests.support.dns_zone import A, picture
from tests.unit.control.test_dns_link import TELEMETRY


def versioned(generation: int, number: int) -> DnsPicture:
    return replace(picture(), version=ViewVersion(generation, number))


async def told(responder: Responder, lines: bytes) -> bytes:
    """Have an agent say this and close; what it was told meanwhile."""
    agents, own = trio.socket.socketpair()
    agent = trio.SocketStream(agents)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(AgentLinkClient(responder, lambda: TELEMETRY).serve, trio.SocketStream(own))
        await agent.send_all(lines)
        await agent.send_eof()
        heard = b""
        async for data in agent:
            heard += data
    await agent.aclose()
    return heard


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    trio.run(scenario)


def test_it_takes_pictures_and_tells_figures() -> None:
    responder = Responder()

    async def scenario() -> None:
        heard = await told(responder, encode_line(versioned(1, 1)) + encode_line(versioned(1, 2)))
        assert decode_telemetry(heard.splitlines()[0]) == TELEMETRY

    run(scenario)
    assert responder.picture == versioned(1, 2)


def test_an_old_agents_last_words_are_not_taken() -> None:
    responder = Responder()

    async def scenario() -> None:
        await told(responder, encode_line(versioned(2, 1)))
        await told(responder, encode_line(versioned(1, 99)))

    run(scenario)
    assert responder.picture == versioned(2, 1)


@pytest.mark.parametrize(
    "bad", [b"{}\n", b"\xff\n", encode_line(replace(picture(), policy=replace(picture().policy, zone="..")))]
)
def test_what_is_no_picture_changes_nothing_and_ends_the_link(bad: bytes) -> None:
    responder = Responder()
    newer = encode_line(replace(versioned(9, 9), addresses=picture(withdrawn=[A]).addresses))

    async def scenario() -> None:
        await told(responder, encode_line(versioned(1, 1)))
        await told(responder, bad.replace(b'"generation":1', b'"generation":8') + newer)

    run(scenario)
    assert responder.picture == versioned(1, 1)


def test_a_line_without_an_end_is_not_waited_for() -> None:
    responder = Responder()

    async def scenario() -> None:
        agents, own = trio.socket.socketpair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(AgentLinkClient(responder, lambda: TELEMETRY).serve, trio.SocketStream(own))
            agent = trio.SocketStream(agents)
            with pytest.raises(trio.BrokenResourceError):
                await agent.send_all(b"x" * (LINE_BYTES_MAX * 16))
            await agent.aclose()

    run(scenario)
