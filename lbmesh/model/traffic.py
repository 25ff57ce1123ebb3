"""How a service's requests are spread over its replicas and what each may cost: what the forwarders obey."""

from dataclasses import dataclass
from enum import StrEnum

from lbmesh.model.provenance import ProxyVersion
from lbmesh.model.restraint import AdaptiveConcurrency, Hedging, ServiceLimits


class Balance(StrEnum):
    """How one replica is chosen among those a request may go to."""

    P2C = "p2c"
    LEAST_REQUEST = "least_request"
    ROUND_ROBIN = "round_robin"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits on each phase of an exchange with a replica, in seconds.

    `connect_s`: TCP handshake. `response_s`: request sent to first byte of the response.
    `idle_s`: silence in either direction while a body is under way. `request_s`: all of it, from the request's head to
    the last byte of the response, over all attempts; None for no limit.
    """

    connect_s: float = 1.0
    response_s: float = 15.0
    idle_s: float = 60.0
    request_s: float | None = None


SLOW_START_S = 10.0
"""Default; nginx uses 30 s in its examples, HAProxy 10 s to a minute."""


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """A service's policy. `retries`: attempts beyond the first. `slow_start_s`: how long the share of a replica that
    returns takes to rise to its weight; 0 for at once. `hedging` None: no request is sent twice at a time.
    `concurrency` None: `limits.active` is the only bound. `proxy_protocol`: how replicas are told the client's address
    at the start of each connection; None: they do not speak it.
    """

    balance: Balance = Balance.P2C
    retries: int = 2
    timeouts: Timeouts = Timeouts()
    slow_start_s: float = SLOW_START_S
    limits: ServiceLimits = ServiceLimits()
    hedging: Hedging | None = None
    concurrency: AdaptiveConcurrency | None = None
    proxy_protocol: ProxyVersion | None = None
