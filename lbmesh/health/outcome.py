"""What the health book asks for and tells: probes to carry out, words for the peers, changes of availability."""

from dataclasses import dataclass

from lbmesh.health.merge import Merged
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.service import HealthCheck, ReplicaId


@dataclass(frozen=True, slots=True)
class ProbeOrder:
    """Probe this replica now, and answer with `probe_finished`, whatever happens."""

    replica: ReplicaId
    check: HealthCheck


@dataclass(frozen=True, slots=True)
class Flip:
    """A replica's availability has changed."""

    replica: ReplicaId
    before: Availability
    after: Merged


@dataclass(frozen=True, slots=True)
class Change:
    """A flip that is remembered: what became what, and when."""

    at_s: float
    before: Availability
    after: Merged


@dataclass(frozen=True, slots=True)
class Ready:
    """What follows from the inputs since the last time.

    `words`: this node's opinions that its peers should have now; `withdrawn`: replicas it has none about
    any more.
    """

    probes: tuple[ProbeOrder, ...]
    words: tuple[Opinion, ...]
    withdrawn: tuple[ReplicaId, ...]
    flips: tuple[Flip, ...]


NOTHING_READY = Ready((), (), (), ())
