"""The View: one immutable, versioned snapshot of everything a request needs.

The agent alone makes Views; forwarders obey the newest they have seen and nothing older.
"""

from dataclasses import dataclass

from lbmesh.model.health import Availability
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ProvenancePolicy
from lbmesh.model.route import Route
from lbmesh.model.service import Replica
from lbmesh.model.tls import ServiceTls
from lbmesh.model.traffic import TrafficPolicy


@dataclass(frozen=True, slots=True, order=True)
class ViewVersion:
    """`generation` counts the node's agents (given by the sentinel), `number` the Views of one agent."""

    generation: int
    number: int

    def __str__(self) -> str:
        return f"{self.generation}.{self.number}"


@dataclass(frozen=True, slots=True)
class ReplicaView:
    """A replica with its merged availability and the reason for it.

    `returned_s`: when it began to serve again after it had been out of use, or to serve at all in a service that
    was there before it, on the monotonic clock of the machine; None if it never did. A View may outlive that clock.
    """

    replica: Replica
    availability: Availability
    reason: str = ""
    returned_s: float | None = None


@dataclass(frozen=True, slots=True)
class ZoneShare:
    """The fraction (0 to 1) of this node's requests for a service that goes to a zone's replicas while some there can
    serve. `cold_share`: what it would be without the replicas that warm up, where it starts.
    """

    zone: str
    share: float
    cold_share: float


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service as the forwarders need it. `zones`: the shares of all zones that can serve, which add up to 1. Without
    any, all requests stay in the node's own zone while a replica there can serve. `tls`: how replicas are spoken to,
    None for plain HTTP.
    """

    name: str
    replicas: tuple[ReplicaView, ...]
    traffic: TrafficPolicy = TrafficPolicy()
    zones: tuple[ZoneShare, ...] = ()
    tls: ServiceTls | None = None

    def share(self, zone: str) -> float:
        """The zone's share."""
        return next((each.share for each in self.zones if each.zone == zone), 0.0)


@dataclass(frozen=True, slots=True)
class View:
    """Everything a forwarder needs to serve. Every service a route names is in `services`.

    `listeners`: in the order of the listening sockets; one that is not there serves plain HTTP. `workers`:
    forwarders of this node, which share what a rate limit allows a whole route.
    """

    version: ViewVersion
    node: str
    zone: str
    routes: tuple[Route, ...]
    services: tuple[ServiceView, ...]
    limits: ForwarderLimits = ForwarderLimits()
    listeners: tuple[ListenerPolicy, ...] = ()
    workers: int = 1
    provenance: ProvenancePolicy = ProvenancePolicy()
