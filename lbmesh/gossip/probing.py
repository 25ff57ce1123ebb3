"""This node's own edges: pings with a nonce, an adaptive timeout, three misses and the edge is broken.

Three answers in a row make it whole again, so that a path that loses most of what it carries does not flap.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from lbmesh.gossip.identity import Rng
from lbmesh.gossip.limits import GossipTiming
from lbmesh.model.address import Address

_REMEMBERED_PINGS = 8
_POKE_SPACING_S = 0.1


@dataclass(slots=True)
class Edge:
    """The path to one member. `broken` is None until the first answer or the third miss. `answers`: in a row, while it
    is broken. `heard_s`: when the last answer came.
    """

    address: Address
    slow: bool
    next_ping_s: float
    broken: bool | None = None
    misses: int = 0
    answers: int = 0
    heard_s: float = float("-inf")
    timeout_at_s: float | None = None
    last_ping_s: float = float("-inf")
    rtt_s: float | None = None
    deviation_s: float = 0.0
    pings: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_PINGS))

    def observe(self, rtt_s: float) -> None:
        """Smooth the round-trip time and its deviation (RFC 6298, section 2)."""
        if self.rtt_s is None:
            self.rtt_s, self.deviation_s = rtt_s, rtt_s / 2
        else:
            self.deviation_s += (abs(rtt_s - self.rtt_s) - self.deviation_s) / 4
            self.rtt_s += (rtt_s - self.rtt_s) / 8

    def timeout_s(self, timing: GossipTiming) -> float:
        """How long an answer may take before it counts as missed."""
        if self.rtt_s is None:
            return timing.timeout_first_s
        return min(max(self.rtt_s + 4 * self.deviation_s, timing.timeout_floor_s), timing.timeout_cap_s)


class Prober:
    """All edges of this node, by member name."""

    def __init__(self, timing: GossipTiming, rng: Rng) -> None:
        self._timing = timing
        self._rng = rng
        self.edges: dict[str, Edge] = {}
        self.flips = 0
        """How often an edge broke or came back; whoever judges looks whether it moved."""

    def watch(self, now: float, targets: Mapping[str, tuple[Address, bool]]) -> None:
        """Watch exactly these members: {name: (address, slow)}; a slow one is pinged each second."""
        for name in [name for name in self.edges if name not in targets]:
            del self.edges[name]
        for name, (address, slow) in targets.items():
            edge = self.edges.get(name)
            if edge is None:
                self.edges[name] = Edge(address, slow, now + self._rng.random() * self._timing.ping_interval_s / 2)
            elif edge.address != address:
                self.edges[name] = Edge(address, slow, now)
            elif edge.slow != slow:
                edge.slow = slow
                edge.next_ping_s = min(edge.next_ping_s, now + self._interval_s(edge) * self._stretch())

    def due(self, now: float, extra_misses: int = 0, *, drained: bool = True) -> list[tuple[Address, int]]:
        """Judge what timed out, then say which pings to send: (address, nonce). `extra_misses`: so many more misses
        break an edge, while this node has reason to doubt itself. `drained`: all that has arrived is taken; without
        that no answer counts as missed.

        Pings that fall due within `gather_s` go out together and stay together, since each step of a node has its
        price: with ten edges, a seventh of the steps that a phase of its own for each would take.
        """
        pings: list[tuple[Address, int]] = []
        stretch, soon_s = self._stretch(), now + self._timing.gather_s
        for edge in self.edges.values():
            if drained and edge.timeout_at_s is not None and now >= edge.timeout_at_s:
                edge.timeout_at_s = None
                edge.misses += 1
                edge.answers = 0
                if edge.misses >= self._timing.misses + extra_misses:
                    self._flip(edge, broken=True)
            if edge.timeout_at_s is None and soon_s >= edge.next_ping_s:
                pings.append((edge.address, self._ping(now, edge, stretch)))
        return pings

    def _ping(self, now: float, edge: Edge, stretch: float) -> int:
        nonce = self._rng.getrandbits(64)
        edge.pings.append((nonce, now))
        edge.last_ping_s = now
        edge.timeout_at_s = now + edge.timeout_s(self._timing)
        edge.next_ping_s = now + self._interval_s(edge) * stretch
        return nonce

    def _stretch(self) -> float:
        """Of an interval, so that nodes do not fall into step with each other."""
        return 0.95 + 0.1 * self._rng.random()

    def _interval_s(self, edge: Edge) -> float:
        return self._timing.down_ping_interval_s if edge.slow and not edge.answers else self._timing.ping_interval_s

    def pong(self, now: float, name: str, nonce: int) -> None:
        """An answer came. A late one counts, too, up to 1.5 s: it teaches the timeout."""
        edge = self.edges.get(name)
        if edge is None:
            return
        sent_s = next((sent_s for sent, sent_s in edge.pings if sent == nonce), float("-inf"))
        if now - sent_s > self._timing.late_pong_s:
            return
        edge.pings.remove((nonce, sent_s))
        edge.observe(now - sent_s)
        edge.heard_s = now
        edge.misses = 0
        edge.answers += 1
        if edge.answers >= self._timing.answers or not edge.broken:
            self._flip(edge, broken=False)
        if sent_s == edge.last_ping_s:
            edge.timeout_at_s = None
        if edge.broken:
            edge.next_ping_s = min(edge.next_ping_s, now + self._interval_s(edge) * self._stretch())

    def awaits(self, now: float, name: str, nonce: int) -> bool:
        """Is this the nonce of a ping to this member that may still be answered?"""
        edge = self.edges.get(name)
        sent = edge.pings if edge else ()
        return any(known == nonce and now - sent_s <= self._timing.late_pong_s for known, sent_s in sent)

    def _flip(self, edge: Edge, *, broken: bool) -> None:
        self.flips += edge.broken is not broken
        edge.broken = broken

    def poke(self, now: float, name: str) -> None:
        """The member has been heard although its edge is broken: ping it at once."""
        edge = self.edges.get(name)
        if edge is not None and edge.broken and now - edge.last_ping_s >= _POKE_SPACING_S:
            edge.timeout_at_s = None
            edge.next_ping_s = now

    def restart(self, now: float, name: str) -> None:
        """The member started anew: what was missed by its earlier self says nothing."""
        edge = self.edges.get(name)
        if edge is not None:
            self.edges[name] = Edge(edge.address, edge.slow, now)

    def forgive(self, now: float) -> None:
        """This node was paused: no outstanding ping says anything about anybody else."""
        for edge in self.edges.values():
            edge.pings.clear()
            edge.timeout_at_s = None
            edge.misses = 0
            edge.next_ping_s = now + self._rng.random() * self._timing.ping_interval_s / 2

    def broken(self) -> dict[str, bool]:
        """{name: broken} of all tested edges."""
        return {name: edge.broken for name, edge in self.edges.items() if edge.broken is not None}

    def deadline_s(self) -> float:
        """When the first edge needs attention; infinity when there is none. One ping of an edge is outstanding at a
        time.
        """
        due_s = float("inf")
        for edge in self.edges.values():  # Asked after each datagram: a loop costs half of min() over a generator.
            edge_due_s = edge.next_ping_s if edge.timeout_at_s is None else edge.timeout_at_s
            if edge_due_s < due_s:
                due_s = edge_due_s
        return due_s
