"""What runs on a node: the gossip core alone, or a whole control plane around it. Both are the real ones."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Protocol

from lbmesh.config.settings import FailoverSettings, GossipSettings, NodeSettings, Settings
from lbmesh.control.heartbeat import Heartbeat
from lbmesh.control.inputs import Effects, ProbeResult
from lbmesh.control.link import Telemetry
from lbmesh.control.plane import Plane
from lbmesh.failover.orders import Order, Outcome
from lbmesh.failover.table import Station
from lbmesh.failover.words import Word
from lbmesh.gossip.codec import encode_edges
from lbmesh.gossip.core import Gossip, Output
from lbmesh.gossip.identity import Identity, KeyRing, member_id
from lbmesh.gossip.limits import PROFILES, GossipTiming
from lbmesh.gossip.members import MemberChange
from lbmesh.gossip.notices import Notice
from lbmesh.gossip.records import EDGES_KEY
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.front import Front
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.service import ReplicaId, Service
from lbmesh.model.view import View

RING = KeyRing((b"k" * 32,))


@dataclass(frozen=True, slots=True)
class Step:
    """What one input to a node brought. `rejected`: why a datagram changed nothing."""

    datagrams: tuple[tuple[Address, bytes], ...] = ()
    changes: tuple[MemberChange, ...] = ()
    notices: tuple[Notice, ...] = ()
    probes: tuple[ProbeOrder, ...] = ()
    view: View | None = None
    rejected: str | None = None
    orders: tuple[Order, ...] = ()


class Core(Protocol):
    """A node's brain. Times are the node's own seconds."""

    @property
    def gossip(self) -> Gossip: ...
    def start(self, now: float) -> Step: ...
    def receive(self, now: float, source: Address, datagram: bytes) -> Step: ...
    def tick(self, now: float) -> Step: ...
    def leave(self, now: float) -> Step: ...
    def probe_finished(self, now: float, replica: ReplicaId, result: ProbeResult) -> Step: ...
    def front_outcome(self, now: float, outcome: Outcome) -> Step: ...
    def word(self, now: float, word: Word) -> Step: ...
    def forwarder_reports(self, now: float) -> Step: ...
    def send_failed(self, now: float, address: Address) -> None: ...
    def next_deadline(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Birth:
    """Everything a core needs to start. `inherited`: the View its forwarders serve from, if an agent ran before."""

    identity: Identity
    seeds: tuple[Address, ...]
    rng: Random
    now: float
    generation: int = 1
    inherited: View | None = None


MakeCore = Callable[[Birth], Core]


class GossipOnly:
    """The gossip core without the rest: what the detector is measured with."""

    def __init__(self, birth: Birth, timing: GossipTiming = PROFILES["fast"]) -> None:
        self.gossip = Gossip(
            identity=birth.identity,
            key_ring=RING,
            seeds=birth.seeds,
            rng=birth.rng,
            now=birth.now,
            settings=timing,
        )

    def start(self, now: float) -> Step:  # noqa: ARG002
        return Step()

    def receive(self, now: float, source: Address, datagram: bytes) -> Step:
        return _step(self.gossip.receive(now, source, datagram))

    def tick(self, now: float) -> Step:
        return _step(self.gossip.tick(now))

    def leave(self, now: float) -> Step:
        return _step(self.gossip.leave(now))

    def probe_finished(self, now: float, replica: ReplicaId, result: ProbeResult) -> Step:
        raise NotImplementedError("gossip alone probes no replica")

    def front_outcome(self, now: float, outcome: Outcome) -> Step:
        raise NotImplementedError("gossip alone holds no front")

    def word(self, now: float, word: Word) -> Step:
        raise NotImplementedError("gossip alone heeds no heartbeat")

    def forwarder_reports(self, now: float) -> Step:
        raise NotImplementedError("gossip alone has no forwarder")

    def send_failed(self, now: float, address: Address) -> None:
        self.gossip.send_failed(now, address)

    def next_deadline(self) -> float:
        return self.gossip.next_deadline()


class Liar(GossipOnly):
    """A member with a valid key that says of everybody else, all the time, that it cannot reach them."""

    def __init__(self, birth: Birth) -> None:
        self._lying = _LyingGossip(
            identity=birth.identity, key_ring=RING, seeds=birth.seeds, rng=birth.rng, now=birth.now
        )
        self.gossip = self._lying

    def tick(self, now: float) -> Step:
        self._lying.lie(now)
        return super().tick(now)


class _LyingGossip(Gossip):
    def lie(self, now: float) -> None:
        others = {member_id(one.name): True for one in self.members() if one.name != self._identity.name}
        self._write(now, EDGES_KEY, encode_edges(isolated=False, broken=others))


def _step(output: Output) -> Step:
    return Step(output.datagrams, output.member_changes, output.notices, rejected=output.rejected)


class TappedGossip(Gossip):
    """The real gossip, whose outputs are noted before the plane takes them."""

    changes: list[MemberChange]
    notices_said: list[Notice]
    rejected: str | None = None

    def receive(self, now: float, source: Address, datagram: bytes) -> Output:
        return self._noted(super().receive(now, source, datagram))

    def tick(self, now: float, *, drained: bool = True) -> Output:
        return self._noted(super().tick(now, drained=drained))

    def leave(self, now: float) -> Output:
        return self._noted(super().leave(now))

    def _noted(self, output: Output) -> Output:
        self.changes += output.member_changes
        self.notices_said += output.notices
        self.rejected = output.rejected
        return output


def _station(identity: Identity) -> Station:
    host = identity.address.host
    return Station(identity.name, identity.zone, Address(host, 7947), identity.secret[:16], Address(host, 80))


class WholePlane:
    """A whole control plane: gossip, health, Views, fronts. Its one forwarder always serves."""

    def __init__(
        self,
        birth: Birth,
        service: Service,
        fronts: tuple[Front, ...] = (),
        failover: FailoverSettings = FailoverSettings(),  # noqa: B008
    ) -> None:
        identity = birth.identity
        self.gossip = TappedGossip(identity=identity, key_ring=RING, seeds=birth.seeds, rng=birth.rng, now=birth.now)
        self.gossip.changes, self.gossip.notices_said = [], []
        route = Route(("*",), ("/",), (WeightedService(service.name),))
        node = NodeSettings(identity.name, identity.zone, Path("/nowhere"))
        settings = Settings(node, (), (service,), (route,), workers=1)
        heartbeat = None
        if fronts:
            gossip = GossipSettings(identity.address, identity.address, birth.seeds, Path("/nowhere"), RING.keys, None)
            settings = replace(settings, gossip=gossip, fronts=fronts, failover=failover)
            heartbeat = Heartbeat(_station(identity), generation=birth.generation, now=birth.now)
        self.plane = Plane(
            settings,
            generation=birth.generation,
            gossip=self.gossip,
            rng=birth.rng,
            now=birth.now,
            heartbeat=heartbeat,
        )
        if birth.inherited is not None:
            self.plane.inherit(birth.inherited, birth.now)

    def start(self, now: float) -> Step:
        first = self._step(self.plane.start(now))
        if not self.plane.settings.fronts:
            return first
        self.plane.forwarder_linked(0, 1, now)
        assert first.view is not None
        viewed = self._step(self.plane.forwarder_viewed(0, first.view.version, now))
        return replace(first, orders=(*first.orders, *viewed.orders), datagrams=(*first.datagrams, *viewed.datagrams))

    def receive(self, now: float, source: Address, datagram: bytes) -> Step:
        return self._step(self.plane.datagram(source, datagram, now))

    def tick(self, now: float) -> Step:
        return self._step(self.plane.tick(now))

    def leave(self, now: float) -> Step:
        return self._step(self.plane.leave(now))

    def probe_finished(self, now: float, replica: ReplicaId, result: ProbeResult) -> Step:
        return self._step(self.plane.probe_finished(replica, result, now))

    def front_outcome(self, now: float, outcome: Outcome) -> Step:
        return self._step(self.plane.front_outcome(outcome, now))

    def word(self, now: float, word: Word) -> Step:
        return self._step(self.plane.partner_word(word, now))

    def forwarder_reports(self, now: float) -> Step:
        return self._step(self.plane.telemetry(Telemetry(0, 1, None, 0, 0, 0, 0), now))

    def send_failed(self, now: float, address: Address) -> None:
        self.plane.send_failed(address, now)

    def next_deadline(self) -> float:
        return self.plane.next_deadline()

    def _step(self, effects: Effects) -> Step:
        gossip = self.gossip
        changes, notices, rejected = tuple(gossip.changes), tuple(gossip.notices_said), gossip.rejected
        gossip.changes.clear()
        gossip.notices_said.clear()
        gossip.rejected = None
        return Step(effects.datagrams, changes, notices, effects.probes, effects.view, rejected, effects.orders)
