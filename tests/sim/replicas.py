"""The replicas that are probed: up, down, slow, or out of reach from some zones."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lbmesh.control.inputs import ProbeResult
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.service import HealthCheck, Replica, ReplicaId, Service

ROUND_TRIP_S = 0.005
SERVICE = "shop"


def replica_id(number: int) -> ReplicaId:
    """The id of the replica with this number, from 0."""
    return ReplicaId(SERVICE, Address(f"10.9.0.{number + 1}", 80))


@dataclass(slots=True)
class SimulatedReplica:
    """One replica. `cut_from`: zones whose balancers get no answer. `changes`: when any of this changed. `probes`:
    how many it got.
    """

    id: ReplicaId
    zone: str
    up: bool = True
    slow_s: float = 0.0
    cut_from: frozenset[str] = frozenset()
    changes: list[float] = field(default_factory=list)
    probes: int = 0

    def serves(self, zone: str, timeout_s: float) -> bool:
        """Would a balancer of this zone get an answer in time?"""
        return self.up and zone not in self.cut_from and self.slow_s + ROUND_TRIP_S < timeout_s


class Replicas:
    """The replicas of one service, spread over the zones in turn."""

    def __init__(self, zones: Iterable[str], count: int, check: HealthCheck) -> None:
        zones = tuple(zones)
        self.check = check
        self.by_id: dict[ReplicaId, SimulatedReplica] = {}
        for number in range(count):
            identifier = replica_id(number)
            self.by_id[identifier] = SimulatedReplica(identifier, zones[number % len(zones)])

    def service(self) -> Service:
        """The service as the balancers are configured with it."""
        replicas = tuple(Replica(one.id.address, one.zone) for one in self.by_id.values())
        return Service(SERVICE, replicas, health=self.check)

    def answer(self, order: ProbeOrder, zone: str) -> tuple[float, ProbeResult]:
        """How a probe from a zone that starts now ends, and after how many seconds."""
        replica, timeout_s = self.by_id[order.replica], order.check.timeout_s
        replica.probes += 1
        silent = ProbeResult(False, f"no answer within {timeout_s:g}s")
        if zone in replica.cut_from:
            return timeout_s, silent
        if not replica.up:
            return ROUND_TRIP_S, ProbeResult(False, "connection refused")
        if replica.slow_s + ROUND_TRIP_S >= timeout_s:
            return timeout_s, silent
        return replica.slow_s + ROUND_TRIP_S, ProbeResult(True, "status 200")
