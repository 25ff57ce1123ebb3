"""A forwarder that falls behind: real reactor, real listening socket, and the waits are real."""

import socket
import time
from collections.abc import Iterator

import pytest

from lbmesh.forward.overload import BACKLOG_MIN, INTERVAL_S, STEADY_S
from lbmesh.forwarder.overload import ACCEPTS_BEHIND, WAIT_MAX, Overload
from lbmesh.forwarder.reactor import TURN_S, Reactor
from lbmesh.model.limits import LISTEN_BACKLOG, OVERLOAD_MIN_S

TARGET_S = 0.005
_QUEUE_LIMIT_AT = 28


class Door:
    """A listening socket that notes what it is told."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=LISTEN_BACKLOG)
        self.socket.setblocking(False)
        self.accepted = 0
        self.told: list[str] = []
        self.clients: list[socket.socket] = []

    def pause(self) -> None:
        self.told.append("pause")

    def resume(self) -> None:
        self.told.append("resume")

    def take(self, connections: int) -> None:
        self.told.append(f"take {connections}")

    def tcp_info(self, size: int) -> bytes:
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)

    def set_backlog(self, connections: int) -> None:
        self.socket.listen(connections)

    @property
    def backlog(self) -> int:
        return int.from_bytes(self.tcp_info(32)[_QUEUE_LIMIT_AT:], "little")

    def fill(self, connections: int) -> None:
        self.clients += [socket.create_connection(self.socket.getsockname()) for _ in range(connections)]

    def accept_all(self) -> None:
        while True:
            try:
                self.socket.accept()[0].close()
            except BlockingIOError:
                return
            self.accepted += 1

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.socket.close()


@pytest.fixture
def door() -> Iterator[Door]:
    one = Door()
    yield one
    one.close()


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    one = Reactor(lambda: None)
    yield one
    one.close_all()


def an_overload(reactor: Reactor, door: Door, target_s: float = TARGET_S) -> Overload:
    overload = Overload(reactor, target_s)
    overload.watch([door])
    reactor.drain()
    return overload


def an_interval(reactor: Reactor, overload: Overload, wait_s: float) -> None:
    """An interval in which what is ready waits so long for its step."""
    overload.turn_used_up()
    time.sleep(wait_s)
    reactor.drain()
    overload.step(time.monotonic() + INTERVAL_S)


def test_who_is_behind_accepts_hardly_anybody_until_it_has_caught_up(reactor: Reactor, door: Door) -> None:
    overload = an_overload(reactor, door)
    an_interval(reactor, overload, 2 * TARGET_S)
    assert overload.behind
    assert reactor.by_urgency
    assert overload.lag_s >= 2 * TARGET_S
    assert door.told == ["pause", f"take {ACCEPTS_BEHIND}"]
    overload.step(time.monotonic() + 3 * INTERVAL_S)
    assert not overload.behind
    assert not reactor.by_urgency
    assert door.told[2:] == ["resume"]


def test_who_is_quick_is_not_behind(reactor: Reactor, door: Door) -> None:
    overload = an_overload(reactor, door, target_s=60.0)
    an_interval(reactor, overload, 0.0)
    assert not overload.behind
    assert 0.0 < overload.lag_s < 60.0
    assert door.told == []


def test_no_target_may_be_so_short_that_turns_as_such_miss_it() -> None:
    assert OVERLOAD_MIN_S >= 2 * TURN_S


def test_a_marker_that_does_not_come_back_is_no_good_sign(reactor: Reactor, door: Door) -> None:
    overload = an_overload(reactor, door)
    overload.turn_used_up()
    overload.step(time.monotonic() + 1.0)
    assert overload.behind
    assert overload.lag_s >= 1.0


def test_what_has_waited_too_long_is_refused(reactor: Reactor, door: Door) -> None:
    overload = an_overload(reactor, door)
    reactor.waited_s = 0.9 * WAIT_MAX * TARGET_S
    assert not overload.refuses()
    reactor.waited_s = 1.1 * WAIT_MAX * TARGET_S
    assert overload.refuses()


def test_the_kernels_queue_is_shortened_while_it_stands_and_restored_later(reactor: Reactor, door: Door) -> None:
    overload = an_overload(reactor, door)
    door.fill(BACKLOG_MIN + 10)
    now = time.monotonic()
    overload.step(now + INTERVAL_S)
    assert door.backlog == LISTEN_BACKLOG
    overload.step(now + 2.5 * INTERVAL_S)
    assert door.backlog == BACKLOG_MIN
    door.accept_all()
    overload.step(now + 4 * INTERVAL_S)
    overload.step(now + 4 * INTERVAL_S + STEADY_S)
    assert door.backlog == LISTEN_BACKLOG


def test_the_kernels_queue_is_left_whole_by_who_no_longer_minds_it(reactor: Reactor, door: Door) -> None:
    overload = an_overload(reactor, door)
    door.fill(BACKLOG_MIN + 10)
    now = time.monotonic()
    overload.step(now + INTERVAL_S)
    overload.step(now + 2.5 * INTERVAL_S)
    assert door.backlog == BACKLOG_MIN
    overload.watch(())
    assert door.backlog == LISTEN_BACKLOG


def test_switched_off_nothing_is_done(reactor: Reactor, door: Door) -> None:
    overload = an_overload(reactor, door, target_s=float("inf"))
    door.fill(BACKLOG_MIN + 10)
    an_interval(reactor, overload, 0.02)
    now = time.monotonic()
    for number in range(2, 6):
        overload.step(now + number * INTERVAL_S)
    assert not overload.behind
    assert door.backlog == LISTEN_BACKLOG
    assert door.told == []
