"""The membership systems that are compared."""

from tests.bench.gossip.systems.base import System
from tests.bench.gossip.systems.lbmesh import Lbmesh
from tests.bench.gossip.systems.serf import Serf

__all__ = ["SYSTEMS", "System"]

SYSTEMS: tuple[System, ...] = (Lbmesh(), Serf("lan"), Serf("local"))
