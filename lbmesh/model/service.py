"""What is balanced: services, their replicas, and the routes that lead to them."""

from dataclasses import dataclass
from enum import StrEnum

from lbmesh.model.address import Address
from lbmesh.model.check import HttpProbe, Probe, ProbeTls


class Balance(StrEnum):
    """How one replica is chosen among those a request may go to."""

    P2C = "p2c"
    LEAST_REQUEST = "least_request"
    ROUND_ROBIN = "round_robin"


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
class Timeouts:
    """Limits on each phase of an exchange with a replica, in seconds.

    `connect_s`: TCP handshake. `response_s`: request sent to first byte of the response.
    `idle_s`: silence in either direction while a body is under way.
    """

    connect_s: float = 1.0
    response_s: float = 15.0
    idle_s: float = 60.0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """An active check: how, how often, and how many results in a row count. Defaults are HAProxy's: every 2 s, fall 3,
    rise 2.

    `port`: a port of its own for health; None: the replica's. `tls` None: plain.
    """

    probe: Probe = HttpProbe()
    interval_s: float = 2.0
    timeout_s: float = 1.0
    fall: int = 3
    rise: int = 2
    port: int | None = None
    tls: ProbeTls | None = None


@dataclass(frozen=True, slots=True)
class Outliers:
    """When live traffic alone takes a replica out of use: it fails more than `failure_percent` of its requests, and
    the odds are more than `ratio` times its siblings'. `ejection_s`: how long it is avoided the first time.
    """

    failure_percent: int = 10
    ratio: int = 2
    ejection_s: float = 30.0


SLOW_START_S = 10.0
"""Default; nginx uses 30 s in its examples, HAProxy 10 s to a minute."""


@dataclass(frozen=True, slots=True)
class Service:
    """A named set of replicas that answer the same requests. `health` None: never probed, always up.

    `retries`: attempts beyond the first. `outliers` None: failing requests eject no replica. `slow_start_s`: how long
    the share of a replica that returns takes to rise to its weight; 0 for at once.
    """

    name: str
    replicas: tuple[Replica, ...]
    balance: Balance = Balance.P2C
    retries: int = 2
    timeouts: Timeouts = Timeouts()
    health: HealthCheck | None = HealthCheck()
    outliers: Outliers | None = Outliers()
    slow_start_s: float = SLOW_START_S


@dataclass(frozen=True, slots=True)
class WeightedService:
    """A route's target: a service's name and its share of the route's requests."""

    name: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Route:
    """Requests whose host and path match go to one of `services`, chosen by weight.

    `hosts`: exact names, "*.suffix" wildcards or "*", all lower case, without port.
    `paths`: prefixes by whole segments ("/a" is not "/ab").
    """

    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    services: tuple[WeightedService, ...]
