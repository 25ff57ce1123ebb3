"""Words about the health of a replica."""

from dataclasses import dataclass
from enum import StrEnum

from lbmesh.model.service import ReplicaId


class Availability(StrEnum):
    """Merged: may requests go to this replica from this node?

    UNKNOWN (nobody has an opinion yet) is served like UP, but only when no UP replica is there.
    """

    UP = "up"
    UNKNOWN = "unknown"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One observer's word about one replica: who says what, since when and why.

    `at_s` is on the observing node's own monotonic clock, and is replaced by the time of receipt when it
    arrives from a peer: clocks are never compared between nodes.
    """

    observer: str
    observer_zone: str
    replica: ReplicaId
    up: bool
    at_s: float
    reason: str
