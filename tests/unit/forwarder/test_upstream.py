"""What one connection to a replica may take of the forwarder: of its time in one step, and of its pool."""

import socket
from contextlib import suppress

from lbmesh.model.limits import IDLE_UPSTREAMS_PER_REPLICA, READ_BYTES, READS_PER_STEP
from tests.support.stepped import Rounds, stepped_forwarder

ROUNDS = 50


def test_a_long_answer_is_passed_on_a_little_at_a_time() -> None:
    with stepped_forwarder(1) as forwarder:
        replica = forwarder.replicas[0]
        client = forwarder.ask_at(replica)
        connection = replica.connections[0]
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 1_000_000_000)
        exchange = forwarder.connections()[0].exchange
        forwarder.until(lambda: bool(client.received), "the head")
        with suppress(BlockingIOError):
            while True:
                connection.socket.send(bytes(READ_BYTES), socket.MSG_DONTWAIT)
        rounds = Rounds(forwarder.engine.reactor, lambda: exchange.bytes_out, ROUNDS)
        while len(rounds.seen) < ROUNDS:
            forwarder.engine.reactor.drain()
            client.look()
        passed = [after - before for before, after in zip([0, *rounds.seen], rounds.seen, strict=False)]
        assert sum(passed) > 3 * 8 * 64 * 1024
        # One step that it asked for, one because more has come, one because the client took some.
        assert max(passed) <= 3 * READS_PER_STEP * READ_BYTES == 3 * 8 * 64 * 1024


def test_a_pool_holds_no_more_than_it_may() -> None:
    with stepped_forwarder(1) as forwarder:
        replica = forwarder.replicas[0]
        state = forwarder.state_of(replica)
        assert state.idle_max == IDLE_UPSTREAMS_PER_REPLICA == 256
        state.idle_max = 2
        clients = [forwarder.ask_at(replica) for _ in range(4)]
        for number, client in enumerate(clients):
            replica.answer(number)
            forwarder.answered(client)
        assert len(state.idle) == 2
        forwarder.until(lambda: [one.ended for one in replica.connections] == [False, False, True, True], "two ends")
