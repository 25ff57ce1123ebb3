"""The world: nodes, network, replicas and the time between them, all from one seed. The same seed replays exactly."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from random import Random
from typing import Protocol

from lbmesh.config.settings import FailoverSettings
from lbmesh.control.inputs import ProbeResult
from lbmesh.gossip.identity import Identity
from lbmesh.gossip.limits import PROFILES, GossipTiming
from lbmesh.gossip.members import MemberChange
from lbmesh.gossip.notices import Notice
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.front import Front
from lbmesh.model.member import MemberState
from lbmesh.model.service import HealthCheck
from tests.sim import tables
from tests.sim.clock import NodeClock
from tests.sim.cores import Birth, GossipOnly, MakeCore, Step, WholePlane
from tests.sim.events import Event, Events
from tests.sim.network import Conditions, End, Matches, Network, anywhere
from tests.sim.node import Node
from tests.sim.replicas import Replicas

START_SPREAD_S = 0.2
REMEMBERED = 400
"""Events kept for the message of a failure."""


class Witness(Protocol):
    """Looks on, and may complain."""

    def stepped(self, node: Node, step: Step) -> None:
        """The node took a step."""

    def turned(self) -> None:
        """Who runs, or what the network does, has just changed."""


class World:
    """The first node of each zone is everybody's seed. `zones`: how many nodes in each.

    `replicas`: None runs gossip alone; a number runs whole planes, which balance so many. `clocks`: each node's.
    `others`: nodes by name that run something else, such as a liar. `timing`: of gossip alone. `fronts` and
    `failover`: of whole planes.
    """

    def __init__(
        self,
        seed: int,
        zones: dict[str, int],
        *,
        delay_s: float = 0.001,
        jitter_s: float = 0.001,
        replicas: int | None = None,
        check: HealthCheck | None = None,
        clocks: Callable[[Random], NodeClock] = lambda _: NodeClock(),
        others: Mapping[str, MakeCore] | None = None,
        timing: GossipTiming = PROFILES["fast"],
        fronts: tuple[Front, ...] = (),
        failover: FailoverSettings = FailoverSettings(),  # noqa: B008
    ) -> None:
        self.seed = seed
        self._fronts, self._failover = fronts, failover
        self._timing = timing
        self.records = False
        """Keep what is sent in `sent`, as somebody on the path could."""

        self.changes: list[tuple[float, str, MemberChange]] = []
        self.notices: list[tuple[float, str, Notice]] = []
        self.sent: list[tuple[Node, Address, bytes]] = []
        self.log: deque[tuple[float, str]] = deque(maxlen=REMEMBERED)
        self.witnesses: list[Witness] = []
        self.events = Events()
        self.replicas = None if replicas is None else Replicas(zones, replicas, check or HealthCheck())
        self._rng = Random(seed)
        self._trace = hashlib.blake2b(digest_size=16)
        self.network = Network(self.events, Random(f"{seed}/network"), delay_s, jitter_s)
        self.network.on_change = self.turned
        self.nodes: dict[str, Node] = {}
        self._make = self._maker()
        self._others = others or {}
        for zone_number, (zone, size) in enumerate(zones.items()):
            for number in range(1, size + 1):
                self._add(
                    f"{zone}{number}", zone, Address(f"10.{number // 256}.{zone_number}.{number % 256}", 7946), clocks
                )
        self.seeds = tuple(self.nodes[f"{zone}1"].address for zone in zones)

    def _maker(self) -> MakeCore:
        if self.replicas is None:
            return partial(GossipOnly, timing=self._timing)
        return partial(WholePlane, service=self.replicas.service(), fronts=self._fronts, failover=self._failover)

    def _add(self, name: str, zone: str, address: Address, clocks: Callable[[Random], NodeClock]) -> None:
        rng = Random(f"{self.seed}/{name}")
        node = self.nodes[name] = Node(self, name, zone, address, clocks(rng), rng)
        self.network.attach(node)

    # Time.

    @property
    def now(self) -> float:
        """The world's time in seconds."""
        return self.events.now

    def at(self, time_s: float, event: Event) -> None:
        """Let something happen at a time."""
        self.events.at(time_s, event)

    def run(self, seconds: float) -> None:
        """Let the world go on."""
        self.events.run_to(self.now + seconds)

    def run_until(self, condition: Callable[[], bool], *, within_s: float, step_s: float = 0.01) -> float:
        """Go on until the condition holds; returns how long it took. Fails, with the seed, when it never does."""
        start = self.now
        while not condition():
            assert self.now - start <= within_s, f"seed {self.seed}: not within {within_s} s\n{self.picture()}"
            self.run(step_s)
        return self.now - start

    # What the network does everywhere.

    @property
    def loss(self) -> float:
        """The probability that a datagram is lost, on every link."""
        return self.network.base.loss

    @loss.setter
    def loss(self, loss: float) -> None:
        self.network.base = replace(self.network.base, loss=loss)

    @property
    def jitter_s(self) -> float:
        """Up to how much longer than the delay a datagram takes, on every link."""
        return self.network.base.jitter_s

    @jitter_s.setter
    def jitter_s(self, jitter_s: float) -> None:
        self.network.base = replace(self.network.base, jitter_s=jitter_s)

    def cut(self, matches: Matches) -> Conditions:
        """Cut these links, from source to target. Returns what lifts the cut."""
        return self.network.impose(Conditions(matches, loss=1.0))

    @property
    def is_cut(self) -> Matches:
        """Which links are cut. To set it heals all other conditions."""
        return lambda source, target: self.network.link(source, target).is_cut

    @is_cut.setter
    def is_cut(self, matches: Matches) -> None:
        self.network.heal()
        self.cut(matches)

    def isolate(self, *names: str) -> Conditions:
        """Cut these nodes off from all others, in both directions."""
        return self.cut(lambda source, target: (source.name in names) != (target.name in names))

    # Nodes.

    def start(self, *names: str) -> None:
        """Start nodes, each in its next epoch, at slightly different times."""
        for name in names:
            self.at(self.now + self._rng.random() * START_SPREAD_S, partial(self.boot, name))

    def start_all(self) -> None:
        """Start everybody and wait until all know all."""
        self.start(*self.nodes)
        self.run_until(self.all_alive, within_s=10.0)

    def start_converged(self) -> None:
        """Start everybody, knowing everybody. A real join of a thousand nodes costs hours of processor time."""
        for name in self.nodes:
            self.boot(name)
        for node in self.nodes.values():
            for other in self.nodes.values():
                if node is not other and node.gossip and other.gossip:
                    changes = tables.introduce(node.gossip, other.gossip, node.now_s())
                    node.believes.update((change.name, change.after) for change in changes)

    def boot(self, name: str) -> None:
        """Start a node now, in its next epoch, unless it runs."""
        node = self.nodes[name]
        if node.core is None:
            node.boots += 1
            node.generation = 1
            self._run(node)

    def restart_agent(self, name: str) -> None:
        """The agent dies and is started anew, while the forwarders serve on from the last View."""
        node = self.nodes[name]
        node.die()
        node.boots += 1
        node.generation += 1
        self._run(node)

    def _run(self, node: Node) -> None:
        rng = Random(f"{self.seed}/{node.name}/{self.now}")
        identity = Identity(node.name, node.zone, node.address, node.boots, rng.randbytes(32))
        inherited = node.view if node.generation > 1 else None
        node.view = None
        birth = Birth(identity, self.seeds, rng, node.now_s(), node.generation, inherited)
        self.say(f"{node.name} starts in epoch {node.boots}")
        node.run(self._others.get(node.name, self._make)(birth))
        self.turned()

    def crash(self, *names: str) -> None:
        """SIGKILL."""
        for name in names:
            self.say(f"{name} crashes")
            self.nodes[name].die()
        self.turned()

    def pause(self, *names: str) -> None:
        """SIGSTOP: the kernel still takes datagrams, as many as fit."""
        for name in names:
            self.say(f"{name} is stopped")
            self.nodes[name].paused = True
        self.turned()

    def thaw(self, *names: str) -> None:
        """SIGCONT."""
        for name in names:
            self.say(f"{name} goes on")
            self.nodes[name].thaw()
        self.turned()

    def leave(self, name: str) -> None:
        """SIGTERM."""
        self.say(f"{name} leaves")
        self.nodes[name].leave()
        self.turned()

    # What the nodes ask of the world.

    def noted(self, node: Node, step: Step) -> None:
        """A node took a step: note it, and let the witnesses see it."""
        now = self.now
        for change in step.changes:
            self.changes.append((now, node.name, change))
            self.log.append((now, f"{node.name}: {change.name} {change.before} to {change.after}: {change.reason}"))
        self.notices += [(now, node.name, notice) for notice in step.notices]
        if self.records:
            self.sent += [(node, address, datagram) for address, datagram in step.datagrams]
        self._trace.update(f"{now!r} {node.name} {len(step.probes)} {step.rejected} {step.changes}".encode())
        for address, datagram in step.datagrams:
            self._trace.update(f"{address}".encode() + datagram)
        for witness in self.witnesses:
            witness.stepped(node, step)

    def answer(self, node: Node, order: ProbeOrder) -> tuple[float, ProbeResult]:
        """A node probes a replica."""
        assert self.replicas is not None
        return self.replicas.answer(order, node.zone)

    def turned(self) -> None:
        """Who runs, or what the network does, has changed."""
        for witness in self.witnesses:
            witness.turned()

    def say(self, what: str) -> None:
        """Keep it for the message of a failure."""
        self.log.append((self.now, what))

    # What the nodes believe.

    def state(self, observer: str, subject: str) -> MemberState | None:
        """What one node holds another for; None when it does not know it."""
        return self.nodes[observer].believes.get(subject)

    def running(self) -> list[str]:
        """Names of nodes that run."""
        return [node.name for node in self.nodes.values() if node.is_up]

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
        everybody_runs = all(node.core is not None for node in self.nodes.values())
        return everybody_runs and self.all_see(self.nodes, MemberState.ALIVE, observers=self.nodes)

    def downs(self, observers: Iterable[str], subjects: Iterable[str]) -> list[tuple[float, str, MemberChange]]:
        """Every time that one of the observers held one of the subjects for down."""
        observers, subjects = set(observers), set(subjects)
        return [
            (time_s, observer, change)
            for time_s, observer, change in self.changes
            if observer in observers and change.name in subjects and change.after is MemberState.DOWN
        ]

    def trace(self) -> str:
        """A digest of every step, datagram and change so far."""
        return self._trace.hexdigest()

    def picture(self) -> str:
        """Who holds whom for what, and the last events, for the message of a failed test."""
        lines = []
        for name in self.running():
            gossip = self.nodes[name].gossip
            assert gossip is not None
            lines.append(f"{name}: " + ", ".join(f"{m.name} {m.state} ({m.reason})" for m in gossip.members()))
        lines += [f"{time_s:10.3f} {what}" for time_s, what in self.log]
        return "\n".join(lines)


__all__ = ["Conditions", "End", "Node", "World", "anywhere"]
