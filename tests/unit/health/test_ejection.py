"""Who is avoided, for how long, and when an ejection yields."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.ejection import EJECTION_MAX_S, FORGET_S, GAP_S, JITTER, Ejections
from lbmesh.health.merge import Merged, Rule
from lbmesh.model.health import Availability
from lbmesh.model.service import Outliers, ReplicaId
from tests.support.planes import replica_id, shop

UP, DOWN, UNKNOWN = Availability.UP, Availability.DOWN, Availability.UNKNOWN
AS_DEFAULT = Outliers()
FINE = Merged(UP, Rule.OWN_EVIDENCE, "status 200")


class Traffic:
    """One service under load: each second 100 requests to each replica that is not ejected."""

    def __init__(self, count: int, rates: dict[int, float], rule: Outliers | None = AS_DEFAULT) -> None:
        service = shop(count)
        self.service = service
        self.rates = rates
        self.numbers = range(1, count + 1)
        self.ejections = Ejections(Random(3))
        self.configure(rule)
        self.now = 1000.0
        self.down: set[int] = set()
        self.ejected: list[tuple[int, float]] = []
        self.back: list[tuple[int, float]] = []
        self._rng = Random(5)

    def configure(self, rule: Outliers | None) -> None:
        self.ejections.configure([replace(self.service, outliers=rule)])

    def availability(self, replica: ReplicaId) -> Availability:
        return DOWN if self._number(replica) in self.down else UP

    def _number(self, replica: ReplicaId) -> int:
        return int(replica.address.host.rpartition(".")[2])

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        end = self.now + seconds
        while self.now < end and not until():
            self.now += 1.0
            self.back += [(self._number(one), self.now) for one in self.ejections.end(self.now)]
            for number in self.numbers:
                if not self.ejections.ejection(replica_id(number)) and number not in self.down:
                    failed = sum(self._rng.random() < self.rates.get(number, 0.0) for _ in range(100))
                    self.ejections.take(replica_id(number), 100, failed, self.now)
            for found in self.ejections.look(self.now, self.availability):
                self.ejected.append((self._number(found.replica), self.now))

    def seen(self) -> str:
        """A letter for each replica, as traffic sees it."""
        merged = [
            (replica_id(one), Merged(DOWN, Rule.OWN_EVIDENCE, "dead") if one in self.down else FINE)
            for one in self.numbers
        ]
        letters = {UP: "U", DOWN: "D", UNKNOWN: "e"}
        return "".join(letters[one.availability] for one in self.ejections.apply("shop", merged))


def test_one_of_two_that_fails_a_third_is_avoided_within_seconds() -> None:
    traffic = Traffic(2, {1: 0.3, 2: 0.01})
    traffic.run(10)
    assert [number for number, _ in traffic.ejected] == [1]
    assert traffic.seen() == "eU"
    ((_, at_s),) = traffic.ejected
    ejection = traffic.ejections.ejection(replica_id(1))
    assert ejection
    assert 30 <= ejection.until_s - at_s <= 30 * (1 + JITTER)
    assert "requests failed in" in ejection.reason


@pytest.mark.parametrize("count", range(2, 10))
def test_small_services_are_watched_too(count: int) -> None:
    traffic = Traffic(count, {1: 0.5})
    traffic.run(6)
    assert [number for number, _ in traffic.ejected] == [1]


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_replicas_that_fail_alike_all_stay(count: int, rate: float) -> None:
    traffic = Traffic(count, dict.fromkeys(range(1, count + 1), rate))
    traffic.run(120)
    assert traffic.ejected == []


def test_the_longer_the_more_often_and_bounded() -> None:
    traffic = Traffic(2, {1: 1.0})
    lengths = []
    for _ in range(14):
        traffic.run(600, until=lambda: traffic.ejections.ejection(replica_id(1)) is not None)
        ejection = traffic.ejections.ejection(replica_id(1))
        assert ejection
        lengths.append(ejection.until_s - ejection.since_s)
        traffic.run(600, until=lambda: traffic.ejections.ejection(replica_id(1)) is None)
    for times, length_s in enumerate(lengths, 1):
        base_s = min(30.0 * times, EJECTION_MAX_S)
        assert base_s <= length_s <= base_s * (1 + JITTER)


def test_good_service_makes_up_for_the_past() -> None:
    traffic = Traffic(2, {1: 1.0})
    traffic.run(200)
    times = len(traffic.ejected)
    assert times >= 2
    traffic.rates[1] = 0.0
    traffic.run(EJECTION_MAX_S + times * FORGET_S)
    assert traffic.ejections.words(replica_id(1), traffic.now) == ()
    traffic.rates[1] = 1.0
    traffic.run(10)
    ejection = traffic.ejections.ejection(replica_id(1))
    assert ejection
    assert ejection.times == 1


def test_old_failures_do_not_count_after_the_return() -> None:
    traffic = Traffic(2, {1: 1.0})
    traffic.run(10)
    traffic.rates[1] = 0.0
    traffic.run(120)
    assert len(traffic.ejected) == len(traffic.back) == 1


def test_failures_from_before_a_death_are_not_held_against_who_came_back() -> None:
    """A request that waits for its timeout fails when the replica is long back; shop's timeout is 15 s."""
    traffic = Traffic(2, {1: 1.0})
    traffic.run(2)
    traffic.down = {1}
    traffic.run(5)
    traffic.down = set()
    traffic.ejections.no_longer_down(replica_id(1), traffic.now)
    traffic.run(14)
    assert traffic.ejected == []
    traffic.run(5)
    assert len(traffic.ejected) == 1, "but these are new"


