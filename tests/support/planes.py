"""Planes on one simulated clock, with a network between them that can be cut."""

import random
from collections.abc import Callable
from heapq import heappop, heappush
from pathlib import Path

from lbmesh.config.settings import NodeSettings, Settings
from lbmesh.control.heartbeat import Heartbeat
from lbmesh.control.inputs import Effects, Event, ProbeResult
from lbmesh.control.plane import Plane
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import Identity, KeyRing
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.service import HealthCheck, Replica, ReplicaId, Service
from lbmesh.model.view import View

KEY = bytes(range(32))
PROBE_S = 0.01
"""How long a probe takes in this world."""


def replica_id(number: int, service: str = "shop") -> ReplicaId:
    return ReplicaId(service, Address(f"10.0.0.{number}", 80))


def shop(count: int = 3, health: HealthCheck | None = HealthCheck(), name: str = "shop") -> Service:  # noqa: B008
    """A service with replicas 10.0.0.1 and on, in zone-a, zone-b, zone-c and so on round."""
    replicas = (Replica(Address(f"10.0.0.{1 + index}", 80), f"zone-{'abc'[index % 3]}") for index in range(count))
    return Service(name, tuple(replicas), health=health)


def settings(*services: Service, node: str = "lb-a", zone: str = "zone-a") -> Settings:
    routes = tuple(Route(("*",), ("/",), (WeightedService(service.name),)) for service in services)
    return Settings(NodeSettings(node, zone, Path("/nowhere")), (), services, routes, workers=1)


class World:
    """Nodes, the replicas they probe, and the time. `answer(node, replica)` says how a probe ends."""

    def __init__(self, answer: Callable[[str, ReplicaId], ProbeResult] | None = None) -> None:
        self.now = 100.0
        self.answer = answer or (lambda _node, _replica: ProbeResult(True, "status 200"))
        self.planes: dict[str, Plane] = {}
        self.addresses: dict[Address, str] = {}
        self.cut: set[str] = set()
        self.events: dict[str, list[Event]] = {}
        self.views: dict[str, list[View]] = {}
        self.probes: dict[str, list[ReplicaId]] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._deadlines: dict[str, float] = {}

    def add(
        self,
        node: str,
        zone: str,
        *services: Service,
        meshed: bool = True,
        epoch: int = 1,
        started: bool = True,
        heartbeat: Heartbeat | None = None,
    ) -> Plane:
        """A node, or, in a higher `epoch`, the next start of one. `started`: with its first View at once."""
        rng = random.Random(f"{node}{epoch}" if epoch > 1 else node)
        gossip = None
        if meshed:
            known = {name: address for address, name in self.addresses.items()}
            address = known.get(node) or Address(f"10.1.0.{1 + len(self.planes)}", 7946)
            self.addresses[address] = node
            gossip = Gossip(
                identity=Identity(node, zone, address, epoch=epoch, secret=rng.randbytes(32)),
                key_ring=KeyRing([KEY]),
                seeds=(Address("10.1.0.1", 7946),),
                rng=rng,
                now=self.now,
            )
        own = settings(*services, node=node, zone=zone)
        plane = Plane(own, generation=1, gossip=gossip, rng=rng, now=self.now, heartbeat=heartbeat)
        self.planes[node] = plane
        self.events[node], self.views[node], self.probes[node] = [], [], []
        self.take(node, plane.start(self.now) if started else plane.join(self.now))
        return plane

    def take(self, node: str, effects: Effects) -> None:
        """Do what a plane asks for."""
        self._deadlines[node] = self.planes[node].next_deadline()
        self.events[node] += effects.events
        if effects.view:
            self.views[node].append(effects.view)
        for order in effects.probes:
            self.probes[node].append(order.replica)
            self._later(PROBE_S, lambda replica=order.replica: self._finish(node, replica))  # type: ignore[misc]
        for address, datagram in effects.datagrams:
            self._later(0.001, lambda to=address, data=datagram: self._deliver(node, to, data))  # type: ignore[misc]

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            due, node = min((due, node) for node, due in self._deadlines.items())
            if self._due and self._due[0][0] <= due:
                if self._due[0][0] > end:
                    break
                at_s, _, action = heappop(self._due)
                self.now = max(self.now, at_s)
                action()
            elif due <= end:
                self.now = max(self.now, due)
                self.take(node, self.planes[node].tick(self.now))
            else:
                break
        self.now = end

    def availability(self, node: str, service: str = "shop") -> str:
        """A letter for each replica in the node's View: U up, D down, ? unknown."""
        view = self.planes[node].view
        assert view is not None
        letters = {Availability.UP: "U", Availability.DOWN: "D", Availability.UNKNOWN: "?"}
        (found,) = [one for one in view.services if one.name == service]
        return "".join(letters[one.availability] for one in found.replicas)

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._due, (self.now + delay_s, self._order, action))

    def _finish(self, node: str, replica: ReplicaId) -> None:
        result = self.answer(node, replica)
        self.take(node, self.planes[node].probe_finished(replica, result, self.now))

    def _deliver(self, sender: str, address: Address, datagram: bytes) -> None:
        receiver = self.addresses.get(address)
        if receiver is None or sender in self.cut or receiver in self.cut or receiver == sender:
            return
        source = next(known for known, node in self.addresses.items() if node == sender)
        self.take(receiver, self.planes[receiver].datagram(source, datagram, self.now))
