"""A small world for the gossip core: one event heap, virtual time, one seed. The same seed replays exactly.

Links have delay, loss and cuts, nodes can be paused (their socket fills as a kernel's would) and restarted.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from lbmesh.gossip.core import Gossip, Output
from lbmesh.gossip.identity import Identity, KeyRing
from lbmesh.gossip.members import MemberChange
from lbmesh.gossip.notices import Notice
from lbmesh.model.address import Address
from lbmesh.model.member import MemberState

RING = KeyRing((b"k" * 32,))
SOCKET_DATAGRAMS_MAX = 256
"""What a paused node's kernel keeps for it."""

SAME_INSTANT_MAX = 10_000
"""More events than this without time going on: a deadline that its own tick does not satisfy."""

Event = Callable[[], None]


@dataclass(slots=True)
class Node:
    """One simulated node. `boots` stands for its persisted boot counter."""

    name: str
    zone: str
    address: Address
    gossip: Gossip | None = None
    paused: bool = False
    boots: int = 0
    wakes_at_s: float = float("inf")
    socket: deque[tuple[Address, bytes]] = field(default_factory=lambda: deque(maxlen=SOCKET_DATAGRAMS_MAX))


class World:
    """Nodes, links, and the time between them. The first node of each zone is everybody's seed."""

    def __init__(self, seed: int, zones: dict[str, int], *, delay_s: float = 0.001, jitter_s: float = 0.001) -> None:
        self.seed = seed
        self.now = 0.0
        self.loss = 0.0
        self.records = False
        """Keep what is sent in `sent`, as somebody on the path could."""

        self.delay_s = delay_s
        self.jitter_s = jitter_s
        self.changes: list[tuple[float, str, MemberChange]] = []
        self.notices: list[tuple[float, str, Notice]] = []
        self.sent: list[tuple[Node, Address, bytes]] = []
        self.is_cut: Callable[[Node, Node], bool] = lambda _source, _target: False
        self._rng = random.Random(seed)
        self._heap: list[tuple[float, int, Event]] = []
        self._events = 0
        self._same_instant = 0
        self.nodes: dict[str, Node] = {}
        for zone_number, (zone, size) in enumerate(zones.items()):
            for number in range(1, size + 1):
                name = f"{zone}{number}"
                self.nodes[name] = Node(name, zone, Address(f"10.0.{zone_number}.{number}", 7946))
        self._by_address = {node.address: node for node in self.nodes.values()}
        self.seeds = tuple(self.nodes[f"{zone}1"].address for zone in zones)

    # Events.

    def at(self, time_s: float, event: Event) -> None:
        """Let something happen at a time; events of the same time happen in the order of their making."""
        self._events += 1
        heapq.heappush(self._heap, (time_s, self._events, event))

    def run(self, seconds: float) -> None:
        """Let the world go on."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            time_s, _, event = heapq.heappop(self._heap)
            self._same_instant = self._same_instant + 1 if time_s == self.now else 0
            assert self._same_instant < SAME_INSTANT_MAX, f"seed {self.seed}: stuck at {time_s} s"
            self.now = time_s
            event()
        self.now = end

    def run_until(self, condition: Callable[[], bool], *, within_s: float, step_s: float = 0.01) -> float:
        """Go on until the condition holds; returns how long it took. Fails, with the seed, when it never does."""
        start = self.now
        while not condition():
            assert self.now - start <= within_s, f"seed {self.seed}: not within {within_s} s\n{self.picture()}"
            self.run(step_s)
        return self.now - start

    # Nodes.

    def start(self, *names: str) -> None:
        """Start nodes, each in its next epoch, at slightly different times."""
        for name in names:
            self.at(self.now + self._rng.random() * 0.2, partial(self._boot, self.nodes[name]))

    def start_all(self) -> None:
        """Start everybody and wait until all know all."""
        self.start(*self.nodes)
        self.run_until(self.all_alive, within_s=10.0)

    def _boot(self, node: Node) -> None:
        node.boots += 1
        node.paused = False
        node.socket.clear()
        rng = random.Random(f"{self.seed}/{node.name}/{node.boots}")
        identity = Identity(node.name, node.zone, node.address, node.boots, rng.randbytes(16))
        node.gossip = Gossip(identity=identity, key_ring=RING, seeds=self.seeds, rng=rng, now=self.now)
        self._schedule(node)

    def crash(self, *names: str) -> None:
        """SIGKILL."""
        for name in names:
            self.nodes[name].gossip = None
            self.nodes[name].socket.clear()

    def pause(self, *names: str) -> None:
        """SIGSTOP: the kernel still takes datagrams, as many as fit."""
        for name in names:
            self.nodes[name].paused = True

    def thaw(self, *names: str) -> None:
        """SIGCONT."""
        for name in names:
            node = self.nodes[name]
            node.paused = False
            self._drain(node)
            self._wake(node)

    def leave(self, name: str) -> None:
        """SIGTERM."""
        node = self.nodes[name]
        assert node.gossip is not None
        self._carry_out(node, node.gossip.leave(self.now))
        node.gossip = None

    # The loop of one node: drain, tick, sleep until the deadline.

    def _schedule(self, node: Node) -> None:
        assert node.gossip is not None
        deadline = max(node.gossip.next_deadline(), self.now)
        if deadline == node.wakes_at_s and deadline > self.now:
            return
        node.wakes_at_s = deadline
        if deadline < float("inf"):
            self.at(deadline, lambda: self._wake_if_due(node, deadline))

    def _wake_if_due(self, node: Node, deadline: float) -> None:
        if node.wakes_at_s == deadline:
            self._wake(node)

    def _wake(self, node: Node) -> None:
        node.wakes_at_s = float("inf")
        if node.gossip is None or node.paused:
            return
        self._carry_out(node, node.gossip.tick(self.now))
        self._schedule(node)

    def _drain(self, node: Node) -> None:
        while node.socket and node.gossip is not None and not node.paused:
            source, datagram = node.socket.popleft()
            self._carry_out(node, node.gossip.receive(self.now, source, datagram))
            self._schedule(node)

    def _carry_out(self, node: Node, output: Output) -> None:
        self.changes += [(self.now, node.name, change) for change in output.member_changes]
        self.notices += [(self.now, node.name, notice) for notice in output.notices]
        self.sent += [(node, address, datagram) for address, datagram in output.datagrams if self.records]
        for address, datagram in output.datagrams:
            self._send(node, address, datagram)

    def _send(self, source: Node, address: Address, datagram: bytes) -> None:
        assert len(datagram) <= 1200, f"seed {self.seed}: a datagram of {len(datagram)} bytes"
        target = self._by_address.get(address)
        if target is None or self.is_cut(source, target) or self._rng.random() < self.loss:
            return
        delay_s = self.delay_s + self._rng.random() * self.jitter_s

        def arrive() -> None:
            if target.gossip is not None:
                target.socket.append((source.address, datagram))
                self._drain(target)

        self.at(self.now + delay_s, arrive)

    # What the nodes believe.

    def state(self, observer: str, subject: str) -> MemberState | None:
        """What one node holds another for; None when it does not know it."""
        gossip = self.nodes[observer].gossip
        assert gossip is not None
        return next((member.state for member in gossip.members() if member.name == subject), None)

    def running(self) -> list[str]:
        """Names of nodes that run."""
        return [node.name for node in self.nodes.values() if node.gossip is not None and not node.paused]

    def all_see(self, subjects: Iterable[str], state: MemberState, *, observers: Iterable[str] | None = None) -> bool:
        """Do all running nodes (or these) hold all these subjects for `state`?"""
        subjects = tuple(subjects)
        return all(
            self.state(observer, subject) is state
            for observer in (self.running() if observers is None else observers)
            for subject in subjects
            if observer != subject
        )

    def all_alive(self) -> bool:
        """Does everybody run and see everybody alive?"""
        everybody_runs = all(node.gossip is not None for node in self.nodes.values())
        return everybody_runs and self.all_see(self.nodes, MemberState.ALIVE, observers=self.nodes)

    def downs(self, observers: Iterable[str], subjects: Iterable[str]) -> list[tuple[float, str, MemberChange]]:
        """Every time that one of the observers held one of the subjects for down."""
        observers, subjects = set(observers), set(subjects)
        return [
            (time_s, observer, change)
            for time_s, observer, change in self.changes
            if observer in observers and change.name in subjects and change.after is MemberState.DOWN
        ]

    def picture(self) -> str:
        """Who holds whom for what, for the message of a failed test."""
        lines = []
        for name in self.running():
            gossip = self.nodes[name].gossip
            assert gossip is not None
            lines.append(f"{name}: " + ", ".join(f"{m.name} {m.state} ({m.reason})" for m in gossip.members()))
        return "\n".join(lines)
