"""Figures of services over all forwarders: gauges of the living, counters that never go back."""

from lbmesh.control.link import ServiceTelemetry
from lbmesh.observe.service_totals import SERVICES_MAX, ServiceFigures, ServiceTotals


def row(service: str, active: int = 0, hedges: int = 0) -> ServiceTelemetry:
    return ServiceTelemetry(service, active=active, active_max=10, pending=1, hedges=hedges, hedges_won=hedges, moved=0)


def test_forwarders_add_up() -> None:
    totals = ServiceTotals()
    totals.take(0, row("shop", 2, 3))
    totals.take(0, row("shop", 4, 5))
    totals.take(1, row("shop", 1, 1))
    totals.take(1, row("blog"))
    assert totals.all() == [
        ("blog", ServiceFigures(0, 10, 1)),
        ("shop", ServiceFigures(5, 20, 2, hedges=6, hedges_won=6)),
    ]


def test_what_an_ended_process_counted_stays_and_what_it_held_does_not() -> None:
    totals = ServiceTotals()
    totals.take(0, row("shop", 4, 5))
    totals.end(0)
    assert totals.all() == [("shop", ServiceFigures(0, 0, 0, hedges=5, hedges_won=5))]
    totals.take(0, row("shop", 1, 2))
    assert totals.all() == [("shop", ServiceFigures(1, 10, 1, hedges=7, hedges_won=7))]


def test_counters_that_begin_anew_in_a_living_process_go_on() -> None:
    totals = ServiceTotals()
    totals.take(0, row("shop", 0, 5))
    totals.take(0, row("shop", 0, 1))
    assert totals.all()[0][1].hedges == 6


def test_no_more_services_are_remembered_than_may() -> None:
    totals = ServiceTotals()
    for number in range(SERVICES_MAX + 5):
        totals.take(0, row(f"s{number}"))
    assert len(totals.all()) == SERVICES_MAX
