"""Front cores on a simulated network that loses, delays, reorders and splits, with clocks that differ and drivers that
take their time. What clients would meet is what the simulated kernels hold.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import TypeVar

from lbmesh.failover.claims import Claim, FrontState, Grant
from lbmesh.failover.fronts import Fronts
from lbmesh.failover.guards import Outlook
from lbmesh.failover.lease import Electorate, electorate
from lbmesh.failover.orders import (
    Acquire,
    Done,
    Drain,
    Drained,
    Failed,
    Found,
    Occupied,
    Order,
    Outcome,
    Release,
    Renew,
)
from lbmesh.failover.plan import Lost, Standing
from lbmesh.failover.sight import Move, Sight
from lbmesh.model.front import Front

STEP_S = 0.02
TELL_S = 0.2
"""How often a node tells all its rows again, as gossip repairs them."""

DOWN_AFTER_S = 1.0
"""A node that was not heard for so long is no member any more …"""

GONE_AFTER_S = 0.1
"""… and one that was not heard for so long is gone, for those who judge it."""

BEAT_S = 0.02
KERNEL_LEASE_S = 0.3
"""What the sentinel renews: a frozen node is silent after that."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """All that an owner says, in one start."""

    owner: str
    start: int
    version: int
    claims: Mapping[str, Claim]
    grants: Mapping[str, Grant]


@dataclass(slots=True)
class FrontNode:
    """`rate`: seconds of its clock in one of the world's. `kernel`: {front: until when it answers, by its clock}."""

    name: str
    zone: str
    rate: float
    offset_s: float
    core: Fronts | None = None
    start: int = 0
    version: int = 0
    willing: bool = True
    frozen: bool = False
    frozen_s: float = 0.0
    claims: dict[str, Claim] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    known: dict[str, _Rows] = field(default_factory=dict)
    heard_s: dict[str, float] = field(default_factory=dict)
    kernel: dict[str, float] = field(default_factory=dict)
    ordered: list[Order] = field(default_factory=list)
    inbox: list[Outcome] = field(default_factory=list)
    told_s: float = -inf
    beat_s: float = -inf


T = TypeVar("T")


def _update(rows: dict[str, T], changes: Mapping[str, T | None]) -> None:
    for name, value in changes.items():
        if value is None:
            rows.pop(name, None)
        else:
            rows[name] = value


def _words(order: Order, now: float) -> str:
    left = f" for {order.until_s - now:.2f} s" if isinstance(order, Acquire | Renew) else ""
    return f"{type(order).__name__} {order.front.name}, epoch {order.epoch}{left}"


