"""Views compiled: what stays by identity, who may be picked, how latencies and suspensions age."""

import gc
import random
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from lbmesh.forwarder.listener_state import PLAIN
from lbmesh.forwarder.reactor import Reactor
from lbmesh.forwarder.replica_state import LATENCY_FLOOR_S, ReplicaState
from lbmesh.forwarder.service_state import REPLICAS_AT_ONCE_MAX, SIBLINGS_MAX, SUSPENDED_S, ServiceState
from lbmesh.forwarder.serving import Serving, compile_view
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.service import Replica
from lbmesh.model.traffic import Balance, TrafficPolicy
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion, ZoneShare
from lbmesh.routing.balancer import LOOKS_FOR_UNTRIED
from lbmesh.routing.steps import ITEMS_PER_STEP, ROUTES_PER_STEP, UPDATES_PER_STEP
from lbmesh.routing.warming import JITTER

UP, DOWN, UNKNOWN = Availability.UP, Availability.DOWN, Availability.UNKNOWN


class Waiter:
    """A request that waits for a place for ever."""

    def enter_service(self) -> bool:
        return False

    def on_crash(self) -> None:
        raise AssertionError


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor(lambda: None)
    yield reactor
    reactor.close_all()


def address(port: int) -> Address:
    return Address("10.0.0.1", port)


def a_view(number: int, *services: ServiceView, routes: tuple[Route, ...] = ()) -> View:
    every = tuple(Route((f"{service.name}.test",), ("/",), (WeightedService(service.name),)) for service in services)
    return View(ViewVersion(1, number), "lb-a1", "zone-a", routes or every, services)


def app(*replicas: tuple[int, Availability], zone: str = "zone-a", balance: Balance = Balance.P2C) -> ServiceView:
    views = tuple(ReplicaView(Replica(address(port), zone), availability) for port, availability in replicas)
    return ServiceView("app", views, TrafficPolicy(balance))


def _zones(local: float, cold: float) -> tuple[ZoneShare, ...]:
    return ZoneShare("zone-a", local, cold), ZoneShare("zone-b", 1 - local, 1 - cold)


def serve(view: View, previous: Serving | None = None, now: float = 0.0) -> Serving:
    return whole(compile_view(view, previous, random.Random(1).random, now))


