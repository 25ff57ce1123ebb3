"""The zones' traffic as this node knows it: its own, measured, and its peers', as they say; and the feedback of load.

What the View makes of it says `routing/locality.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lbmesh.control.ingress_meter import IngressMeter
from lbmesh.control.ingress_rows import GAP_PER_MEMBER_S, IngressVoice
from lbmesh.control.link import Telemetry
from lbmesh.model.health import Availability
from lbmesh.model.service import ReplicaId, Service
from lbmesh.model.view import ReplicaView, ServiceView, ZoneShare
from lbmesh.routing.load_band import LoadBand
from lbmesh.routing.locality import NO_INGRESS, Ingress, MeshTraffic, capacity_by_zone, mesh_traffic, zone_shares
from lbmesh.routing.warming import is_warming

SERVICES_PER_LOOK = 32
"""Looked at in one step of the agent, in turn: about a millisecond."""

LOOK_S = 0.5
"""Between two looks, so that a forwarder's many messages cost no more than few."""

MOVED = 0.03
"""Shares that moved less are left as they are: a new View for each would cost more than it brings."""

MOVED_MUCH = 0.15
GATHER_S = 5.0
"""Shares that moved less than MOVED_MUCH wait until so long after the last that moved, and go out together."""

BAND_STEP_S = 5.0
"""Between two steps of the load band, and twice what gossip takes to say what came of the last one."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node that lives. `ingress`: what it says of its traffic by service; None when it says nothing."""

    zone: str
    ingress: Mapping[str, Ingress] | None = None


@dataclass(slots=True)
class _Band:
    band: LoadBand = field(default_factory=LoadBand)
    next_s: float = 0.0