class FrontWorld:
    """`zones`: {node: zone}. `witnesses`: nodes that vote and hold nothing. `driver`: what becomes of an order, after
    how long; by default all succeed at once.
    """

    def __init__(
        self,
        zones: Mapping[str, str],
        fronts: Collection[Front],
        *,
        seed: int = 1,
        witnesses: Collection[str] = (),
        rates: Mapping[str, float] | None = None,
        drain_s: float = 0.5,
        judges: Callable[[str], Collection[str]] | None = None,
        uses_gone: bool = True,
        step_s: float = STEP_S,
    ) -> None:
        self.now = 100.0
        self.step_s = step_s
        self.rng = Random(seed)
        self.fronts = tuple(fronts)
        self.loss, self.delay_s, self.late_s = 0.0, (0.001, 0.02), 0.0
        self.is_cut: Callable[[str, str], bool] = lambda _source, _target: False
        self.driver: Callable[[str, Order], tuple[float, str]] = lambda _node, _order: (0.001, "")
        self.finds_occupied = False
        self.log: deque[str] = deque(maxlen=400)
        """What was ordered and voted, for the message of a failure."""

        self.moves: list[tuple[float, str, Move]] = []
        self.outlook: Callable[[str, Outlook], Outlook] = lambda _node, seen: seen
        self.on_step: Callable[[], None] = lambda: None
        self.members = {name: zone for name, zone in zones.items() if name not in witnesses}
        self._witnesses = frozenset(witnesses)
        self._judges = judges or (lambda name: [other for other in self.members if other != name])
        self._uses_gone = uses_gone
        self._drain_s = drain_s
        self._electorate = self.votes()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self.nodes = {
            name: FrontNode(name, zone, (rates or {}).get(name, 1.0), self.rng.uniform(-1e6, 1e6))
            for name, zone in zones.items()
        }

    def votes(self) -> Electorate:
        """Who votes."""
        by_zone: dict[str, list[str]] = {}
        for name, zone in self.members.items():
            by_zone.setdefault(zone, []).append(name)
        return electorate(by_zone.items(), self._witnesses)

    # What goes wrong

    def start(self, *names: str) -> None:
        """These start; all that do not run by default."""
        for name in names or [node.name for node in self.nodes.values() if node.core is None]:
            node = self.nodes[name]
            node.start += 1
            node.version = 0
            node.claims, node.grants, node.known, node.heard_s = {}, {}, {}, {}
            # What the kernel has is there for a new agent's drivers to find.
            node.inbox = [Found(held, 1) for held in node.kernel]
            node.ordered, node.frozen, node.told_s = [], False, -inf
            node.core = Fronts(
                name,
                self.fronts,
                now=self.local_s(node),
                session=f"{name}/{node.start}",
                electorate=self._electorate,
                drain_s=self._drain_s,
            )

    def kill(self, *names: str) -> None:
        """The whole node dies."""
        for name in names:
            self.nodes[name].core = None
            self.nodes[name].kernel.clear()

    def restart_agent(self, name: str) -> None:
        """The agent dies and another starts; what the kernel has, it keeps, and drivers find it."""
        node = self.nodes[name]
        if node.core is None:
            return
        self.start(name)

    def freeze(self, *names: str) -> None:
        """SIGSTOP."""
        for name in names:
            self.nodes[name].frozen, self.nodes[name].frozen_s = True, self.now

    def thaw(self, *names: str) -> None:
        """SIGCONT."""
        for name in names:
            self.nodes[name].frozen = False

    # What is so

    def local_s(self, node: FrontNode) -> float:
        """What a node's clock shows."""
        return self.now * node.rate + node.offset_s

    def answers(self, name: str, front: Front) -> bool:
        """Would this node answer a client of the front?"""
        node = self.nodes[name]
        until_s = node.kernel.get(front.name, -inf)
        is_renewed = not node.frozen or self.now < node.frozen_s + KERNEL_LEASE_S
        return node.core is not None and is_renewed and self.local_s(node) < until_s

    def holders(self, front: Front) -> list[str]:
        """All nodes that would answer."""
        return [name for name in self.nodes if self.answers(name, front)]

    def states(self, front: Front) -> dict[str, FrontState]:
        """What each running node makes of the front."""
        return {
            node.name: status.state
            for node in self.nodes.values()
            if node.core is not None
            for status in node.core.statuses()
            if status.front.name == front.name
        }

    # Time

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_s = self.now + seconds
        while self.now < end_s:
            self.now += self.step_s
            while self._events and self._events[0][0] <= self.now:
                heappop(self._events)[2]()
            for node in self.nodes.values():
                if node.core is not None and not node.frozen:
                    self._turn(node, node.core)
            self.on_step()

    def _turn(self, node: FrontNode, core: Fronts) -> None:
        now = self.local_s(node)
        for outcome in node.inbox:
            core.take(now, outcome)
        node.inbox.clear()
        core.see(now, self._sight(node))
        output = core.step(now)
        for order in output.orders:
            node.ordered.append(order)
            self.log.append(f"{self.now:.2f} {node.name} {_words(order, now)}")
            self._carry_out(node, order)
        self.moves += [(self.now, node.name, move) for move in output.moves]
        _update(node.claims, output.claims)
        _update(node.grants, output.grants)
        self.log += [f"{self.now:.2f} {node.name} votes on {name}: {vote}" for name, vote in output.grants.items()]
        if output.claims or output.grants:
            node.version += 1
        if output.claims or output.grants or self.now >= node.told_s + TELL_S:
            node.told_s = self.now
            self._tell(node)
        elif self.now >= node.beat_s + BEAT_S:
            node.beat_s = self.now
            self._send(node, None)

    def _sight(self, node: FrontNode) -> Sight:
        live = {name: rows for name, rows in node.known.items() if self.now < node.heard_s[name] + DOWN_AFTER_S}
        nodes = {name: Standing(self.members[name], self.nodes[name].willing) for name in live if name in self.members}
        if node.name in self.members:
            nodes[node.name] = Standing(node.zone, node.willing)
        silent = {name for name in nodes if name != node.name and self.now >= node.heard_s[name] + GONE_AFTER_S}
        gone = {}
        if self._uses_gone:
            for name in silent:
                judges = frozenset(self._judges(name))
                if node.name in judges:
                    gone[name] = Lost(judges, frozenset(judges & silent))
        claims: dict[str, dict[str, Claim]] = {}
        grants: dict[str, dict[str, Grant]] = {}
        for name, rows in live.items():
            for front, claim in rows.claims.items():
                claims.setdefault(front, {})[name] = claim
            for front, grant in rows.grants.items():
                grants.setdefault(front, {})[name] = grant
        peers = len(node.known)
        seen = Outlook(peers=peers, hears_peer=len(silent) < len(live) or not peers)
        return Sight(nodes, gone, claims, grants, self.outlook(node.name, seen))

    def _tell(self, node: FrontNode) -> None:
        self._send(node, _Rows(node.name, node.start, node.version, dict(node.claims), dict(node.grants)))

    def _send(self, node: FrontNode, rows: _Rows | None) -> None:
        start, source = node.start, node.name
        for target in self.nodes.values():
            if target is node or self.is_cut(source, target.name) or self.rng.random() < self.loss:
                continue
            delay_s = self.rng.uniform(*self.delay_s) + self.rng.random() * self.late_s
            self._later(delay_s, lambda target=target: self._arrive(target, source, start, rows))  # type: ignore[misc]

    def _arrive(self, target: FrontNode, source: str, start: int, rows: _Rows | None) -> None:
        if target.core is None:
            return
        known = target.known.get(source)
        if rows is not None and (known is None or (known.start, known.version) <= (rows.start, rows.version)):
            target.known[source] = rows
        if source in target.known and start >= target.known[source].start:
            target.heard_s[source] = self.now

    def _later(self, delay_s: float, event: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._events, (self.now + delay_s, self._order, event))

    # Drivers

    def _carry_out(self, node: FrontNode, order: Order) -> None:
        name = order.front.name
        if isinstance(order, Renew):
            if name in node.kernel:
                node.kernel[name] = order.until_s
            return
        after_s, problem = self.driver(node.name, order)
        start = node.start
        self._later(after_s, lambda: self._carried_out(node, start, order, problem))

    def _carried_out(self, node: FrontNode, start: int, order: Order, problem: str) -> None:
        if node.core is None or node.start != start:
            return
        name = order.front.name
        match order:
            case Acquire(ticket=ticket) if problem:
                node.inbox.append(Failed(name, ticket, problem))
            case Acquire(ticket=ticket, ask_first=True) if self.finds_occupied and (
                others := [one for one in self.holders(order.front) if one != node.name]
            ):
                node.inbox.append(Occupied(name, ticket, others[0]))
            case Acquire(ticket=ticket, until_s=until_s):
                own = (one for one in reversed(node.ordered) if one.front.name == name)
                newest = next(one for one in own if isinstance(one, Acquire | Release))
                if newest.ticket == ticket:
                    node.kernel[name] = until_s
                node.inbox.append(Done(name, ticket))
            case Release(ticket=ticket):
                node.kernel.pop(name, None)
                node.inbox.append(Failed(name, ticket, problem) if problem else Done(name, ticket))
            case Drain():
                node.inbox.append(Drained(name))
            case _:
                pass