def whole(steps: Generator[None, None, Serving]) -> Serving:
    """What the last step gives."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            serving: Serving = end.value
            return serving


def picked(service: ServiceState, times: int = 200) -> set[int]:
    """The ports of all replicas that are ever picked."""
    choices = (service.balancer.pick()[0] for _ in range(times))
    return {choice.id.address.port for choice in choices if choice is not None}


def state_of(service: ServiceState, port: int) -> ReplicaState:
    return next(replica for replica in service.replicas if replica.id.address.port == port)


def test_a_listener_the_view_says_nothing_of_is_plain() -> None:
    assert serve(a_view(1)).listener(1) is PLAIN
    assert PLAIN.scheme == b"http"


def test_a_listener_keeps_its_state_while_its_policy_stays() -> None:
    first = serve(replace(a_view(1), listeners=(ListenerPolicy(),)))
    second = serve(replace(a_view(2), listeners=(ListenerPolicy(),)), first)
    assert second.listener(0) is first.listener(0)


def test_only_replicas_that_are_up_are_picked() -> None:
    service = serve(a_view(1, app((1, UP), (2, DOWN), (3, UP), (4, UNKNOWN)))).services["app"]
    assert picked(service) == {1, 3}


def test_the_unproven_serve_when_nobody_is_up() -> None:
    assert picked(serve(a_view(1, app((1, DOWN), (2, UNKNOWN)))).services["app"]) == {2}
    assert picked(serve(a_view(1, app((1, DOWN)))).services["app"]) == set()


def test_state_lives_on_by_identity() -> None:
    first = serve(a_view(1, app((1, UP), (2, UP))))
    kept = state_of(first.services["app"], 1)
    kept.requests = 7
    gone = state_of(first.services["app"], 2)
    second = serve(a_view(2, app((1, DOWN), (3, UP))), first)
    assert second.services["app"] is first.services["app"]
    assert state_of(second.services["app"], 1) is kept
    assert (kept.retired, gone.retired) == (False, True)
    assert picked(second.services["app"]) == {3}


def test_a_service_that_goes_retires_its_replicas() -> None:
    first = serve(a_view(1, app((1, UP))))
    replica = state_of(first.services["app"], 1)
    second = serve(a_view(2), first)
    assert second.services == {}
    assert replica.retired
    assert second.match(b"app.test", b"/") is None


def test_a_replica_that_refused_is_left_out_for_a_moment() -> None:
    serving = serve(a_view(1, app((1, UP), (2, UP))))
    service = serving.services["app"]
    service.suspend(state_of(service, 1), 10.0)
    assert picked(service) == {2}
    list(serving.tick(10.0 + SUSPENDED_S / 2))
    assert picked(service) == {2}
    list(serving.tick(10.0 + SUSPENDED_S))
    assert picked(service) == {1, 2}


def test_when_all_are_suspended_all_serve() -> None:
    serving = serve(a_view(1, app((1, UP), (2, UP))))
    service = serving.services["app"]
    for port in (1, 2):
        service.suspend(state_of(service, port), 10.0)
    assert picked(service) == {1, 2}


def test_weights_decide_the_share() -> None:
    view = app((1, UP), (2, UP), balance=Balance.ROUND_ROBIN)
    heavy = replace(view.replicas[0].replica, weight=30)
    light = replace(view.replicas[1].replica, weight=10)
    weighted = replace(view, replicas=(ReplicaView(heavy, UP), ReplicaView(light, UP)))
    service = serve(a_view(1, weighted)).services["app"]
    ports = [choice.id.address.port for choice, _ in (service.balancer.pick() for _ in range(400)) if choice]
    assert ports.count(1) == 300


def test_other_zones_serve_when_the_own_one_cannot() -> None:
    here, there = app((1, DOWN)), app((2, UP), zone="zone-b")
    both = replace(here, replicas=here.replicas + there.replicas, zones=_zones(0.9, 0.9))
    assert picked(serve(a_view(1, both)).services["app"]) == {2}


def test_a_slow_answer_counts_at_once_and_fades_without_samples() -> None:
    serving = serve(a_view(1, app((1, UP))))
    replica = state_of(serving.services["app"], 1)
    replica.observe_latency(0.01)
    replica.observe_latency(2.0)
    assert replica.latency_s == 2.0
    replica.observe_latency(0.01)
    assert 0.01 < replica.latency_s < 2.0
    sampled = replica.latency_s
    replica.forget_latency(LATENCY_FLOOR_S, 1.0)
    assert replica.latency_s == sampled
    for _ in range(1, 40):
        replica.forget_latency(LATENCY_FLOOR_S, 1.0)
    assert replica.latency_s == LATENCY_FLOOR_S


def test_a_weighted_route_draws_in_proportion() -> None:
    one = app((1, UP))
    two = replace(app((2, UP)), name="next")
    route = Route(("*",), ("/",), (WeightedService("app", 95), WeightedService("next", 5)))
    choice = serve(a_view(1, one, two, routes=(route,))).match(b"any", b"/")
    assert choice is not None
    drawn = [choice.draw().name for _ in range(10_000)]
    assert 0.03 < drawn.count("next") / len(drawn) < 0.07


def returning(*returned: float | None, zones: str = "aa", **policy: Any) -> ServiceView:
    """Replicas 1 and on that are up; the time at which each returned."""
    replicas = tuple(
        ReplicaView(Replica(address(port), f"zone-{zone}"), UP, returned_s=returned_s)
        for port, (returned_s, zone) in enumerate(zip(returned, zones, strict=True), 1)
    )
    return ServiceView("app", replicas, replace(TrafficPolicy(slow_start_s=10.0), **policy))


def share(service: ServiceState, port: int, times: int = 20_000) -> float:
    """How often this replica is picked, of all picks."""
    choices = (service.balancer.pick()[0] for _ in range(times))
    return sum(choice is not None and choice.id.address.port == port for choice in choices) / times


@pytest.mark.parametrize("balance", list(Balance))
def test_a_replica_that_returns_rises_to_its_share_and_then_costs_nothing(balance: Balance) -> None:
    serving = serve(a_view(1, returning(None, 100.0, balance=balance)), now=100.0)
    service = serving.services["app"]
    assert service.is_warming
    shares = [share(service, 2)]
    for second in range(1, 14):
        list(serving.tick(100.0 + second))
        shares.append(share(service, 2))
    assert shares[0] == pytest.approx(0.1 / 1.1, abs=0.01)
    assert all(later >= earlier - 0.02 for earlier, later in pairwise(shares[:11]))
    assert shares[-1] == pytest.approx(0.5, abs=0.02)
    assert not service.is_warming


def test_forwarders_do_not_rise_in_step() -> None:
    began = set()
    for seed in range(20):
        serving = whole(compile_view(a_view(1, returning(None, 100.0)), None, random.Random(seed).random, 100.0))
        began.add(state_of(serving.services["app"], 2).rise_began_s)
    assert len(began) == 20
    assert all(100.0 <= one <= 100.0 + JITTER * 10.0 for one in began)


def test_a_new_view_changes_nothing_about_a_rise_under_way() -> None:
    first = serve(a_view(1, returning(None, 100.0)), now=100.0)
    before = state_of(first.services["app"], 2).rise_began_s
    second = serve(a_view(2, returning(None, 100.0, retries=5)), first, now=103.0)
    assert state_of(second.services["app"], 2).rise_began_s == before
    assert second.services["app"].is_warming


@pytest.mark.parametrize(("returned_s", "slow_start_s"), [(None, 10.0), (5000.0, 10.0), (10.0, 10.0), (99.0, 0.0)])
def test_nothing_warms_up_that_did_not_return_of_late(returned_s: float | None, slow_start_s: float) -> None:
    """A View from before the machine's last boot speaks of times yet to come."""
    view = returning(None, returned_s, slow_start_s=slow_start_s)
    service = serve(a_view(1, view), now=100.0).services["app"]
    assert not service.is_warming
    assert share(service, 2) == pytest.approx(0.5, abs=0.02)


