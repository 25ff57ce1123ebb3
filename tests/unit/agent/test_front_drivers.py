"""The runner of fronts: orders of one front in turn, the newest before the older, whatever a driver does."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import trio
import trio.testing

from lbmesh.agent.front_drivers import FrontDrivers
from lbmesh.agent.limits import WATCH_AGAIN_S
from lbmesh.drivers.driver import FrontDriver
from lbmesh.drivers.none import UnmovedFronts
from lbmesh.failover.orders import (
    Acquire,
    Done,
    Drain,
    Drained,
    Drifted,
    Failed,
    Found,
    Outcome,
    Release,
    Renew,
    Tickle,
    Told,
    Unready,
)
from lbmesh.model.address import Address
from lbmesh.model.front import DriverKind, Front, NoDriver, VipDriver

FRONT = Front(Address("203.0.113.1", 80), "a", driver=VipDriver("eth0", 32))
CHANGED = Front(FRONT.address, "a", driver=VipDriver("eth1", 32))
OTHER = Front(Address("203.0.113.2", 80), "a", driver=VipDriver("eth0", 32))


def acquire(ticket: int, front: Front = FRONT) -> Acquire:
    return Acquire(front, 1, "why", ticket, ask_first=False, until_s=1e9)


def release(ticket: int, front: Front = FRONT) -> Release:
    return Release(front, 1, "why", ticket, is_fenced=False)


def _watched(front: Front, more: str = "") -> str:
    assert isinstance(front.driver, VipDriver)
    return f"watched{more} on {front.driver.interface}"


class SlowDriver:
    """Notes what it is told; an acquire takes a second, and one with ticket 13 breaks."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.tell: Callable[[Told], None] = lambda _: None
        self.fails_to_release = False
        self.breaks = trio.Event()

    async def acquire(self, order: Acquire) -> Done | Failed:
        if order.ticket == 13:
            raise RuntimeError("broken")
        await trio.sleep(1.0)
        self.did.append(f"acquire {order.front.name} {order.ticket}")
        return Done(order.front.name, order.ticket)

    async def release(self, order: Release) -> Done | Failed:
        self.did.append(f"release {order.ticket}")
        if self.fails_to_release:
            return Failed(order.front.name, order.ticket, "no rights")
        return Done(order.front.name, order.ticket)

    async def drain(self, order: Drain) -> None:
        self.did.append(f"drain to {order.heir}")

    async def tickle(self, order: Tickle) -> None:
        self.did.append(f"tickle {order.holder_before}")

    def renew(self, order: Renew) -> None:
        self.did.append(f"renew {order.until_s:g}")

    async def watch(self, front: Front, tell: Callable[[Told], None]) -> None:
        self.tell = tell
        self.did.append(_watched(front))
        tell(Found(front.name, 3))
        try:
            await self.breaks.wait()
            self.breaks = trio.Event()
            raise OSError("no sockets left")
        finally:
            with trio.move_on_after(0.5, shield=True):
                await trio.sleep(0.1)
                self.did.append(_watched(front, " no more"))


class FakeHub:
    """Takes what the plane would be told."""

    def __init__(self) -> None:
        self.said: list[Outcome] = []
        self.on_order: Callable[[Any], None] = lambda _: None
        self.plane = SimpleNamespace(front_outcome=lambda outcome, _now: self.said.append(outcome))

    def do(self, _: object) -> None:
        """There is nothing to do."""


def running(check: Callable[[FakeHub, FrontDrivers, SlowDriver], Any]) -> None:
    """Run a check beside the runner, on a clock that jumps."""

    async def run() -> None:
        hub, driver = FakeHub(), SlowDriver()
        drivers: dict[DriverKind, FrontDriver] = {DriverKind.VIP: driver, DriverKind.NONE: UnmovedFronts()}
        async with trio.open_nursery() as nursery:
            runner = FrontDrivers(hub, nursery, drivers)  # type: ignore[arg-type]
            await check(hub, runner, driver)
            nursery.cancel_scope.cancel()

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


