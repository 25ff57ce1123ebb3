"""When a second attempt is made while the first is out, and whom it asks."""

from lbmesh.forwarder.exchange import Exchange
from lbmesh.model.restraint import Hedging, ServiceLimits
from lbmesh.model.traffic import TrafficPolicy
from tests.support.stepped import GET, SteppedForwarder, stepped_forwarder

NEVER_BY_ITSELF = Hedging(after_s=1000.0, percent=100)
"""The tests say when a request has been out for too long."""
HEDGED = TrafficPolicy(hedging=NEVER_BY_ITSELF)
STREAMED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"


def is_late(forwarder: SteppedForwarder, number: int = 0) -> Exchange:
    """The request of the connection with this number has been out for too long. Its exchange."""
    client = forwarder.connections()[number]
    forwarder.engine.reactor.step_now(client, client.exchange.hedge)
    forwarder.step()
    return client.exchange


def test_a_request_is_hedged_once() -> None:
    with stepped_forwarder(3, HEDGED) as forwarder:
        first, second, third = forwarder.replicas
        client = forwarder.ask_at(first)
        forwarder.let_down(third)
        is_late(forwarder)
        forwarder.until(lambda: second.requests == 1, "the hedge")
        forwarder.let_down()
        is_late(forwarder)
        assert (forwarder.service.hedges, forwarder.attempts()) == (1, 2)
        second.answer()
        forwarder.answered(client)
        assert third.requests == 0


def test_a_request_whose_hedge_has_failed_is_not_hedged_again() -> None:
    with stepped_forwarder(3, HEDGED) as forwarder:
        first, second, third = forwarder.replicas
        forwarder.ask_at(first)
        forwarder.let_down(third)
        is_late(forwarder)
        forwarder.until(lambda: second.requests == 1, "the hedge")
        second.break_off()
        forwarder.until(lambda: forwarder.state_of(second).failures == 1, "its failure")
        forwarder.let_down()
        is_late(forwarder)
        assert (forwarder.service.hedges, forwarder.attempts()) == (1, 2)


def test_a_retry_is_not_hedged() -> None:
    with stepped_forwarder(3, HEDGED) as forwarder:
        first = forwarder.replicas[0]
        forwarder.ask_at(first)
        first.break_off()
        forwarder.until(lambda: forwarder.attempts() == 2, "the retry")
        is_late(forwarder)
        assert (forwarder.service.hedges, forwarder.attempts()) == (0, 2)


def test_what_has_begun_to_be_answered_is_not_hedged() -> None:
    with stepped_forwarder(2, HEDGED) as forwarder:
        first = forwarder.replicas[0]
        client = forwarder.ask_at(first)
        first.connections[0].send(STREAMED)
        forwarder.until(lambda: client.received.endswith(b"half"), "half an answer")
        is_late(forwarder)
        assert (forwarder.service.hedges, forwarder.attempts()) == (0, 1)
        first.connections[0].send(b"half")
        forwarder.answered(client, b"halfhalf")


def test_nobody_is_asked_twice_at_once() -> None:
    with stepped_forwarder(1, HEDGED) as forwarder:
        forwarder.ask()
        is_late(forwarder)
        assert (forwarder.service.hedges, forwarder.attempts()) == (0, 1)


def test_the_hedge_goes_to_another_replica_however_the_lots_fall() -> None:
    with stepped_forwarder(2, HEDGED) as forwarder:
        for number in range(10):
            forwarder.ask()
            is_late(forwarder, number)
            assert forwarder.service.hedges == number + 1
        forwarder.until(lambda: [one.requests for one in forwarder.replicas] == [10, 10], "each request at both")


def test_a_replica_without_room_gets_no_hedge() -> None:
    policy = TrafficPolicy(hedging=NEVER_BY_ITSELF, limits=ServiceLimits(replica_connections=1))
    with stepped_forwarder(2, policy) as forwarder:
        first, full = forwarder.replicas
        forwarder.ask_at(full)
        forwarder.ask_at(first)
        for number in (0, 1):
            is_late(forwarder, number)
        assert (forwarder.service.hedges, forwarder.attempts()) == (0, 2)


def test_a_replica_that_is_down_gets_no_hedge() -> None:
    with stepped_forwarder(2, HEDGED) as forwarder:
        first, fallen = forwarder.replicas
        forwarder.ask_at(first)
        forwarder.let_down(fallen)
        is_late(forwarder)
        assert (forwarder.service.hedges, forwarder.attempts()) == (0, 1)


def test_a_hedge_that_is_not_made_costs_none_of_the_budget() -> None:
    with stepped_forwarder(2, TrafficPolicy(hedging=Hedging(after_s=1000.0, percent=0))) as forwarder:
        first, other = forwarder.replicas
        forwarder.ask_at(first)
        forwarder.let_down(other)
        is_late(forwarder)
        forwarder.let_down()
        is_late(forwarder)
        assert forwarder.service.hedges == 1


def test_the_budget_bounds_the_hedges() -> None:
    with stepped_forwarder(2, TrafficPolicy(hedging=Hedging(after_s=1000.0, percent=1))) as forwarder:
        for number in range(5):
            forwarder.ask()
            is_late(forwarder, number)
        assert (forwarder.service.hedges, forwarder.attempts()) == (1, 6)


def test_an_attempt_that_loses_leaves_its_place_to_who_waits() -> None:
    """A hedge that wins frees the place of the first attempt, though its own answer has only begun."""
    policy = TrafficPolicy(hedging=NEVER_BY_ITSELF, limits=ServiceLimits(replica_connections=1))
    with stepped_forwarder(2, policy) as forwarder:
        first, other = forwarder.replicas
        hedged = forwarder.ask_at(first)
        is_late(forwarder)
        forwarder.until(lambda: other.requests == 1, "the hedge")
        forwarder.ask()
        assert len(forwarder.service.room) == 1
        other.connections[0].send(STREAMED)
        forwarder.until(lambda: hedged.received.endswith(b"half"), "the hedge's answer")
        forwarder.until(lambda: first.requests == 2, "who waited, at the replica that is free")
        other.connections[0].send(b"half")
        forwarder.answered(hedged, b"halfhalf")


def test_a_hedge_that_loses_leaves_its_place_to_who_waits() -> None:
    policy = TrafficPolicy(hedging=NEVER_BY_ITSELF, limits=ServiceLimits(replica_connections=1))
    with stepped_forwarder(2, policy) as forwarder:
        first, other = forwarder.replicas
        hedged = forwarder.ask_at(first)
        is_late(forwarder)
        forwarder.until(lambda: other.requests == 1, "the hedge")
        forwarder.ask(GET)
        assert len(forwarder.service.room) == 1
        first.connections[0].send(STREAMED)
        forwarder.until(lambda: hedged.received.endswith(b"half"), "the first attempt's answer")
        forwarder.until(lambda: other.requests == 2, "who waited, at the replica that is free")


def test_a_hedge_that_fails_leaves_its_place_to_who_waits() -> None:
    policy = TrafficPolicy(hedging=NEVER_BY_ITSELF, limits=ServiceLimits(replica_connections=1))
    with stepped_forwarder(2, policy) as forwarder:
        first, other = forwarder.replicas
        forwarder.ask_at(first)
        is_late(forwarder)
        forwarder.until(lambda: other.requests == 1, "the hedge")
        forwarder.ask(GET)
        assert len(forwarder.service.room) == 1
        other.break_off()
        forwarder.until(lambda: other.requests == 2, "who waited, at the replica that is free")
