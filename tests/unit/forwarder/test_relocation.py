"""Requests whose replica went down: how many move at a time, where to, and which stay."""

from lbmesh.forwarder.relocation import MOVES_PER_STEP, Relocation
from lbmesh.model.restraint import Hedging, ServiceLimits
from lbmesh.model.traffic import TrafficPolicy
from tests.support.stepped import Rounds, SteppedForwarder, StillReplica, stepped_forwarder


def relocate(forwarder: SteppedForwarder, *down: StillReplica) -> None:
    """These go down, and the requests that wait for them are looked at."""
    forwarder.let_down(*down)
    Relocation(forwarder.engine).begin()
    forwarder.step()


def test_few_are_moved_in_a_round() -> None:
    count = 35
    with stepped_forwarder(2) as forwarder:
        fallen, sound = forwarder.replicas
        forwarder.let_down(sound)
        for _ in range(count):
            forwarder.ask()
        forwarder.until(lambda: fallen.requests == count, "all of them at one replica")
        forwarder.let_down(fallen)
        Relocation(forwarder.engine).begin()
        rounds = Rounds(forwarder.engine.reactor, lambda: forwarder.service.moved)
        forwarder.until(lambda: sound.requests == count, "all of them at the other")
        assert rounds.seen[:4] == [MOVES_PER_STEP, 2 * MOVES_PER_STEP, count, count]


def test_who_has_left_by_then_is_not_moved() -> None:
    with stepped_forwarder(2) as forwarder:
        fallen, sound = forwarder.replicas
        leaving, staying = forwarder.ask_at(fallen), forwarder.ask_at(fallen)
        forwarder.let_down(fallen)
        relocation = Relocation(forwarder.engine)
        leaving.reset()
        forwarder.until(lambda: forwarder.engine.counters.connections == 1, "its end")
        relocation.begin()
        forwarder.until(lambda: sound.requests > 0, "the move of the other")
        assert (forwarder.service.moved, forwarder.attempts()) == (1, 3)
        sound.answer()
        forwarder.answered(staying)


def test_what_was_answered_by_then_is_not_moved() -> None:
    with stepped_forwarder(2) as forwarder:
        fallen = forwarder.replicas[0]
        client = forwarder.ask_at(fallen)
        forwarder.let_down(fallen)
        relocation = Relocation(forwarder.engine)
        fallen.answer()
        forwarder.answered(client)
        relocation.begin()
        forwarder.step()
        assert (forwarder.service.moved, forwarder.attempts()) == (0, 1)


def test_who_waits_for_another_replica_by_then_is_not_moved() -> None:
    with stepped_forwarder(3) as forwarder:
        fallen, sound, third = forwarder.replicas
        client = forwarder.ask_at(fallen)
        forwarder.let_down(fallen, third)
        relocation = Relocation(forwarder.engine)
        fallen.break_off()
        forwarder.reached(sound)
        forwarder.let_down(fallen)
        relocation.begin()
        forwarder.step()
        assert (forwarder.service.moved, forwarder.attempts()) == (0, 2)
        sound.answer()
        forwarder.answered(client)


def test_who_was_left_once_is_not_asked_again_while_another_is_there() -> None:
    with stepped_forwarder(3) as forwarder:
        left, broken, busy = forwarder.replicas
        client = forwarder.ask_at(left)
        relocate(forwarder, left, busy)
        forwarder.reached(broken)
        forwarder.let_down()
        forwarder.state_of(busy).in_flight += 9
        broken.break_off()
        forwarder.reached(busy)
        forwarder.state_of(busy).in_flight -= 9
        busy.answer()
        forwarder.answered(client)


def test_nobody_is_moved_to_where_the_request_has_failed() -> None:
    with stepped_forwarder(2) as forwarder:
        broken, fallen = forwarder.replicas
        client = forwarder.ask_at(broken)
        broken.break_off()
        forwarder.until(lambda: fallen.requests == 1, "the retry")
        relocate(forwarder, fallen)
        assert (forwarder.service.moved, forwarder.attempts()) == (0, 2)
        fallen.answer()
        forwarder.answered(client)


def test_one_that_was_not_tried_is_looked_for_among_all() -> None:
    with stepped_forwarder(3, TrafficPolicy(retries=3)) as forwarder:
        broken, fallen, untried = forwarder.replicas
        client = forwarder.ask_at(broken)
        forwarder.let_down(untried)
        broken.break_off()
        forwarder.until(lambda: fallen.requests == 1, "the retry")
        relocate(forwarder, fallen)
        forwarder.until(lambda: untried.requests == 1, "the move")
        untried.answer()
        forwarder.answered(client)


def test_nobody_is_moved_to_a_replica_without_room() -> None:
    with stepped_forwarder(2, TrafficPolicy(limits=ServiceLimits(replica_connections=1))) as forwarder:
        fallen, full = forwarder.replicas
        client, _ = forwarder.ask_at(fallen), forwarder.ask_at(full)
        relocate(forwarder, fallen)
        assert (forwarder.service.moved, forwarder.attempts()) == (0, 2)
        fallen.answer()
        forwarder.answered(client)


def test_a_move_costs_an_attempt() -> None:
    with stepped_forwarder(3, TrafficPolicy(retries=1)) as forwarder:
        first, second, _ = forwarder.replicas
        forwarder.ask_at(first)
        relocate(forwarder, first, forwarder.replicas[2])
        forwarder.until(lambda: second.requests == 1, "the move")
        relocate(forwarder, first, second)
        assert (forwarder.service.moved, forwarder.attempts()) == (1, 2)


def test_a_hedge_that_is_out_takes_over() -> None:
    with stepped_forwarder(3, TrafficPolicy(hedging=Hedging(after_s=1000.0, percent=100))) as forwarder:
        fallen, hedged, third = forwarder.replicas
        client = forwarder.ask_at(fallen)
        forwarder.let_down(third)
        connection = forwarder.connections()[0]
        forwarder.engine.reactor.step_now(connection, connection.exchange.hedge)
        forwarder.until(lambda: hedged.requests == 1, "the hedge")
        relocate(forwarder, fallen)
        assert (forwarder.service.moved, forwarder.attempts()) == (0, 2)
        assert forwarder.state_of(fallen).in_flight == 0
        forwarder.until(lambda: fallen.connections[0].ended, "the end of the first attempt")
        hedged.answer()
        forwarder.answered(client)
