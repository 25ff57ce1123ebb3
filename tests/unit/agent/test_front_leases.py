"""The agent's side of leases: what is asked in order, who gets the answer, and what comes unasked."""

import socket
from collections.abc import Awaitable, Callable
from math import inf

import trio

from lbmesh.agent.front_leases import FrontLeases
from lbmesh.control.processes import (
    ControlMessage,
    EndLease,
    ExtendLease,
    HoldLease,
    LeaseAnswer,
    LeaseTrouble,
    decode_control,
)
from lbmesh.observe.child import ControlChannel

FRONT, OTHER = "10.0.0.100", "fd00::100"


def running(check: Callable[[FrontLeases, Callable[[], Awaitable[ControlMessage]]], Awaitable[None]]) -> None:
    """Run a check with leases over a real channel, and a way to read what the sentinel would."""

    async def run() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel, sentinel = ControlChannel(ours.detach()), trio.socket.from_stdlib_socket(theirs)
        leases = FrontLeases(channel)

        async def ordered() -> ControlMessage:
            return decode_control(await sentinel.recv(1024))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leases.run)
            await check(leases, ordered)
            nursery.cancel_scope.cancel()
        channel.close()
        sentinel.close()

    trio.run(run)


def test_an_order_waits_for_its_own_answer() -> None:
    async def check(leases: FrontLeases, ordered: Callable[[], Awaitable[ControlMessage]]) -> None:
        answers: dict[str, str] = {}

        async def hold(front: str) -> None:
            answers[f"hold {front}"] = await leases.hold(front, 7, inf)

        async def end() -> None:
            answers["end"] = await leases.end(FRONT)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold, FRONT)
            assert await ordered() == HoldLease(FRONT, 7, inf, 1)
            nursery.start_soon(hold, OTHER)
            assert await ordered() == HoldLease(OTHER, 7, inf, 2)
            nursery.start_soon(end)
            assert await ordered() == EndLease(FRONT, 3)
            leases.answered(LeaseAnswer(2, "of the second"))
            leases.answered(LeaseAnswer(3, "of the third"))
            leases.answered(LeaseAnswer(1))
        assert answers == {f"hold {FRONT}": "", f"hold {OTHER}": "of the second", "end": "of the third"}

    running(check)


def test_trouble_is_no_answer() -> None:
    async def check(leases: FrontLeases, ordered: Callable[[], Awaitable[ControlMessage]]) -> None:
        heard: list[tuple[str, bool]] = []
        leases.listen(FRONT, lambda problem, has_lapsed: heard.append((problem, has_lapsed)))

        async def end() -> None:
            assert await leases.end(FRONT) == "not now"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(end)
            assert await ordered() == EndLease(FRONT, 1)
            leases.troubled(LeaseTrouble(FRONT, "not renewed", has_lapsed=True))
            leases.troubled(LeaseTrouble(FRONT, "flushed"))
            leases.troubled(LeaseTrouble(OTHER, "flushed"))
            leases.answered(LeaseAnswer(1, "not now"))
        assert heard == [("not renewed", True), ("flushed", False)]

    running(check)


def test_a_sentinel_that_says_nothing_in_time_is_a_problem_in_words() -> None:
    async def check(leases: FrontLeases, ordered: Callable[[], Awaitable[ControlMessage]]) -> None:
        assert await leases.hold(FRONT, 1, inf) == "the sentinel has not answered for 1 s"
        assert await ordered() == HoldLease(FRONT, 1, inf, 1)

        async def end() -> None:
            assert await leases.end(FRONT) == "of the second"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(end)
            assert await ordered() == EndLease(FRONT, 2)
            leases.answered(LeaseAnswer(1, "of the first, too late"))
            leases.answered(LeaseAnswer(2, "of the second"))

    running(check)


def test_an_extension_waits_for_nobody() -> None:
    async def check(leases: FrontLeases, ordered: Callable[[], Awaitable[ControlMessage]]) -> None:
        for until_s in range(1000):
            leases.extend(FRONT, 1, float(until_s))
        assert await ordered() == ExtendLease(FRONT, 1, 0.0)

    running(check)
