"""What forwarders' figures add to those before."""

from lbmesh.control.forwarders import Forwarders, ReplicaTraffic
from lbmesh.control.link import ReplicaTelemetry, Telemetry
from tests.support.planes import replica_id

ONE = replica_id(1)


def figures(*replicas: ReplicaTelemetry, pid: int = 7, is_inventory: bool = False) -> Telemetry:
    return Telemetry(0, pid, None, 0, 0, 0, 0, (), replicas, is_inventory=is_inventory)


def of(requests: int, failures: int = 0, in_flight: int = 0, errors: int = 0) -> ReplicaTelemetry:
    return ReplicaTelemetry(ONE, requests, failures, errors, in_flight, 0.01, errors)


def linked(*first: ReplicaTelemetry) -> Forwarders:
    forwarders = Forwarders()
    forwarders.link(0, 7, 0.0)
    forwarders.take(figures(*first, is_inventory=True), 1.0)
    return forwarders


def test_an_inventory_is_of_unknown_age() -> None:
    forwarders = Forwarders()
    forwarders.link(0, 7, 0.0)
    inventory = figures(of(1000, 0, errors=900), is_inventory=True)
    assert forwarders.take(inventory, 1.0) == (ReplicaTraffic(ONE, 0, 0, succeeded=True),)
    assert forwarders.take(figures(of(1000, 0, errors=900)), 2.0) == ()


def test_what_came_to_an_end_counts_and_what_is_under_way_does_not() -> None:
    forwarders = linked(of(10, in_flight=4))
    assert forwarders.take(figures(of(20, 2, 3, 5)), 2.0) == (ReplicaTraffic(ONE, 11, 7, succeeded=False),)
    assert forwarders.take(figures(of(20, 2, 3, 5)), 3.0) == ()
    assert forwarders.take(figures(of(20, 2, 0, 5)), 4.0) == (ReplicaTraffic(ONE, 3, 0, succeeded=False),)


def test_a_replica_that_is_new_starts_from_nothing() -> None:
    assert linked().take(figures(of(5, errors=1)), 2.0) == (ReplicaTraffic(ONE, 5, 1, succeeded=True),)


def test_counters_that_fell_began_anew() -> None:
    assert linked(of(100, 50)).take(figures(of(5, 1)), 2.0) == (ReplicaTraffic(ONE, 5, 1, succeeded=False),)


def test_another_process_is_not_heard() -> None:
    assert linked(of(1)).take(figures(of(9), pid=8), 2.0) == ()
