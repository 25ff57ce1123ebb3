"""What keeps a service from being asked for more than it can do: limits, hedging, adaptive concurrency.

All figures are those of one forwarder: a node has `workers` of them, and they do not share a count.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """How many of a service's requests may be under way, and how many may wait for that.

    `active`: requests that a replica works on. `replica_connections`: connections to one replica
    that carry a request; idle ones are used up first, so it bounds all of them. `connecting`: handshakes under way to
    one replica. `pending`: requests that wait for a place, each for at most `pending_timeout_s`.
    """

    active: int = 4096
    replica_connections: int = 1024
    connecting: int = 128
    pending: int = 1024
    pending_timeout_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Hedging:
    """A second attempt at another replica when the first is slow to answer (Dean and Barroso, "The Tail at Scale").

    `after_s`: how slow; None for as slow as the service's own 95th percentile. `percent`: hedges per hundred requests,
    at most.
    """

    after_s: float | None = None
    percent: int = 5


@dataclass(frozen=True, slots=True)
class AdaptiveConcurrency:
    """Find by experiment how many requests may be active: between `least` and the service's limit `active`."""

    least: int = 8