def test_a_replica_that_returns_alone_serves_at_once() -> None:
    service = serve(a_view(1, returning(100.0, zones="a")), now=100.0).services["app"]
    assert picked(service) == {1}


def test_the_only_one_of_the_zone_takes_over_from_the_others_slowly() -> None:
    view = replace(returning(100.0, None, zones="ab"), zones=_zones(0.98, 0.0))
    serving = serve(a_view(1, view), now=100.0)
    service = serving.services["app"]
    assert share(service, 1) == pytest.approx(0.098, abs=0.01)
    list(serving.tick(113.0))
    assert share(service, 1) == pytest.approx(0.98, abs=0.01)


def test_a_view_of_many_is_compiled_in_steps_that_are_small() -> None:
    many = a_view(1, app(*((port, UP) for port in range(1, 5001))))
    assert sum(1 for _ in compile_view(many, None, random.random, 0.0)) >= 5000 / UPDATES_PER_STEP
    few_each = a_view(1, *(replace(app((1, UP)), name=f"s{number}") for number in range(1000)))
    assert sum(1 for _ in compile_view(few_each, None, random.random, 0.0)) >= 1000


def test_services_that_stay_cost_a_look() -> None:
    services = [replace(app((1, UP)), name=f"s{number}") for number in range(640)]
    first = serve(a_view(1, *services))
    steps = sum(1 for _ in compile_view(a_view(2, *services, routes=first.view.routes), first, random.random, 0.0))
    assert steps <= 640 / UPDATES_PER_STEP + 640 / ROUTES_PER_STEP


def test_in_a_large_service_many_that_refuse_are_left_out_by_the_next_second_together() -> None:
    count = REPLICAS_AT_ONCE_MAX + 1
    serving = serve(a_view(1, app(*((port, UP) for port in range(1, count + 1)))))
    service = serving.services["app"]
    before = service.balancer
    for port in range(1, 11):
        service.suspend(state_of(service, port), 10.0)
    assert service.balancer is before
    list(serving.tick(10.5))
    assert picked(service, 5000).isdisjoint(range(1, 11))
    list(serving.tick(10.0 + 2 * SUSPENDED_S))
    assert not picked(service, 20_000).isdisjoint(range(1, 11))