def test_orders_of_one_front_come_in_turn_and_fronts_do_not_wait_for_each_other() -> None:
    async def check(hub: FakeHub, _runner: FrontDrivers, driver: SlowDriver) -> None:
        hub.on_order(acquire(1))
        await trio.sleep(0.5)
        hub.on_order(Renew(FRONT, 1, 5.0))
        hub.on_order(release(2))
        hub.on_order(acquire(1, OTHER))
        await trio.sleep(2.0)
        assert driver.did == ["renew 5", "acquire 203.0.113.1 1", "release 2", "acquire 203.0.113.2 1"]
        assert hub.said == [Done(FRONT.name, 1), Done(FRONT.name, 2), Done(OTHER.name, 1)]

    running(check)


def test_what_waits_when_a_newer_comes_is_dropped() -> None:
    async def check(hub: FakeHub, _runner: FrontDrivers, driver: SlowDriver) -> None:
        for order in (acquire(1), acquire(2), release(3), acquire(4), release(5)):
            hub.on_order(order)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(5.0)
        assert driver.did == ["acquire 203.0.113.1 1", "release 5"]

    running(check)


def test_drain_and_tickle_follow_in_the_same_line() -> None:
    async def check(hub: FakeHub, _runner: FrontDrivers, driver: SlowDriver) -> None:
        hub.on_order(acquire(1))
        hub.on_order(Tickle(FRONT, 1, "a1"))
        hub.on_order(Drain(FRONT, 1, "b1", "why"))
        await trio.sleep(2.0)
        assert driver.did == ["acquire 203.0.113.1 1", "tickle a1", "drain to b1"]
        assert hub.said == [Done(FRONT.name, 1), Drained(FRONT.name)]

    running(check)


def test_a_driver_that_breaks_has_failed_and_goes_on() -> None:
    async def check(hub: FakeHub, _runner: FrontDrivers, _driver: SlowDriver) -> None:
        hub.on_order(acquire(13))
        await trio.sleep(1.0)
        hub.on_order(release(14))
        await trio.sleep(1.0)
        assert hub.said == [Failed(FRONT.name, 13, "RuntimeError: broken"), Done(FRONT.name, 14)]

    running(check)


def test_a_front_without_a_driver_fails_with_words_that_say_so() -> None:
    async def check(hub: FakeHub, runner: FrontDrivers, _driver: SlowDriver) -> None:
        runner._drivers = {}  # noqa: SLF001
        hub.on_order(acquire(1))
        hub.on_order(Renew(FRONT, 1, 5.0))
        await trio.sleep(1.0)
        assert hub.said == [Failed(FRONT.name, 1, "this version has no driver for vip")]

    running(check)


def test_fronts_are_watched_while_they_are_in_the_settings() -> None:
    async def check(hub: FakeHub, runner: FrontDrivers, driver: SlowDriver) -> None:
        runner.follow((FRONT,))
        runner.follow((FRONT,))
        await trio.testing.wait_all_tasks_blocked()
        assert hub.said == [Found(FRONT.name, 3)]
        driver.tell(Drifted(FRONT.name, "gone"))
        assert hub.said[1:] == [Drifted(FRONT.name, "gone")]
        runner.follow(())
        await trio.sleep(1.0)
        assert driver.did == ["watched on eth0", "watched no more on eth0"]

    running(check)


def test_what_a_driver_lacks_is_nothing_that_the_next_one_need_lack() -> None:
    async def check(hub: FakeHub, runner: FrontDrivers, driver: SlowDriver) -> None:
        runner.follow((FRONT,))
        await trio.testing.wait_all_tasks_blocked()
        driver.tell(Unready(FRONT.name, "there is no interface eth0"))
        runner.follow((Front(FRONT.address, "a", driver=NoDriver()),))
        await trio.sleep(1.0)
        assert hub.said[1:] == [Unready(FRONT.name, "there is no interface eth0"), Unready(FRONT.name, "")]

    running(check)


def test_a_front_of_dns_alone_needs_nothing_done() -> None:
    async def check(hub: FakeHub, _runner: FrontDrivers, driver: SlowDriver) -> None:
        front = Front(FRONT.address, "a", driver=NoDriver())
        hub.on_order(acquire(1, front))
        await trio.testing.wait_all_tasks_blocked()
        hub.on_order(Release(front, 1, "why", 2, is_fenced=True))
        await trio.testing.wait_all_tasks_blocked()
        assert hub.said == [Done(FRONT.name, 1), Done(FRONT.name, 2)]
        assert not driver.did

    running(check)


