"""What is larger than a few datagrams: asked for unit by unit, and repaired by datagrams where no stream can be."""

import random
from collections import deque

import pytest

from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import Identity, KeyRing
from lbmesh.gossip.limits import DATAGRAM_BYTES_MAX, STREAM_UNITS_MAX, STREAMS_MAX, GossipTiming
from lbmesh.gossip.records import Records
from lbmesh.gossip.streams import Streams
from lbmesh.gossip.sync import Sync
from lbmesh.gossip.turn import Output
from lbmesh.model.address import Address

RICH, POOR = Address("10.0.0.1", 7946), Address("10.0.1.1", 7946)
FROM_POOR = Address("10.0.1.1", 50123)
"""Where the poor one's stream seems to come from."""


class Pair:
    """Two nodes, of which one knows much. `streams`: may they open any?"""

    def __init__(self, rows: int, *, streams: bool) -> None:
        self.now = 0.0
        self.streams = streams
        self.opened = 0
        self.units = 0
        self.rich, self.poor = (self._node(name, at) for name, at in (("rich", RICH), ("poor", POOR)))
        for number in range(rows):
            self.rich.publish(0.0, f"row/{number}", b"x" * 60)

    def _node(self, name: str, at: Address) -> Gossip:
        identity = Identity(name, name, at, 1, name.encode().ljust(32, b"-"))
        ring, rng = KeyRing((b"k" * 32,)), random.Random(name)
        return Gossip(identity=identity, key_ring=ring, seeds=(RICH,), rng=rng, now=0.0)

    def run(self, until: int, within_s: float) -> float:
        """Until the poor one knows so many rows; returns when that was."""
        while self.known() < until:
            assert self.now <= within_s, f"{self.known()} of {until} after {self.now:.1f} s"
            self.now += 0.02
            for gossip, at in ((self.rich, RICH), (self.poor, POOR)):
                if gossip.next_deadline() <= self.now:
                    self._deliver(at, gossip.tick(self.now))
        return self.now

    def known(self) -> int:
        return sum(1 for _ in self.poor.rows("row/"))

    def _deliver(self, source: Address, output: Output) -> None:
        waiting = deque([(source, output)])
        while waiting:
            sender, made = waiting.popleft()
            for address, datagram in made.datagrams:
                assert len(datagram) <= DATAGRAM_BYTES_MAX
                target = self.rich if address == RICH else self.poor
                waiting.append((address, target.receive(self.now, sender, datagram)))
            for address in made.streams:
                assert (sender, address) == (POOR, RICH)
                waiting += self._stream()

    def _stream(self) -> list[tuple[Address, Output]]:
        if not self.streams:
            self.poor.stream_closed(RICH)
            return []
        self.opened += 1
        outputs: list[tuple[Address, Output]] = []
        to_rich = deque(self.poor.stream_opened(RICH).units)
        is_over = False
        while to_rich:
            answer = self.rich.receive_unit(self.now, FROM_POOR, to_rich.popleft())
            outputs.append((RICH, answer))
            assert len(answer.units) <= STREAM_UNITS_MAX + 2
            for unit in answer.units:
                assert not is_over, "what comes after the end"
                assert len(unit) <= DATAGRAM_BYTES_MAX
                self.units += 1
                taken = self.poor.receive_unit(self.now, RICH, unit)
                outputs.append((POOR, taken))
                to_rich += taken.units
                is_over = taken.stream_over
        assert is_over
        self.poor.stream_closed(RICH)
        return outputs


def test_thousands_of_rows_come_over_one_stream() -> None:
    pair = Pair(4000, streams=True)
    took_s = pair.run(4000, within_s=10.0)
    assert pair.opened == 1
    assert pair.units > 4000 * 60 / DATAGRAM_BYTES_MAX
    assert took_s < Pair(4000, streams=False).run(4000, within_s=300.0) / 5


def test_a_few_rows_open_no_stream() -> None:
    pair = Pair(20, streams=True)
    pair.run(20, within_s=10.0)
    assert pair.opened == 0


def test_where_no_stream_can_be_opened_datagrams_bring_everything() -> None:
    pair = Pair(1000, streams=False)
    pair.run(1000, within_s=120.0)
    assert pair.opened == 0


def streams() -> Streams:
    identity = Identity("me", "a", POOR, 1, b"s" * 32)
    return Streams(Sync(Records(identity.name, identity.incarnation, lambda *_: b""), 1100, 2), GossipTiming())


def test_one_stream_to_a_peer_few_in_all_and_not_too_often() -> None:
    opened = streams()
    addresses = [Address(f"10.0.0.{number}", 7946) for number in range(1, STREAMS_MAX + 3)]
    wanted = [opened.offered(0.0, f"peer {address}", address) for address in addresses]
    assert wanted == [True] * STREAMS_MAX + [False, False]
    assert not opened.offered(100.0, "another name", addresses[0])
    opened.closed(addresses[0])
    assert not opened.offered(1.0, f"peer {addresses[0]}", addresses[0]), "it was tried a moment ago"
    assert opened.offered(6.0, f"peer {addresses[0]}", addresses[0])


def test_a_peer_that_always_has_more_and_never_says_what_is_left_alone() -> None:
    opened = streams()
    opened.offered(0.0, "peer", RICH)
    assert len(opened.opened(RICH)) == 1
    opened.rows_came(RICH, 5)
    assert opened.answered(RICH, more=True), "it goes on while there is news"
    assert not opened.answered(RICH, more=True), "and ends without"


@pytest.mark.parametrize("more", [True, False])
def test_an_answer_nobody_asked_for_opens_nothing(more: bool) -> None:
    assert streams().answered(RICH, more=more) == []
    assert not streams().has_asked(RICH)
