"""What copies of requests may cost: a bounded number of them, no replica its last place, and no long answer."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from lbmesh.forwarder.client import ClientConnection
from lbmesh.forwarder.mirror import MirroredRequest
from lbmesh.model.limits import MIRRORED_RESPONSE_BYTES_MAX, MIRRORS_IN_FLIGHT_MAX
from lbmesh.model.restraint import ServiceLimits
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.route_rules import Mirror, RouteRules
from lbmesh.model.traffic import Timeouts, TrafficPolicy
from lbmesh.model.view import ServiceView, View
from tests.support.origins import silent_address
from tests.support.stepped import GET, SteppedForwarder, StillReplica, stepped_forwarder

PIECE = bytes(64 * 1024)


def mirrored(view: View, traffic: TrafficPolicy) -> View:
    """The View in which the second replica gets copies of all that the first is asked."""
    service, route = view.services[0], view.routes[0]
    first, second = service.replicas
    return replace(
        view,
        routes=(replace(route, rules=RouteRules(mirror=Mirror("shadow"))),),
        services=(replace(service, replicas=(first,)), ServiceView("shadow", (second,), traffic)),
    )


@contextmanager
def a_mirror(traffic: TrafficPolicy = TrafficPolicy()) -> Iterator[tuple[SteppedForwarder, StillReplica, StillReplica]]:
    with stepped_forwarder(2) as forwarder:
        app, shadow = forwarder.replicas
        forwarder.adopt(mirrored(forwarder.view, traffic))
        yield forwarder, app, shadow


def ask_times(forwarder: SteppedForwarder, app: StillReplica, times: int) -> None:
    """One client asks so often, and is answered each time."""
    client = forwarder.ask()
    for number in range(1, times + 1):
        forwarder.reached(app, number)
        client.received = b""
        app.answer()
        forwarder.answered(client)
        if number < times:
            client.send(GET)


def came_of_copies(forwarder: SteppedForwarder) -> dict[str, int]:
    return {outcome: count for (_, outcome), count in forwarder.engine.counters.mirrored.items()}


def test_so_many_copies_at_a_time_and_no_more() -> None:
    with a_mirror() as (forwarder, app, shadow):
        ask_times(forwarder, app, 66)
        forwarder.until(lambda: shadow.requests == MIRRORS_IN_FLIGHT_MAX, "the copies")
        assert came_of_copies(forwarder) == {"left_out_busy": 66 - MIRRORS_IN_FLIGHT_MAX}
        assert forwarder.attempts() == 66 + MIRRORS_IN_FLIGHT_MAX
        shadow.answer()
        forwarder.until(lambda: came_of_copies(forwarder).get("answered") == 1, "an answer to a copy")


def test_a_copy_takes_no_place_that_is_not_free() -> None:
    with a_mirror(TrafficPolicy(limits=ServiceLimits(replica_connections=1))) as (forwarder, app, shadow):
        ask_times(forwarder, app, 3)
        assert came_of_copies(forwarder) == {"left_out_busy": 2}
        assert shadow.requests == 1


def test_a_long_answer_to_a_copy_costs_its_connection() -> None:
    with a_mirror() as (forwarder, app, shadow):
        ask_times(forwarder, app, 1)
        forwarder.until(lambda: shadow.requests == 1, "the copy")
        copy = shadow.connections[0]
        copy.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIRRORED_RESPONSE_BYTES_MAX))
        sent = 0
        while not came_of_copies(forwarder):
            assert sent < 2 * 1024 * 1024
            with suppress(ConnectionError):
                copy.send(PIECE)
            sent += len(PIECE)
            forwarder.step()
        assert sent > MIRRORED_RESPONSE_BYTES_MAX - 2 * len(PIECE)
        forwarder.until(lambda: copy.ended, "the end of its connection")


def test_an_answer_that_is_not_too_long_costs_nothing() -> None:
    with a_mirror() as (forwarder, app, shadow):
        ask_times(forwarder, app, 1)
        forwarder.until(lambda: shadow.requests == 1, "the copy")
        shadow.answer()
        forwarder.until(lambda: came_of_copies(forwarder) == {"answered": 1}, "the end of the copy")
        forwarder.ask()
        forwarder.until(lambda: shadow.requests == 2, "another copy")
        assert len(shadow.connections) == 1


def test_a_copy_that_ends_leaves_its_place_to_who_waits() -> None:
    """The service that gets the copies has clients of its own, too."""
    limits = TrafficPolicy(limits=ServiceLimits(replica_connections=1, pending_timeout_s=1000.0))
    with a_mirror(limits) as (forwarder, app, shadow):
        own = Route(("shadow",), ("/",), (WeightedService("shadow"),))
        forwarder.adopt(replace(forwarder.view, routes=(*forwarder.view.routes, own)))
        ask_times(forwarder, app, 1)
        forwarder.until(lambda: shadow.requests == 1, "the copy")
        waiting = forwarder.ask(b"GET / HTTP/1.1\r\nHost: shadow\r\n\r\n")
        assert shadow.requests == 1
        shadow.answer()
        forwarder.until(lambda: shadow.requests == 2, "who waited")
        shadow.answer()
        forwarder.answered(waiting)


def test_a_copy_that_has_its_connection_lets_the_next_one_have_one_made() -> None:
    limits = TrafficPolicy(limits=ServiceLimits(connecting=1, pending_timeout_s=1000.0))
    with a_mirror(limits) as (forwarder, app, shadow):
        own = Route(("shadow",), ("/",), (WeightedService("shadow"),))
        forwarder.adopt(replace(forwarder.view, routes=(*forwarder.view.routes, own)))
        assert forwarder.engine.serving is not None
        state = forwarder.engine.serving.services["shadow"].replicas[0]
        state.connecting = 1
        forwarder.ask(b"GET / HTTP/1.1\r\nHost: shadow\r\n\r\n")
        assert shadow.requests == 0
        state.connecting = 0
        ask_times(forwarder, app, 1)
        forwarder.reached(shadow, 2)


def test_what_follows_an_answer_to_a_copy_is_no_answer_to_the_next() -> None:
    with a_mirror() as (forwarder, app, shadow):
        ask_times(forwarder, app, 1)
        forwarder.reached(shadow)
        shadow.connections[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n")
        forwarder.until(lambda: shadow.connections[0].ended, "the end of its connection")
        assert came_of_copies(forwarder) == {"answered": 1}


@pytest.mark.parametrize(("responses", "outcome"), [(16, {}), (17, {"failed": 1})])
def test_a_copy_bears_so_many_informational_responses(responses: int, outcome: dict[str, int]) -> None:
    with a_mirror() as (forwarder, app, shadow):
        ask_times(forwarder, app, 1)
        forwarder.reached(shadow)
        shadow.connections[0].send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * responses)
        forwarder.step()
        forwarder.until(lambda: bool(came_of_copies(forwarder)) or not outcome, "the end of the copy")
        assert came_of_copies(forwarder) == outcome


def let_pass(forwarder: SteppedForwarder, seconds: float) -> None:
    """What is overdue then is told so. The wheel looks no further than some seconds at a time."""
    now = forwarder.engine.reactor.now
    for part in range(1, 101):
        for overdue in forwarder.engine.wheel.expired(now + seconds * part / 100):
            assert isinstance(overdue, MirroredRequest | ClientConnection)
            forwarder.engine.reactor.step_now(overdue, overdue.on_deadline)


TIMEOUTS = Timeouts(connect_s=5.0, response_s=20.0, idle_s=60.0)


def test_an_answer_to_a_copy_is_not_waited_for_for_ever() -> None:
    with a_mirror(TrafficPolicy(timeouts=TIMEOUTS)) as (forwarder, app, shadow):
        ask_times(forwarder, app, 1)
        forwarder.reached(shadow)
        let_pass(forwarder, 10.0)
        assert came_of_copies(forwarder) == {}
        let_pass(forwarder, 22.0)
        assert came_of_copies(forwarder) == {"failed": 1}


def test_an_answer_to_a_copy_may_fall_silent_for_so_long() -> None:
    with a_mirror(TrafficPolicy(timeouts=TIMEOUTS)) as (forwarder, app, shadow):
        ask_times(forwarder, app, 1)
        forwarder.reached(shadow)
        shadow.connections[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        forwarder.step()
        let_pass(forwarder, 50.0)
        assert came_of_copies(forwarder) == {}
        let_pass(forwarder, 62.0)
        assert came_of_copies(forwarder) == {"failed": 1}


def test_a_replica_that_swallows_connections_holds_no_copy_for_ever() -> None:
    with a_mirror(TrafficPolicy(timeouts=TIMEOUTS)) as (forwarder, app, shadow), silent_address() as silent:
        known = forwarder.view.services[1]
        nowhere = replace(known.replicas[0], replica=replace(known.replicas[0].replica, address=silent))
        forwarder.adopt(
            replace(forwarder.view, services=(forwarder.view.services[0], replace(known, replicas=(nowhere,))))
        )
        ask_times(forwarder, app, 1)
        assert came_of_copies(forwarder) == {}
        let_pass(forwarder, 7.0)
        assert came_of_copies(forwarder) == {"failed": 1}
        assert shadow.requests == 0