def test_a_replica_that_refuses_while_a_view_is_taken_over_is_left_out_by_the_next_second() -> None:
    first = serve(a_view(1, app((1, UP), (2, UP), (3, UP))))
    service = first.services["app"]
    steps = compile_view(a_view(2, app((1, UP), (2, UP), (3, UP), (4, UP))), first, random.random, 10.0)
    next(steps, None)
    service.suspend(state_of(service, 1), 10.0)
    serving = whole(steps)
    list(serving.tick(10.5))
    assert picked(serving.services["app"]) == {2, 3, 4}


def test_of_many_replicas_without_room_one_that_gets_some_is_found(reactor: Reactor) -> None:
    """At once where a request waits for it; else after as many requests as it takes to look at all."""
    service = serve(a_view(1, app(*((port, UP) for port in range(1, 2001))))).services["app"]
    room, one = service.room, state_of(service, 1234)
    for replica in service.replicas:
        replica.in_flight = room.limits.replica_connections
    assert service.pick_with_room() is None
    one.in_flight -= 1
    found = [service.pick_with_room() for _ in range(2000 // LOOKS_FOR_UNTRIED + 1)]
    assert one in found
    assert room.enter(Waiter(), reactor)
    room.look(one)
    assert service.pick_with_room() is one
    room.look(one)
    one.in_flight += 1
    assert service.pick_with_room() is None


def test_a_replica_that_left_is_not_found_by_the_place_that_it_frees(reactor: Reactor) -> None:
    first = serve(a_view(1, app((1, UP), (2, UP))))
    service = first.services["app"]
    gone, other = state_of(service, 1), state_of(service, 2)
    assert service.room.enter(Waiter(), reactor)
    service.room.look(gone)
    serve(a_view(2, app((2, UP))), first)
    assert service.pick_with_room() is other


def test_what_is_compiled_goes_without_the_garbage_collector() -> None:
    both = app((1, UP), (2, UP)), replace(app((1, UP), balance=Balance.RING_HASH), name="keys")
    gc.collect()
    gc.disable()
    try:
        serving = serve(a_view(1, *both))
        serving = serve(a_view(2, app((1, DOWN), (3, UP))), serving)
        assert list(serving.services) == ["app"]
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_view_that_takes_many_away_is_compiled_in_small_steps_too() -> None:
    many = serve(a_view(1, app(*((port, UP) for port in range(1, 5001)))))
    steps = compile_view(a_view(2, app((1, UP))), many, random.random, 0.0)
    assert sum(1 for _ in steps) >= 4999 / UPDATES_PER_STEP


def test_many_routes_are_taken_over_in_small_steps() -> None:
    routes = tuple(Route((f"h{number}.test",), ("/",), (WeightedService("app"),)) for number in range(640))
    steps = compile_view(a_view(1, app((1, UP)), routes=routes), None, random.random, 0.0)
    assert sum(1 for _ in steps) >= 640 / ROUTES_PER_STEP


def test_what_another_agent_says_in_the_same_words_changes_nothing() -> None:
    first = serve(a_view(1, app((1, UP), (2, UP))))
    before = first.services["app"].balancer
    again = serve(a_view(2, app((1, UP), (2, UP))), first)
    assert again.services["app"].balancer is before
    assert again.routes is first.routes
    other = serve(a_view(3, app((1, UP), (2, DOWN))), again)
    assert other.services["app"].balancer is not before


def test_many_are_grouped_in_small_steps() -> None:
    """They are gone over once for each of: who they are, who is up, who is unproven, who is not suspended, who warms
    up, in which zone they are, who is picked by which policy, what they weigh.
    """
    count = 20 * ITEMS_PER_STEP
    serving = serve(a_view(1, app(*((port, UP) for port in range(1, count + 1)))))
    assert sum(1 for _ in serving.services["app"].rebalance(0.0)) >= 7 * 20


def test_few_siblings_are_asked_for_their_latency() -> None:
    service = serve(a_view(1, app(*((port, UP) for port in range(1, 1001))))).services["app"]
    for number, replica in enumerate(service.replicas):
        replica.observe_latency(0.01 if number < SIBLINGS_MAX else 1.0)
    assert service.siblings_latency_s(service.replicas[-1]) == 0.01
    assert SIBLINGS_MAX <= 64
