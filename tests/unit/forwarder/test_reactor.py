"""The reactor's promises, each on real sockets: no edge lost, nobody starved, nothing closed too early."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import structlog
import trio

from lbmesh.forwarder.reactor import DEFERRED_PER_ROUND, HUNG_UP, READ, TURN_S, WRITE, Reactor
from lbmesh.forwarder.reactor_task import run_reactor


class Recorder:
    """A handler on one end of a socket pair that does what the test says and remembers its steps."""

    def __init__(self, reactor: Reactor, action: Callable[["Recorder", int], None], *, urgent: bool = False) -> None:
        self.urgent = urgent
        self.reactor = reactor
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.steps: list[int] = []
        self.crashed = False
        self._action = action
        reactor.add_stream(self.here.fileno(), self)

    def on_ready(self, events: int) -> None:
        self.steps.append(events)
        self._action(self, events)

    def on_crash(self) -> None:
        self.crashed = True
        self.close()

    def close(self) -> None:
        self.reactor.close(self.here.fileno(), self.here)

    def clean_up(self) -> None:
        self.here.close()
        self.there.close()


def nothing(recorder: Recorder, events: int) -> None:
    del recorder, events


def drive(scenario: Callable[[Reactor], Any], *, by_urgency: bool = False) -> None:
    """Run an async scenario beside a running reactor."""

    async def main() -> None:
        reactor = Reactor(lambda: None)
        reactor.by_urgency = by_urgency
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_reactor, reactor)
                await scenario(reactor)
                nursery.cancel_scope.cancel()

    trio.run(main)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the reactor under test knows no events
        await trio.sleep(0.001)


both_orders = pytest.mark.parametrize("by_urgency", [False, True], ids=["as it comes", "by urgency"])


@both_orders
def test_a_handler_that_asks_is_stepped_again_without_an_edge(by_urgency: bool) -> None:
    def three_times(recorder: Recorder, events: int) -> None:
        del events
        if len(recorder.steps) < 3:
            recorder.reactor.again(recorder)

    async def scenario(reactor: Reactor) -> None:
        recorder = Recorder(reactor, three_times)
        await until(lambda: len(recorder.steps) >= 3)
        assert recorder.steps[1:3] == [0, 0]
        recorder.clean_up()

    drive(scenario, by_urgency=by_urgency)


@both_orders
def test_a_handler_that_asks_twice_is_stepped_once(by_urgency: bool) -> None:
    """Else one that asks at each of two steps in a round would have twice as many in each that follows."""
    reactor = Reactor(lambda: None)
    reactor.by_urgency = by_urgency
    recorder = Recorder(reactor, nothing)
    reactor.again(recorder)
    reactor.again(recorder)
    while not reactor.drain():
        continue
    assert recorder.steps.count(0) == 1
    recorder.clean_up()
    reactor.close_all()


@both_orders
def test_a_handler_that_never_stops_starves_nobody(by_urgency: bool) -> None:
    def for_ever(recorder: Recorder, events: int) -> None:
        del events
        recorder.reactor.again(recorder)

    async def scenario(reactor: Reactor) -> None:
        busy = Recorder(reactor, for_ever)
        other = Recorder(reactor, nothing)
        await until(lambda: len(busy.steps) > 100)
        before = len(other.steps)
        other.there.send(b"x")
        await until(lambda: len(other.steps) > before)
        busy.clean_up()
        other.clean_up()

    drive(scenario, by_urgency=by_urgency)


@both_orders
def test_a_descriptor_closed_in_a_batch_is_not_reused_within_it(by_urgency: bool) -> None:
    async def scenario(reactor: Reactor) -> None:
        seen: list[tuple[int, int]] = []

        def close_and_open(recorder: Recorder, events: int) -> None:
            if len(recorder.steps) == 1:
                return
            number = recorder.here.fileno()
            recorder.close()
            with socket.socket() as newcomer:
                seen.append((number, newcomer.fileno()))
            del events

        recorder = Recorder(reactor, close_and_open)
        await until(lambda: bool(recorder.steps))
        recorder.there.send(b"x")
        await until(lambda: bool(seen))
        assert seen[0][0] != seen[0][1]
        await until(lambda: recorder.here.fileno() == -1)
        recorder.there.close()

    drive(scenario, by_urgency=by_urgency)


@both_orders
def test_a_crash_ends_one_connection_and_nothing_else(by_urgency: bool) -> None:
    def crash(recorder: Recorder, events: int) -> None:
        del recorder, events
        raise RuntimeError("a violated invariant")

    async def scenario(reactor: Reactor) -> None:
        with structlog.testing.capture_logs() as logs:
            broken = Recorder(reactor, crash)
            await until(lambda: broken.crashed)
        assert "violated invariant" in logs[0]["event"]
        healthy = Recorder(reactor, nothing)
        await until(lambda: bool(healthy.steps))
        broken.there.close()
        healthy.clean_up()

    drive(scenario, by_urgency=by_urgency)


@pytest.mark.parametrize("outside", ["again", "close"])
def test_work_left_by_a_timer_is_done_though_no_socket_is_ready(outside: str) -> None:
    async def scenario(reactor: Reactor) -> None:
        recorder = Recorder(reactor, nothing)
        await until(lambda: bool(recorder.steps))
        before = len(recorder.steps)
        if outside == "again":
            reactor.step_now(recorder, lambda: reactor.again(recorder))
            await until(lambda: len(recorder.steps) > before)
            recorder.clean_up()
        else:
            reactor.step_now(recorder, recorder.close)
            await until(lambda: recorder.here.fileno() == -1)
            recorder.there.close()

    drive(scenario)


def test_what_is_under_way_is_stepped_before_new_requests() -> None:
    async def scenario(reactor: Reactor) -> None:
        steps: list[Recorder] = []

        def note(recorder: Recorder, events: int) -> None:
            if events & READ:
                steps.append(recorder)

        mixed = [Recorder(reactor, note, urgent=number % 2 == 1) for number in range(2 * DEFERRED_PER_ROUND)]
        await until(lambda: all(recorder.steps for recorder in mixed))
        for recorder in mixed:
            recorder.there.send(b"x")
        await until(lambda: len(steps) == len(mixed))
        assert steps == [one for one in mixed if one.urgent] + [one for one in mixed if not one.urgent]
        for recorder in mixed:
            recorder.clean_up()

    drive(scenario, by_urgency=True)


def test_new_requests_are_begun_a_few_at_a_time() -> None:
    """What one of them sets under way is stepped before the last of them."""

    async def scenario(reactor: Reactor) -> None:
        steps: list[str] = []

        def note(recorder: Recorder, events: int) -> None:
            if events & READ:
                steps.append("answer" if recorder.urgent else "request")
                if not recorder.urgent:
                    answer.there.send(b"x")

        answer = Recorder(reactor, note, urgent=True)
        asking = [Recorder(reactor, note) for _ in range(3 * DEFERRED_PER_ROUND)]
        await until(lambda: all(recorder.steps for recorder in asking))
        for recorder in asking:
            recorder.there.send(b"x")
        await until(lambda: steps.count("request") == len(asking))
        assert steps[: DEFERRED_PER_ROUND + 1] == ["request"] * DEFERRED_PER_ROUND + ["answer"]
        for recorder in (answer, *asking):
            recorder.clean_up()

    drive(scenario, by_urgency=True)


def test_events_that_come_while_a_request_is_deferred_are_kept() -> None:
    async def scenario(reactor: Reactor) -> None:
        first, late = [Recorder(reactor, nothing) for _ in range(DEFERRED_PER_ROUND)], Recorder(reactor, nothing)

        def send_and_close(recorder: Recorder, events: int) -> None:
            del recorder
            if events & READ:
                late.there.close()

        await until(lambda: bool(late.steps))
        waker = Recorder(reactor, send_and_close, urgent=True)
        for recorder in (*first, late, waker):
            recorder.there.send(b"x")
        await until(lambda: len(late.steps) > 1)
        assert late.steps[-1] & HUNG_UP
        assert late.steps[-1] & READ
        for recorder in (*first, late, waker):
            recorder.clean_up()

    drive(scenario, by_urgency=True)


def test_what_was_deferred_is_stepped_though_the_process_is_no_longer_behind() -> None:
    async def scenario(reactor: Reactor) -> None:
        def caught_up(recorder: Recorder, events: int) -> None:
            del events
            recorder.reactor.by_urgency = False

        recorders = [Recorder(reactor, caught_up) for _ in range(3 * DEFERRED_PER_ROUND)]
        await until(lambda: all(recorder.steps for recorder in recorders))
        assert not reactor.by_urgency
        for recorder in recorders:
            recorder.clean_up()

    drive(scenario, by_urgency=True)


def test_what_comes_while_a_turn_pauses_is_stepped_in_it_and_the_turn_ends_all_the_same() -> None:
    senders: list[threading.Timer] = []

    def send_later() -> None:
        if not senders:
            senders.append(threading.Timer(2 * TURN_S, recorder.there.send, [b"x"]))
            senders[0].start()

    reactor = Reactor(send_later)
    recorder = Recorder(reactor, nothing)
    try:
        while not reactor.drain(pause_s=20):
            continue
        assert recorder.steps[1:] == [WRITE | (READ & ~HUNG_UP)]
    finally:
        senders[0].join()
        reactor.close_all()
        recorder.clean_up()


def test_without_a_pause_nothing_is_waited_for() -> None:
    reactor = Reactor(lambda: None)
    recorder = Recorder(reactor, nothing)
    try:
        assert reactor.drain()
        assert recorder.steps == [WRITE]
        assert reactor.drain()
    finally:
        reactor.close_all()
        recorder.clean_up()
