"""Views compiled: what stays by identity, who may be picked, how latencies and suspensions age."""

import random
from dataclasses import replace

from lbmesh.forwarder.serving import LATENCY_FLOOR_S, SUSPENDED_S, ReplicaState, ServiceState, Serving
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import Balance, Replica, Route, WeightedService
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion

UP, DOWN, UNKNOWN = Availability.UP, Availability.DOWN, Availability.UNKNOWN


def address(port: int) -> Address:
    return Address("10.0.0.1", port)


def a_view(number: int, *services: ServiceView, routes: tuple[Route, ...] = ()) -> View:
    every = tuple(Route((f"{service.name}.test",), ("/",), (WeightedService(service.name),)) for service in services)
    return View(ViewVersion(1, number), "lb-a1", "zone-a", routes or every, services)


def app(*replicas: tuple[int, Availability], zone: str = "zone-a", balance: Balance = Balance.P2C) -> ServiceView:
    views = tuple(ReplicaView(Replica(address(port), zone), availability) for port, availability in replicas)
    return ServiceView("app", views, balance=balance)


def serve(view: View, previous: Serving | None = None, now: float = 0.0) -> Serving:
    return Serving(view, previous, random.Random(1).random, now)


def picked(service: ServiceState, times: int = 200) -> set[int]:
    """The ports of all replicas that are ever picked."""
    choices = (service.balancer.pick()[0] for _ in range(times))
    return {choice.id.address.port for choice in choices if choice is not None}


def state_of(service: ServiceState, port: int) -> ReplicaState:
    return next(replica for replica in service.replicas if replica.id.address.port == port)


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
    serving.tick(10.0, 10.0 + SUSPENDED_S / 2)
    assert picked(service) == {2}
    serving.tick(10.0 + SUSPENDED_S / 2, 10.0 + SUSPENDED_S)
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
    both = replace(here, replicas=here.replicas + there.replicas, local_share=0.9)
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
    serving.tick(0.0, 1.0)
    assert replica.latency_s == sampled
    for second in range(1, 40):
        serving.tick(second, second + 1.0)
    assert replica.latency_s == LATENCY_FLOOR_S


def test_a_weighted_route_draws_in_proportion() -> None:
    one = app((1, UP))
    two = replace(app((2, UP)), name="next")
    route = Route(("*",), ("/",), (WeightedService("app", 95), WeightedService("next", 5)))
    choice = serve(a_view(1, one, two, routes=(route,))).match(b"any", b"/")
    assert choice is not None
    drawn = [choice.draw().name for _ in range(10_000)]
    assert 0.03 < drawn.count("next") / len(drawn) < 0.07
