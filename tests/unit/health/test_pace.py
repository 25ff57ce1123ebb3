"""More probes than a node can do: all intervals grow, everywhere by the same, and the operator is told."""

import random
from math import isclose

from lbmesh.health.book import HealthBook
from lbmesh.health.limits import DUE_PER_STEP, PROBES_PER_S_MAX
from lbmesh.health.pace import pace_words, paced, probes_per_s, stretch
from lbmesh.model.address import Address
from lbmesh.model.service import HealthCheck, Replica, Service

CHECK = HealthCheck(interval_s=2.0)


def services(replicas: int, check: HealthCheck | None = CHECK) -> tuple[Service, ...]:
    each = (Replica(Address(f"10.{number >> 8}.{number & 255}.1", 80), "zone-a") for number in range(replicas))
    return (Service("shop", tuple(each), health=check),)


def test_what_can_be_done_is_done_as_it_says() -> None:
    few = services(int(PROBES_PER_S_MAX * CHECK.interval_s))
    assert (stretch(few), pace_words(few)) == (1.0, "")
    assert paced(CHECK, stretch(few)) is CHECK
    assert stretch(services(10_000, None)) == 1.0


def test_what_is_too_much_comes_to_just_what_can_be_done() -> None:
    many = services(10_000)
    slower = paced(CHECK, stretch(many))
    assert isclose(probes_per_s(services(10_000, slower)), PROBES_PER_S_MAX)
    assert "5,000 probes a second" in pace_words(many)
    assert "5.0 times as long" in pace_words(many)


def probes_within(book: HealthBook, seconds: float) -> int:
    """With every probe answered at once."""
    now, count, end = 0.0, 0, seconds
    while now <= end:
        ready = book.ready(now)
        assert len(ready.probes) <= 2 * DUE_PER_STEP
        for order in ready.probes:
            count += 1
            book.probe_finished(order.replica, success=True, reason="status 200", now=now)
        now = max(now, book.next_deadline())
    return count


def test_a_book_orders_no_more_and_a_reload_to_fewer_brings_the_interval_back() -> None:
    book = HealthBook("lb-a", "zone-a", random.Random(1))
    many = services(int(4 * PROBES_PER_S_MAX * CHECK.interval_s))
    book.configure(many, 0.0)
    assert probes_within(book, 16.0) <= 2.5 * 8 * PROBES_PER_S_MAX
    book = HealthBook("lb-a", "zone-a", random.Random(1))
    book.configure((*many, *services(0)), 0.0)
    replica = many[0].replicas[0]
    few = (Service("shop", (replica,), health=CHECK),)
    book.configure(few, 0.0)
    assert probes_within(book, 20.0) >= 9