def test_who_leaves_sends_clients_of_what_it_holds_elsewhere_and_of_nothing_else() -> None:
    async def check(hub: FakeHub, runner: FrontDrivers, driver: SlowDriver) -> None:
        hub.on_order(acquire(1))
        await trio.sleep(2.0)
        hub.on_order(acquire(2, OTHER))
        await trio.sleep(2.0)
        hub.on_order(release(3))
        await trio.sleep(1.0)
        driver.did.clear()
        await runner.stand_down("this node leaves")
        assert driver.did == ["drain to "]
        assert hub.said == [Done(FRONT.name, 1), Done(OTHER.name, 2), Done(FRONT.name, 3)]

    running(check)


def test_what_is_held_from_before_is_stood_down_as_well() -> None:
    async def check(_hub: FakeHub, runner: FrontDrivers, driver: SlowDriver) -> None:
        runner.follow((FRONT,))
        await trio.testing.wait_all_tasks_blocked()
        await runner.stand_down("this node leaves")
        assert driver.did == ["watched on eth0", "drain to "]

    running(check)


def test_who_leaves_takes_nothing_any_more() -> None:
    async def check(hub: FakeHub, runner: FrontDrivers, driver: SlowDriver) -> None:
        await runner.stand_down("this node leaves")
        hub.on_order(acquire(1))
        await trio.sleep(2.0)
        hub.on_order(release(2))
        await trio.sleep(2.0)
        assert hub.said == [Failed(FRONT.name, 1, "this node leaves"), Done(FRONT.name, 2)]
        assert driver.did == ["release 2"]

    running(check)


def test_what_comes_while_the_node_leaves_is_stood_down_as_well() -> None:
    async def check(hub: FakeHub, runner: FrontDrivers, driver: SlowDriver) -> None:
        hub.on_order(acquire(1))
        await trio.sleep(0.5)
        await runner.stand_down("this node leaves")
        await trio.sleep(2.0)
        assert driver.did == ["acquire 203.0.113.1 1", "drain to "]

    running(check)


def test_a_front_that_is_changed_is_let_go_as_it_was_and_then_looked_after_as_it_is() -> None:
    async def check(hub: FakeHub, runner: FrontDrivers, driver: SlowDriver) -> None:
        runner.follow((FRONT,))
        hub.on_order(acquire(1))
        await trio.sleep(2.0)
        hub.on_order(release(2))
        runner.follow((CHANGED,))
        await trio.sleep(2.0)
        hub.on_order(acquire(3, CHANGED))
        await trio.sleep(2.0)
        assert driver.did == [
            "watched on eth0",
            "acquire 203.0.113.1 1",
            "release 2",
            "watched no more on eth0",
            "watched on eth1",
            "acquire 203.0.113.1 3",
        ]

    running(check)


def test_a_front_that_could_not_be_let_go_is_looked_after_as_it_was() -> None:
    async def check(hub: FakeHub, runner: FrontDrivers, driver: SlowDriver) -> None:
        runner.follow((FRONT,))
        hub.on_order(acquire(1))
        await trio.sleep(2.0)
        driver.fails_to_release = True
        hub.on_order(release(2))
        runner.follow((CHANGED,))
        await trio.sleep(5.0)
        assert driver.did == ["watched on eth0", "acquire 203.0.113.1 1", "release 2"]
        driver.fails_to_release = False
        hub.on_order(release(3))
        await trio.sleep(2.0)
        assert driver.did[3:] == ["release 3", "watched no more on eth0", "watched on eth1"]

    running(check)


def test_a_watch_that_breaks_is_told_and_begun_again() -> None:
    async def check(hub: FakeHub, runner: FrontDrivers, driver: SlowDriver) -> None:
        runner.follow((FRONT,))
        await trio.sleep(1.0)
        driver.breaks.set()
        await trio.sleep(2 * WATCH_AGAIN_S)
        assert driver.did == ["watched on eth0", "watched no more on eth0", "watched on eth0"]
        assert hub.said[1] == Drifted(FRONT.name, "its driver broke: OSError: no sockets left")

    running(check)
