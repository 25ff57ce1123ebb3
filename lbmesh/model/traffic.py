"""How a service's requests are spread over its replicas and what each may cost: what the forwarders obey."""

from dataclasses import dataclass, field
from enum import StrEnum

from lbmesh.model.provenance import ProxyVersion
from lbmesh.model.restraint import AdaptiveConcurrency, Hedging, ServiceLimits


class Balance(StrEnum):
    """How one replica is chosen among those a request may go to."""

    P2C = "p2c"
    LEAST_REQUEST = "least_request"
    ROUND_ROBIN = "round_robin"
    RING_HASH = "ring_hash"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits on each phase of an exchange with a replica, in seconds.

    `connect_s`: TCP handshake. `response_s`: request sent to first byte of the response.
    `idle_s`: silence in either direction while a body is under way, or in a tunnel of which one side has ended.
    `request_s`: all of it, from the request's head to the last byte of the response, over all attempts; None for no
    limit. `tunnel_s`: silence in a tunnel, such as a WebSocket. An hour is what HAProxy is mostly run with; nginx cuts
    after 60 s and Envoy after 5 minutes, which surprises users of WebSockets.
    """

    connect_s: float = 1.0
    response_s: float = 15.0
    idle_s: float = 60.0
    request_s: float | None = None
    tunnel_s: float = 3600.0


SLOW_START_S = 10.0
"""Default; nginx uses 30 s in its examples, HAProxy 10 s to a minute."""


@dataclass(frozen=True, slots=True)
class HashKey:
    """What of a request ring_hash looks at: the first of these that is asked for and there, in this order: a header,
    a cookie, the path without query, the client's address. `balance_factor`: in percent, as in HAProxy: a replica with
    more requests in flight than this part of the mean leaves its keys to others meanwhile; 0 for never.
    """

    header: str | None = None
    cookie: str | None = None
    path: bool = False
    source: bool = False
    balance_factor: int = 0


class SameSite(StrEnum):
    """With which requests of other sites a browser sends the cookie (RFC 6265bis, 5.6.7)."""

    STRICT = "Strict"
    LAX = "Lax"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class Sticky:
    """The cookie that keeps a client at its replica (RFC 6265, 4.1). `ttl_s`: how long the client keeps it, from when
    it was given; None until the browser is closed. `secret`: makes what names a replica impossible to guess.
    """

    cookie: str = "lbmesh"
    ttl_s: float | None = None
    path: str = "/"
    domain: str | None = None
    secure: bool = False
    http_only: bool = True
    same_site: SameSite | None = None
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """A service's policy. `retries`: attempts beyond the first. `slow_start_s`: how long the share of a replica that
    returns takes to rise to its weight; 0 for at once. `hedging` None: no request is sent twice at a time.
    `concurrency` None: `limits.active` is the only bound. `proxy_protocol`: how replicas are told the client's address
    at the start of each connection; None: they do not speak it. `hash`: with ring_hash alone. `sticky` None: no cookie.
    `connect`: CONNECT is passed on to the replicas, which are proxies. `abort_on_close`: a client that closes its side
    while it waits for an answer has given up.
    """

    balance: Balance = Balance.P2C
    retries: int = 2
    timeouts: Timeouts = Timeouts()
    slow_start_s: float = SLOW_START_S
    limits: ServiceLimits = ServiceLimits()
    hedging: Hedging | None = None
    concurrency: AdaptiveConcurrency | None = None
    proxy_protocol: ProxyVersion | None = None
    hash: HashKey | None = None
    sticky: Sticky | None = None
    connect: bool = False
    abort_on_close: bool = False
