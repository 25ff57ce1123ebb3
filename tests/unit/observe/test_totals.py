"""Totals never go backwards, whatever happens to forwarders and services."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from lbmesh.control.link import MirroredTelemetry, ReplicaTelemetry, RequestTelemetry, Telemetry
from lbmesh.model.address import Address
from lbmesh.model.service import ReplicaId
from lbmesh.observe.totals import SERIES_MAX, TrafficTotals

REPLICA = ReplicaId("shop", Address("10.0.0.1", 80))


def figures(worker: int, pid: int, count: int, *services: str) -> Telemetry:
    """A forwarder's figures: `count` requests to each service, and to one replica."""
    return Telemetry(
        worker, pid, None, connections=1, active_requests=0, accepted=count, access_log_dropped=0,
        requests=tuple(RequestTelemetry(name, "GET", 200, "", count, 0.5 * count, ((40, count),)) for name in services),
        replicas=(ReplicaTelemetry(REPLICA, count, 0, 0, 0, 0.0),) if services else (),
        mirrored=(MirroredTelemetry("shadow", "answered", count),) if count else (),
    )  # fmt: skip


def count(totals: TrafficTotals, service: str = "shop") -> int:
    return sum(histogram.count for (name, *_), histogram in totals.requests() if name == service)


def test_forwarders_add_up() -> None:
    totals = TrafficTotals()
    totals.take(figures(0, 1, 3, "shop"))
    totals.take(figures(1, 2, 4, "shop"))
    totals.take(figures(0, 1, 5, "shop"))
    assert count(totals) == 9
    assert totals.accepted == 9
    assert [(one, counts.requests) for one, counts in totals.replicas()] == [(REPLICA, 9)]


def test_the_dead_are_remembered() -> None:
    totals = TrafficTotals()
    totals.take(figures(0, 1, 3, "shop"))
    totals.take(figures(0, 2, 1, "shop"))
    ((_, histogram),) = totals.requests()
    assert (histogram.count, histogram.sum_s) == (4, 2.0)
    assert totals.accepted == 4


def test_faults_of_proxy_headers_add_up_over_the_dead() -> None:
    totals = TrafficTotals()
    for worker, pid, faults in ((0, 1, 3), (0, 2, 1), (1, 3, 2)):
        totals.take(structs.replace(figures(worker, pid, 1), proxy_header_faults=faults))
    assert totals.proxy_header_faults == 6


def test_a_service_that_a_reload_took_away_and_brought_back_goes_on_from_where_it_was() -> None:
    totals = TrafficTotals()
    for telemetry in (figures(0, 1, 3, "shop"), figures(0, 1, 4), figures(0, 1, 1, "shop")):
        totals.take(telemetry)
    assert count(totals) == 4
    assert [counts.requests for _, counts in totals.replicas()] == [4]


steps = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), max_size=30)


@given(steps)
def test_totals_never_go_backwards(history: list[tuple[int, int, bool]]) -> None:
    """Each step: a worker serves some requests more and reports; or dies first, and its successor begins at nothing."""
    totals, pids, served, expected = TrafficTotals(), [1, 2, 3], [0, 0, 0], 0
    for worker, more, dies in history:
        if dies:
            pids[worker] += 10
            served[worker] = 0
        served[worker] += more
        expected += more
        totals.take(figures(worker, pids[worker], served[worker], "shop"))
        assert count(totals) == expected == totals.accepted
        assert totals.mirrored() == ([(("shadow", "answered"), expected)] if expected else [])


def test_label_sets_are_bounded() -> None:
    totals = TrafficTotals()
    totals.take(figures(0, 1, 1, *(f"service-{number}" for number in range(SERIES_MAX + 5))))
    assert sum(1 for _ in totals.requests()) == SERIES_MAX
    assert totals.series_left_out == 6, "five services and a replica"
