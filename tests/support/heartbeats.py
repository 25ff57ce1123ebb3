"""Heartbeat cores on one simulated clock, with a network between them and shells that may pause."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from random import Random

from lbmesh.failover.heartbeats import Heartbeats
from lbmesh.failover.table import RingKey, Station, partner_table
from lbmesh.failover.words import Gone, Output, Partner, Vitals, Word
from lbmesh.model.address import Address

RING = (RingKey(b"key1", b"1" * 32),)
HEALTHY = Vitals(forwarders=2)
STEPS_MAX = 1_000_000
"""More than this in one run means that a core asks to be called again and again at one time."""


def station(name: str, zone: str, start: int = 1) -> Station:
    """A node's station; another start is another session."""
    number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=2).digest(), "big")
    session = hashlib.blake2b(f"{name} {start}".encode(), digest_size=16).digest()
    host = f"10.0.{number >> 8}.{number & 255}"
    return Station(name, zone, Address(host, 7947), session, Address(host, 80))


@dataclass(slots=True)
class SimulatedNode:
    """One core, its inbox, and what it said: (when, word)."""

    station: Station
    core: Heartbeats
    vitals: Vitals = HEALTHY
    inbox: list[bytes] = field(default_factory=list)
    said: list[tuple[float, Word]] = field(default_factory=list)
    sent: list[tuple[Address, bytes]] = field(default_factory=list)
    is_dead: bool = False
    paused_until_s: float = 0.0
    front_answers: bool = True


class HeartbeatWorld:
    """All nodes know of each other what `tell` has told them."""

    def __init__(self, living: dict[str, str], *, delay_s: float = 0.001, loss: float = 0.0, seed: int = 1) -> None:
        self.now = 100.0
        self.rng = Random(seed)
        self.delay_s, self.loss = delay_s, loss
        self.lateness: Callable[[], float] = lambda: 0.0
        self.cut: set[tuple[str, str]] = set()
        self.nodes: dict[str, SimulatedNode] = {}
        self._tables: dict[str, tuple[Partner, ...]] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._planned: dict[str, float] = defaultdict(lambda: inf)
        for name, zone in living.items():
            self.start(name, zone)
        self.tell()

    def start(self, name: str, zone: str, start: int = 1) -> None:
        """A node's sentinel starts. Nobody knows of it yet."""
        own = station(name, zone, start)
        self.nodes[name] = SimulatedNode(own, Heartbeats(own.session))

    def tell(self, *names: str, without: tuple[str, ...] = (), ring: tuple[RingKey, ...] = RING) -> None:
        """Give these nodes (all, by default) the table of everybody but `without`."""
        for name in names or tuple(self.nodes):
            node = self.nodes[name]
            others = [one.station for one in self.nodes.values() if one is not node and one.station.name not in without]
            table = partner_table(node.station, others, dict.fromkeys(self.nodes, ring))
            self._tables[name] = table
            self.take(name, node.core.set_partners(self.now, name, table))

    def partners_of(self, name: str) -> tuple[Partner, ...]:
        """The table that the node was given last."""
        return self._tables[name]

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_s = self.now + seconds
        steps = 0
        while self._due and self._due[0][0] <= end_s:
            at_s, _, action = heappop(self._due)
            self.now = max(self.now, at_s)
            action()
            steps += 1
            assert steps < STEPS_MAX
        self.now = end_s

    def gone_at(self, name: str) -> set[str]:
        """Whom this node takes for gone now."""
        gone: set[str] = set()
        for _, word in self.nodes[name].said:
            gone = gone | {word.name} if isinstance(word, Gone) else gone - {word.name}
        return gone

    def words(self, kind: type[Word]) -> list[tuple[float, str, Word]]:
        """All words of a kind: when, who, what."""
        return sorted(
            ((at_s, name, word) for name, node in self.nodes.items() for at_s, word in node.said if type(word) is kind),
            key=lambda said: said[0],
        )

    def pause(self, name: str, seconds: float) -> None:
        """The node's sentinel stands still."""
        self.nodes[name].paused_until_s = self.now + seconds

    def deliver(self, name: str, datagram: bytes) -> None:
        """A datagram arrives."""
        node = self.nodes[name]
        node.inbox.append(datagram)
        self._wake(name, self.now + self.lateness())

    def take(self, name: str, output: Output) -> None:
        """Do what a core asks for."""
        node = self.nodes[name]
        node.said += [(self.now, word) for word in output.words]
        node.sent += output.datagrams
        for address, datagram in output.datagrams:
            (to,) = [other for other, one in self.nodes.items() if one.station.address == address]
            if (name, to) not in self.cut and self.rng.random() >= self.loss:
                self._later(self.delay_s, lambda to=to, data=datagram: self.deliver(to, data))  # type: ignore[misc]
        for probe in output.probes:
            (target,) = [one for one in self.nodes.values() if one.station.front == probe.front]
            reachable = (name, target.station.name) not in self.cut
            alive = target.front_answers and not target.is_dead and reachable
            after_s = 0.002 if reachable and (alive or target.is_dead) else probe.timeout_s
            self._later(after_s, lambda number=probe.number, alive=alive: self._probed(name, number, alive))  # type: ignore[misc]
        self._wake(name, node.core.next_deadline() + self.lateness())

    def _probed(self, name: str, number: int, alive: bool) -> None:
        self.nodes[name].core.probe_ended(number, alive=alive, detail="answers" if alive else "refuses connections")
        self._wake(name, self.now)

    def _wake(self, name: str, at_s: float) -> None:
        at_s = max(at_s, self.now, self.nodes[name].paused_until_s)
        if at_s < 1e9 and at_s < self._planned[name]:
            self._planned[name] = at_s
            self._later(at_s - self.now, lambda: self._step(name, at_s))

    def _step(self, name: str, planned_s: float) -> None:
        node = self.nodes[name]
        if node.is_dead or planned_s != self._planned[name]:
            return
        self._planned[name] = inf
        if self.now < node.paused_until_s:
            self._wake(name, node.paused_until_s)
            return
        for datagram in node.inbox:
            node.core.receive(self.now, datagram)
        node.inbox.clear()
        self.take(name, node.core.tick(self.now, node.vitals))

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._due, (self.now + delay_s, self._order, action))