class ZoneTraffic:
    """One node's. Only services with replicas in several zones are looked at."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._meter = IngressMeter()
        self._voice = IngressVoice()
        self._services: dict[str, Service] = {}
        self._spread: set[str] = set()
        self._names: tuple[str, ...] = ()
        self._zones: dict[ReplicaId, str] = {}
        self._own: Mapping[str, Ingress] | None = None
        self._peers: Sequence[Peer] = ()
        self._bands: dict[str, _Band] = {}
        self._turn = 0
        self._look_s = 0.0
        self._moved: set[str] = set()
        self._move_s = 0.0

    def configure(self, services: Iterable[Service]) -> None:
        """These are the services from now on. One that is the same object as before is not looked at."""
        before, self._services = self._services, {service.name: service for service in services}
        for name, service in before.items():
            if self._services.get(name) is not service:
                self._spread.discard(name)
                for one in service.replicas:
                    self._zones.pop(ReplicaId(name, one.address), None)
        for name, service in self._services.items():
            if before.get(name) is not service and len({one.zone for one in service.replicas}) > 1:
                self._spread.add(name)
                self._zones |= {ReplicaId(name, one.address): one.zone for one in service.replicas}
        self._names = tuple(name for name in self._services if name in self._spread)
        self._bands = {name: band for name, band in self._bands.items() if name in self._names}

    def take(self, telemetry: Telemetry, now: float) -> None:
        """A forwarder's figures."""
        self._meter.take(telemetry, self._zones, now)

    def hear(self, peers: Sequence[Peer]) -> None:
        """Who else lives, and what they say of their traffic."""
        self._peers = peers

    def is_due(self, now: float) -> bool:
        """Is it time for `speak` and `look`?"""
        return bool(self._names) and now >= self._look_s

    def speak(self, now: float) -> tuple[bytes, ...] | None:
        """The values of this node's gossip rows, when they are to be others than before."""
        figures = self._meter.figures(now)
        self._own = None if figures is None else {name: figures[name] for name in self._names if name in figures}
        return None if self._own is None else self._voice.speak(self._own, 1 + len(self._peers), now)

    def look(self, views: Mapping[str, ServiceView], now: float) -> set[str]:
        """The services whose shares are to be others than in these Views."""
        self._look_s = now + LOOK_S
        names = self._names[self._turn : self._turn + SERVICES_PER_LOOK]
        self._turn = 0 if self._turn + SERVICES_PER_LOOK >= len(self._names) else self._turn + SERVICES_PER_LOOK
        is_urgent = False
        for name in names:
            view = views.get(name)
            if view is None:
                continue
            self._step_band(name, view.replicas, now)
            zones = self.zones(view.name, view.replicas, view.traffic.slow_start_s, view.zones, now)
            if zones != view.zones:
                self._moved.add(name)
                is_urgent = is_urgent or not _are_near(view.zones, zones, MOVED_MUCH)
        if not self._moved or not (is_urgent or now >= self._move_s):
            return set()
        moved, self._moved = self._moved, set()
        self._move_s = now + GATHER_S
        return moved

    def zones(
        self,
        name: str,
        replicas: Sequence[ReplicaView],
        slow_start_s: float,
        before: tuple[ZoneShare, ...],
        now: float,
    ) -> tuple[ZoneShare, ...]:
        """The zones' shares of this node's requests for a service; those of `before` while they are near enough."""
        warm = [one for one in replicas if not is_warming(one.returned_s, slow_start_s, now)]
        others_serve = any(one.availability is Availability.UP for one in warm)
        shares = self._shares(name, capacity_by_zone(replicas))
        cold = self._shares(name, capacity_by_zone(warm)) if others_serve and len(warm) < len(replicas) else shares
        found = tuple(ZoneShare(zone, share, cold.get(zone, 0.0)) for zone, share in sorted(shares.items()))
        return before if _are_near(before, found, MOVED) else found

    def words(self, name: str, replicas: Sequence[ReplicaView]) -> dict[str, str]:
        """The figures behind each zone's share."""
        traffic = self._mesh_traffic(name)
        capacity = capacity_by_zone(replicas)
        asked, can = sum(traffic.demand.values()), sum(capacity.values())
        words = {
            zone: f"{traffic.demand.get(zone, 0.0) / asked:.0%} of the traffic, {weight / can:.0%} of the capacity, "
            f"{traffic.in_flight.get(zone, 0.0):.0f} in flight"
            for zone, weight in capacity.items()
        }
        band = self._bands.get(name)
        if band is not None and band.band.spill and self._zone in words:
            words[self._zone] += f"; busier than the others: {band.band.spill:.0%} less stays"
        return words

    def _shares(self, name: str, capacity: Mapping[str, int]) -> dict[str, float]:
        if len(capacity) < 2 and self._zone in capacity:
            return dict.fromkeys(capacity, 1.0)
        demand = self._mesh_traffic(name).demand
        band = self._bands.get(name)
        return zone_shares(self._zone, demand, capacity, band.band.spill if band else 0.0)

    def _mesh_traffic(self, name: str) -> MeshTraffic:
        own = None if self._own is None else self._own.get(name, NO_INGRESS)
        peers = (
            (peer.zone, peer.ingress.get(name, NO_INGRESS) if peer.ingress is not None else None)
            for peer in self._peers
        )
        return mesh_traffic(self._zone, own, peers)

    def _step_band(self, name: str, replicas: Sequence[ReplicaView], now: float) -> None:
        band = self._bands.setdefault(name, _Band())
        if now < band.next_s:
            return
        band.next_s = now + max(BAND_STEP_S, 2 * GAP_PER_MEMBER_S * (1 + len(self._peers)))
        capacity = capacity_by_zone(replicas)
        others = sum(weight for zone, weight in capacity.items() if zone != self._zone)
        if self._zone not in capacity or not others:
            band.band = LoadBand()
            return
        in_flight = self._mesh_traffic(name).in_flight
        mean_weight = sum(one.replica.weight for one in replicas) / len(replicas)
        band.band.step(
            in_flight.get(self._zone, 0.0) * mean_weight / capacity[self._zone],
            sum(in_flight.get(zone, 0.0) for zone in capacity if zone != self._zone) * mean_weight / others,
        )


def _are_near(before: tuple[ZoneShare, ...], found: tuple[ZoneShare, ...], moved: float) -> bool:
    """A share that begins or ends is never near another."""
    return [each.zone for each in before] == [each.zone for each in found] and all(
        abs(was.share - now.share) < moved and abs(was.cold_share - now.cold_share) < moved
        for was, now in zip(before, found, strict=True)
    )