@pytest.mark.parametrize(("count", "most"), [(2, 1), (3, 1), (4, 2), (5, 2), (9, 4)])
def test_one_at_a_time_and_never_more_than_half(count: int, most: int) -> None:
    traffic = Traffic(count, dict.fromkeys(range(1, min(count, most + 2)), 0.9), Outliers(ejection_s=600))
    traffic.run(300)
    assert len(traffic.ejected) == most
    times = [at_s for _, at_s in traffic.ejected]
    assert all(later - earlier >= GAP_S for earlier, later in pairwise(times))


def test_the_dead_count_among_those_that_are_out() -> None:
    traffic = Traffic(4, {1: 0.9})
    traffic.down = {2, 3}
    traffic.run(60)
    assert traffic.ejected == []


def test_who_is_down_already_need_not_be_ejected() -> None:
    service = shop(5)
    ejections = Ejections(Random(1))
    ejections.configure([service])
    for second in range(10):
        for number in range(1, 6):
            ejections.take(replica_id(number), 100, 100 if number == 1 else 0, float(second))
        assert ejections.look(float(second), lambda one: DOWN if one == replica_id(1) else UP) == ()


def test_ejections_yield_when_others_die() -> None:
    traffic = Traffic(4, {1: 0.9, 2: 0.9}, Outliers(ejection_s=600))
    traffic.run(60)
    assert traffic.seen() == "eeUU"
    first = traffic.ejected[0][0]
    traffic.down = {3}
    assert traffic.seen() == ("eUDU" if first == 1 else "UeDU")
    traffic.down = {3, 4}
    assert traffic.seen() == "UUDD"
    traffic.down = {first}
    assert traffic.seen() == ("DeUU" if first == 1 else "eDUU")


@given(st.integers(2, 6), st.integers(), st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=12))
def test_whatever_dies_and_fails_half_of_a_service_serves_unless_health_itself_says_no(
    count: int, seed: int, turns: list[tuple[int, bool]]
) -> None:
    """Ejections add nothing where more than half is gone already, and never take the last one."""
    rng = Random(seed)
    traffic = Traffic(count, {number: rng.random() for number in range(1, count + 1)}, Outliers(failure_percent=1))
    for number, dies in turns:
        if number <= count:
            traffic.down = traffic.down | {number} if dies else traffic.down - {number}
        traffic.run(12)
        seen = traffic.seen()
        if "e" in seen:
            assert (seen.count("e") + seen.count("D")) * 2 <= count
            assert "U" in seen


def test_time_and_not_a_probe_brings_it_back() -> None:
    traffic = Traffic(2, {1: 0.9})
    traffic.run(10)
    ejection = traffic.ejections.ejection(replica_id(1))
    assert ejection
    assert traffic.ejections.next_deadline() == ejection.until_s
    assert traffic.ejections.end(ejection.until_s - 0.01) == ()
    assert traffic.seen() == "eU"
    assert traffic.ejections.end(ejection.until_s) == (replica_id(1),)
    assert traffic.ejections.next_deadline() == float("inf")
    assert traffic.seen() == "UU"


def test_words_for_an_explanation() -> None:
    traffic = Traffic(2, {1: 0.9})
    assert traffic.ejections.words(replica_id(1), traffic.now) == ()
    traffic.run(10)
    (said,) = traffic.ejections.words(replica_id(1), traffic.now)
    assert said.startswith("ejected ")
    assert "its first ejection of late" in said
    assert "requests failed in" in said
    traffic.rates[1] = 0.0
    traffic.run(60)
    assert traffic.ejections.words(replica_id(1), traffic.now) == (
        "was ejected once of late; each further ejection lasts longer",
    )
    assert traffic.ejections.words(replica_id(9), traffic.now) == ()


def test_a_service_that_is_not_watched_keeps_all() -> None:
    traffic = Traffic(2, {1: 1.0}, rule=None)
    traffic.run(60)
    assert traffic.ejected == []


def test_a_reload_keeps_what_it_knows_and_an_end_to_watching_ends_ejections() -> None:
    traffic = Traffic(2, {1: 1.0})
    traffic.run(10)
    before = traffic.ejections.ejection(replica_id(1))
    traffic.configure(Outliers(ejection_s=60))
    assert traffic.ejections.ejection(replica_id(1)) == before
    traffic.configure(None)
    assert traffic.ejections.ejection(replica_id(1)) is None
    assert traffic.seen() == "UU"
    assert traffic.ejections.next_deadline() == float("inf")


def test_figures_of_unknown_replicas_say_nothing() -> None:
    ejections = Ejections(Random(1))
    ejections.configure([shop(2)])
    ejections.take(replica_id(7), 10, 10, 1.0)
    ejections.take(replica_id(1, "other"), 10, 10, 1.0)
    assert ejections.look(2.0, lambda _: UP) == ()
