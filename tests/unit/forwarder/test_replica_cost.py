"""What a request to a replica is taken to cost: latency, and failures on top, for as long as they are news."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.forwarder.replica_state import FAILING_COST, LATENCY_FLOOR_S, REST_MAX_S, ReplicaState
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica, ReplicaId
from lbmesh.model.view import ReplicaView, ServiceView


def replica(number: int = 1) -> ReplicaState:
    address = Address(f"10.0.0.{number}", 80)
    return ReplicaState(ReplicaId("shop", address), Replica(address, "zone-a"))


def service(count: int) -> ServiceState:
    made = ServiceState("shop", random.Random(1).random)
    grow(made, count)
    return made


def grow(made: ServiceState, count: int) -> None:
    views = (
        ReplicaView(Replica(Address(f"10.0.0.{number}", 80), "zone-a"), Availability.UP) for number in range(count)
    )
    for _ in made.update(ServiceView("shop", tuple(views)), "zone-a", 0.0):
        pass


def test_without_failures_the_cost_is_the_latency() -> None:
    one = replica()
    for seconds in (0.01, 0.5, 0.02):
        one.observe_latency(seconds)
        assert one.cost_s == one.latency_s


def test_failing_fast_is_no_merit() -> None:
    one = replica()
    one.observe_failure(0.0001, siblings_s=0.05)
    assert one.cost_s > 0.05
    for _ in range(100):
        one.observe_failure(0.0001, siblings_s=0.05)
    assert one.cost_s == pytest.approx(0.05 * (1 + FAILING_COST), rel=0.01)
    assert one.latency_s < 0.001, "what is told of its latency is the truth"


def test_a_failure_is_forgiven_by_good_answers_and_by_time() -> None:
    by_answers, by_time = replica(), replica()
    for one in (by_answers, by_time):
        for _ in range(20):
            one.observe_failure(0.01, siblings_s=0.01)
    for _ in range(80):
        by_answers.observe_latency(0.01)
    for _ in range(10):
        by_time.forget_latency(0.01, 1.0)
    assert by_answers.cost_s < 0.0101
    assert by_time.cost_s == pytest.approx(0.01)


def test_where_all_fail_alike_the_order_stays() -> None:
    slow, quick = replica(1), replica(2)
    for one, seconds in ((slow, 0.2), (quick, 0.1)):
        one.observe_latency(seconds)
        for _ in range(5):
            one.observe_failure(seconds, siblings_s=0.1)
    assert slow.cost_s == pytest.approx(2 * quick.cost_s)


@given(st.floats(0.1, 1e9))
def test_a_replica_that_asks_for_rest_is_left_alone_for_so_long_and_no_longer_than_the_most(asked_s: float) -> None:
    one = replica()
    one.observe_failure(0.01, siblings_s=0.01, rest_s=asked_s)
    worst = one.cost_s
    assert worst == pytest.approx(0.01 * (1 + FAILING_COST))
    one.observe_latency(0.01)
    assert one.cost_s == pytest.approx(worst), "one good answer does not end it"
    seconds = 0
    while one.cost_s > worst / 2 and seconds < 60:
        one.forget_latency(0.01, 1.0)
        seconds += 1
    assert min(asked_s, REST_MAX_S) <= seconds <= min(asked_s, REST_MAX_S) + 4


def test_what_has_no_traffic_becomes_like_its_siblings() -> None:
    quick, slow = replica(1), replica(2)
    quick.observe_latency(LATENCY_FLOOR_S)
    slow.observe_latency(3.0)
    for one in (quick, slow):
        one.forget_latency(0.05, 1.0)
        for _ in range(20):
            one.forget_latency(0.05, 1.0)
        assert one.cost_s == pytest.approx(0.05)


def test_a_new_replica_is_taken_to_be_like_its_siblings() -> None:
    made = service(3)
    for one in made.replicas:
        one.observe_latency(0.08)
    made.note_latencies([one.latency_s for one in made.replicas])
    grow(made, 4)
    assert [one.cost_s for one in made.replicas] == [pytest.approx(0.08)] * 4


def test_one_slow_replica_does_not_make_the_usual_latency() -> None:
    made = service(3)
    made.note_latencies([0.01, 9.0, 0.02])
    assert made.usual_s == 0.02
    made.note_latencies([0.01, 9.0])
    assert made.usual_s == 0.01
    for _ in range(40):
        made.note_latencies([])
    assert made.usual_s == LATENCY_FLOOR_S


def test_siblings_are_asked_for_their_latency() -> None:
    made = service(4)
    failing, *others = made.replicas
    assert made.siblings_latency_s(failing) == made.usual_s
    for one, seconds in zip(others, (0.01, 0.02, 0.03), strict=True):
        one.observe_latency(seconds)
    assert made.siblings_latency_s(failing) == 0.02
