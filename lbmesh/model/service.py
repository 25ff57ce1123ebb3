"""What is balanced: services and their replicas."""

from dataclasses import dataclass

from lbmesh.model.address import Address
from lbmesh.model.check import HttpProbe, Probe, ProbeTls
from lbmesh.model.provenance import ProxyVersion
from lbmesh.model.tls import ServiceTls
from lbmesh.model.traffic import TrafficPolicy


@dataclass(frozen=True, slots=True, order=True)
class ReplicaId:
    """A replica's identity is (service, address): the same address in two services is two replicas."""

    service: str
    address: Address

    def __str__(self) -> str:
        return f"{self.service}/{self.address}"


@dataclass(frozen=True, slots=True)
class Replica:
    """One app instance. `weight` is its share of traffic relative to its siblings, 1 to 100."""

    address: Address
    zone: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """An active check: how, how often, and how many results in a row count. Defaults are HAProxy's: every 2 s, fall 3,
    rise 2.

    `port`: a port of its own for health; None: the replica's. `tls` None: plain. `proxy_protocol`: the header that a
    probe begins with; None: none.
    """

    probe: Probe = HttpProbe()
    interval_s: float = 2.0
    timeout_s: float = 1.0
    fall: int = 3
    rise: int = 2
    port: int | None = None
    tls: ProbeTls | None = None
    proxy_protocol: ProxyVersion | None = None


@dataclass(frozen=True, slots=True)
class Outliers:
    """When live traffic alone takes a replica out of use: it fails more than `failure_percent` of its requests, and
    the odds are more than `ratio` times its siblings'. `ejection_s`: how long it is avoided the first time.
    """

    failure_percent: int = 10
    ratio: int = 2
    ejection_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Service:
    """A named set of replicas that answer the same requests. `health` None: never probed, always up.

    `outliers` None: failing requests eject no replica. `tls` None: replicas are spoken to in plain HTTP.
    """

    name: str
    replicas: tuple[Replica, ...]
    traffic: TrafficPolicy = TrafficPolicy()
    health: HealthCheck | None = HealthCheck()
    outliers: Outliers | None = Outliers()
    tls: ServiceTls | None = None
