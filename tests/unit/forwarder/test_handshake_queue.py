"""Handshakes wait for their turn: a few steps a round, in the order they came, and one bug ends one connection."""

import pytest

from lbmesh.forwarder.handshake_queue import HANDSHAKES_PER_ROUND, HandshakeQueue
from lbmesh.forwarder.reactor import Reactor


class Shaking:
    closed = False

    def __init__(self, number: int, stepped: list[int]) -> None:
        self._number = number
        self._stepped = stepped
        self.is_broken = self.has_crashed = False

    def step_handshake(self) -> None:
        self._stepped.append(self._number)
        if self.is_broken:
            raise RuntimeError("a bug")

    def on_crash(self) -> None:
        self.has_crashed = True


def test_a_round_takes_a_few_first_come_first_served() -> None:
    stepped: list[int] = []
    queue = HandshakeQueue(Reactor(lambda: None))
    for number in range(2 * HANDSHAKES_PER_ROUND + 1):
        queue.add(Shaking(number, stepped))
    for rounds in range(1, 4):
        queue.on_ready(0)
        assert stepped == list(range(min(rounds * HANDSHAKES_PER_ROUND, 2 * HANDSHAKES_PER_ROUND + 1)))


def test_the_reactor_steps_until_none_waits_and_leaves_out_who_left() -> None:
    stepped: list[int] = []
    reactor = Reactor(lambda: None)
    queue = HandshakeQueue(reactor)
    waiting = [Shaking(number, stepped) for number in range(3 * HANDSHAKES_PER_ROUND)]
    for each in waiting:
        queue.add(each)
    waiting[1].closed = True
    while not reactor.drain():
        continue
    assert stepped == [number for number in range(len(waiting)) if number != 1]


def test_a_bug_in_one_ends_that_one_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    stepped: list[int] = []
    reactor = Reactor(lambda: None)
    queue = HandshakeQueue(reactor)
    waiting = [Shaking(number, stepped) for number in range(3)]
    waiting[0].is_broken = True
    for each in waiting:
        queue.add(each)
    while not reactor.drain():
        continue
    assert stepped == [0, 1, 2]
    assert [each.has_crashed for each in waiting] == [True, False, False]
    assert "a bug" in capsys.readouterr().out
