"""The zones' shares in a closed loop: real `ZoneTraffic` on each node, gossip that takes its time, replicas that queue.

A zone's replicas are one queue here: what comes in is served as fast as its capacity allows, waits beyond that, and is
in flight for its service time and its wait.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from lbmesh.control.ingress_rows import parse_rows
from lbmesh.control.link import ReplicaTelemetry, RequestTelemetry, Telemetry
from lbmesh.control.zone_traffic import Peer, ZoneTraffic
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica, ReplicaId, Service
from lbmesh.model.view import ReplicaView, ServiceView

SERVICE = "shop"
WAITING_MAX_S = 15.0
"""Clients give up then: what waits longer is gone."""


@dataclass(slots=True)
class Zone:
    """`servers`: requests that its replicas work on at a time; `service_s`: how long for each."""

    name: str
    servers: int
    service_s: float
    replicas: int = 3
    arriving: float = 0.0
    waiting: float = 0.0
    in_flight: float = 0.0

    @property
    def capacity(self) -> float:
        """Requests a second."""
        return self.servers / self.service_s

    @property
    def load(self) -> float:
        """What arrives, of what it can do."""
        return self.arriving / self.capacity

    def step(self, arriving: float) -> None:
        """A second."""
        self.arriving = arriving
        self.waiting = min(max(0.0, self.waiting + arriving - self.capacity), self.capacity * WAITING_MAX_S)
        busy = min(0.95, arriving / self.capacity)
        self.in_flight = min(arriving, self.capacity) * self.service_s * (1 + busy / (1 - busy) / self.servers)
        self.in_flight += self.waiting


@dataclass(slots=True)
class Balancer:
    """`rate`: requests that clients send it a second. `lies`: what it tells its peers instead of its rows."""

    zone: str
    rate: float
    traffic: ZoneTraffic
    view: ServiceView
    lies: tuple[bytes, ...] | None = None
    count: float = 0.0
    rows: tuple[bytes, ...] = ()
    history: list[float] = field(default_factory=list)


class ZoneLoop:
    """Seconds pass one by one; what a node tells is known to the others `delay_s` later."""

    def __init__(self, zones: list[Zone], rates: dict[str, list[float]], *, delay_s: int = 1) -> None:
        self.zones = {zone.name: zone for zone in zones}
        self.now = 1000.0
        replicas = [
            Replica(Address(f"10.{number}.0.{each + 1}", 80), zone.name)
            for number, zone in enumerate(zones)
            for each in range(zone.replicas)
        ]
        self.service = Service(SERVICE, tuple(replicas))
        self.balancers: list[Balancer] = []
        for zone, each in rates.items():
            for rate in each:
                traffic = ZoneTraffic(zone)
                traffic.configure([self.service])
                view = ServiceView(SERVICE, tuple(ReplicaView(one, Availability.UP) for one in replicas))
                self.balancers.append(Balancer(zone, rate, traffic, view))
        self._told: deque[list[tuple[bytes, ...]]] = deque(maxlen=delay_s + 1)
        self.views_made = 0

    def run(self, seconds: int, meanwhile: Callable[["ZoneLoop"], None] = lambda _: None) -> None:
        """Let time pass; `meanwhile` looks on after each second."""
        for _ in range(seconds):
            self.now += 1.0
            self._serve()
            self._told.append([one.rows if one.lies is None else one.lies for one in self.balancers])
            for number, balancer in enumerate(self.balancers):
                self._decide(number, balancer)
            meanwhile(self)

    def share(self, balancer: Balancer, zone: str) -> float:
        """As forwarders obey it; before the first View all stays at home."""
        return balancer.view.share(zone) if balancer.view.zones else float(zone == balancer.zone)

    def _serve(self) -> None:
        for zone in self.zones.values():
            zone.step(sum(one.rate * self.share(one, zone.name) for one in self.balancers))
        for balancer in self.balancers:
            balancer.count += balancer.rate
            balancer.history.append(self.share(balancer, balancer.zone))
            balancer.traffic.take(self._figures(balancer), self.now)

    def _figures(self, balancer: Balancer) -> Telemetry:
        rows = []
        for zone in self.zones.values():
            part = balancer.rate * self.share(balancer, zone.name) / zone.arriving if zone.arriving else 0.0
            replicas = [one for one in self.service.replicas if one.zone == zone.name]
            waiting = round(zone.in_flight * part)
            for number, one in enumerate(replicas):
                count = waiting // len(replicas) + (number < waiting % len(replicas))
                rows.append(ReplicaTelemetry(ReplicaId(SERVICE, one.address), 0, 0, 0, count, 0.0))
        requests = RequestTelemetry(SERVICE, "GET", 200, "", round(balancer.count), 0.0, ())
        return Telemetry(0, 1, None, 0, 0, 0, 0, (requests,), tuple(rows))

    def _decide(self, number: int, balancer: Balancer) -> None:
        told = self._told[0]
        balancer.traffic.hear(
            [
                Peer(other.zone, parse_rows(told[index]) if told[index] else None)
                for index, other in enumerate(self.balancers)
                if index != number
            ]
        )
        rows = balancer.traffic.speak(self.now)
        if rows is not None:
            balancer.rows = rows
        view = balancer.view
        if balancer.traffic.look({SERVICE: view}, self.now) or not view.zones:
            zones = balancer.traffic.zones(SERVICE, view.replicas, 0.0, view.zones, self.now)
            balancer.view = ServiceView(SERVICE, view.replicas, view.traffic, zones)
            self.views_made += 1


def reversals(history: list[float], least: float) -> int:
    """How often a series turns round by more than `least`."""
    turns, direction, extreme = 0, 0, history[0]
    for value in history:
        if direction >= 0 and value < extreme - least:
            turns, direction, extreme = turns + (direction > 0), -1, value
        elif direction <= 0 and value > extreme + least:
            turns, direction, extreme = turns + (direction < 0), 1, value
        elif (direction >= 0 and value > extreme) or (direction <= 0 and value < extreme):
            extreme = value
    return turns
