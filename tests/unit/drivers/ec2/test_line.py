"""A few fronts move at the same time; of the others the one that has waited for longest is next."""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from lbmesh.drivers.ec2.errors import Ec2Error
from lbmesh.drivers.ec2.limits import PLACES, WAIT_S
from lbmesh.drivers.ec2.line import Line


class Fronts:
    """Fronts that stay at work until they are told to end. `at_work`: in the order in which their turn came."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.line = Line()
        self.nursery = nursery
        self.at_work: list[str] = []
        self.told: dict[str, str] = {}
        self.ends: dict[str, trio.Event] = {}

    async def come(self, *names: str) -> None:
        """One after the other."""
        for name in names:
            self.ends[name] = trio.Event()
            self.nursery.start_soon(self._work, name)
            await trio.testing.wait_all_tasks_blocked()

    async def end(self, name: str) -> None:
        self.line.leave(name)
        self.ends[name].set()
        await trio.testing.wait_all_tasks_blocked()

    async def _work(self, name: str) -> None:
        try:
            async with self.line.turn(name):
                self.at_work.append(name)
                await self.ends[name].wait()
        except Ec2Error as error:
            self.told[name] = f"{error.fault.name}: {error}"


BUSY = [f"busy {number}" for number in range(PLACES)]


def run(check: Callable[[Fronts], Awaitable[None]]) -> None:
    """On a clock that goes when the test waits; nothing of it hangs."""

    async def within() -> None:
        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                fronts = Fronts(nursery)
                await check(fronts)
                nursery.cancel_scope.cancel()

    trio.run(within, clock=trio.testing.MockClock(autojump_threshold=0.01))


def test_so_many_at_the_same_time_and_the_first_that_came_is_next() -> None:
    async def check(fronts: Fronts) -> None:
        await fronts.come(*BUSY, "first", "second")
        assert fronts.at_work == BUSY
        await fronts.end(BUSY[1])
        assert fronts.at_work == [*BUSY, "first"]
        await fronts.end("first")
        assert fronts.at_work == [*BUSY, "first", "second"]

    run(check)


def test_who_waits_for_long_is_told_why_and_keeps_its_place() -> None:
    async def check(fronts: Fronts) -> None:
        await fronts.come(*BUSY, "early")
        await trio.sleep(WAIT_S + 1)
        words = f"WAITS: {PLACES} other fronts of this node are before it: EC2 is called for {PLACES} at the same time"
        assert fronts.told == {"early": words}
        await fronts.come("late", "early")
        await fronts.end(BUSY[0])
        assert fronts.at_work[-1] == "early"
        await fronts.end(BUSY[1])
        assert fronts.at_work[-1] == "late"

    run(check)


def test_who_got_nothing_by_its_turn_stands_before_those_that_came_later() -> None:
    """Its order took too long, and is given again: it is half done."""

    async def check(fronts: Fronts) -> None:
        await fronts.come(*BUSY, "late")
        fronts.ends[BUSY[0]].set()
        await trio.testing.wait_all_tasks_blocked()
        await fronts.come("later", BUSY[0])
        await fronts.end(BUSY[1])
        assert fronts.at_work[-1] == BUSY[0]

    run(check)


def test_who_leaves_stands_at_the_end_when_it_comes_again() -> None:
    async def check(fronts: Fronts) -> None:
        await fronts.come(*BUSY, "late")
        await fronts.end(BUSY[0])
        await fronts.come(BUSY[0], "latest")
        await fronts.end(BUSY[1])
        assert fronts.at_work[-1] == BUSY[0]

    run(check)


@pytest.mark.parametrize("is_called", [False, True])
def test_who_is_cancelled_takes_no_place_with_it(is_called: bool) -> None:
    async def check(fronts: Fronts) -> None:
        await fronts.come(*BUSY)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                other = Fronts(nursery)
                other.line, other.ends = fronts.line, fronts.ends
                await other.come("cancelled")
                if is_called:
                    fronts.ends[BUSY[0]].set()
                    fronts.line.leave(BUSY[0])
                scope.cancel()
        await fronts.end(BUSY[0])
        await fronts.come("next")
        assert fronts.at_work[-1] == "next"

    run(check)
