"""A real forwarder process and what its sentinel and its agents do to it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lbmesh.control.link import Hello, ReplicaFailure, Viewed
from lbmesh.model.view import ViewVersion
from tests.support.forwarders import WAIT_S, ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, answering, refused_address, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def test_nothing_is_accepted_before_the_first_view(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin, forwarder.connect() as connection:
        connection.sendall(GET)
        assert forwarder.next_telemetry().connections == 0
        forwarder.send_view(a_view([origin.address]))
        assert RawClient(connection).response().status == 200


def test_a_new_view_moves_requests_on_open_connections(forwarder: ForwarderProcess) -> None:
    with running_origin(answering(b"one")) as one, running_origin(answering(b"two")) as two:
        forwarder.send_view(a_view([one.address]))
        with forwarder.connect() as connection:
            client = RawClient(connection)
            assert [client.exchange(GET).body for _ in range(2)] == [b"one", b"one"]
            forwarder.send_view(a_view([two.address], number=2))
            assert [client.exchange(GET).body for _ in range(2)] == [b"two", b"two"]


def test_an_older_view_changes_nothing(forwarder: ForwarderProcess) -> None:
    with running_origin(answering(b"one")) as one, running_origin(answering(b"two")) as two:
        forwarder.send_view(a_view([one.address], generation=2, number=7))
        forwarder.send_view(a_view([two.address], generation=2, number=7), wait=False)
        forwarder.send_view(a_view([two.address], generation=1, number=99), wait=False)
        forwarder.send_view(a_view([one.address], generation=2, number=8))
        with forwarder.connect() as connection:
            assert RawClient(connection).exchange(GET).body == b"one"


def test_requests_go_on_without_an_agent_and_the_next_one_inherits(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin, forwarder.connect() as connection:
        view = a_view([origin.address], generation=3, number=5)
        forwarder.send_view(view)
        client = RawClient(connection)
        assert client.exchange(GET).status == 200
        forwarder.new_link(4)
        assert client.exchange(GET).status == 200
        assert forwarder.next_message() == Hello(0, forwarder.process.pid)
        message = forwarder.next_message()
        while message is None:
            message = forwarder.next_message()
        assert message == Viewed(ViewVersion(3, 5))


def test_garbage_on_the_link_ends_the_link_and_nothing_else(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        forwarder.send_raw(b"no view at all\n")
        with pytest.raises(EOFError):
            forwarder.read_link_to_end()
        assert RawClient(connection).exchange(GET).status == 200


def test_failures_of_replicas_are_reported_at_once(forwarder: ForwarderProcess) -> None:
    dead = refused_address()
    forwarder.send_view(a_view([dead]))
    with forwarder.connect() as connection:
        assert RawClient(connection).exchange(GET).status == 503
    message = forwarder.next_message()
    while not isinstance(message, ReplicaFailure):
        message = forwarder.next_message()
    assert (message.replica.address, message.reason) == (dead, "connect_refused")


def test_telemetry_counts_what_happened(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        for _ in range(5):
            client.exchange(GET)

        def all_counted() -> bool:
            rows = forwarder.latest_telemetry().requests
            return [(row.service, row.method, row.status, row.count) for row in rows] == [("app", "GET", 200, 5)]

        wait_for(all_counted, "telemetry of five requests")
        figures = forwarder.latest_telemetry()
        assert (figures.connections, figures.accepted, figures.active_requests) == (1, 1, 0)
        assert (figures.replicas[0].requests, figures.replicas[0].in_flight) == (5, 0)


def test_draining_finishes_what_is_under_way(forwarder: ForwarderProcess) -> None:
    arrived, release = threading.Event(), threading.Event()

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        arrived.set()
        assert release.wait(WAIT_S)
        connection.answer(b"finished")

    with running_origin(behave) as origin, forwarder.connect() as busy, forwarder.connect() as idle:
        forwarder.send_view(a_view([origin.address]))
        busy.sendall(GET)
        assert arrived.wait(WAIT_S)
        forwarder.drain(20.0)
        assert RawClient(idle).at_end()
        release.set()
        client = RawClient(busy)
        response = client.response()
        assert response.body == b"finished"
        assert client.at_end()
        assert forwarder.process.wait(WAIT_S) == 0
    with pytest.raises(ConnectionRefusedError):
        forwarder.connect()


def test_a_lame_duck_serves_all_that_comes_and_says_that_the_connection_ends(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin:
        forwarder.send_view(a_view([origin.address]))
        with forwarder.connect() as kept:
            client = RawClient(kept)
            assert b"connection" not in client.exchange(GET).fields
            forwarder.become_lame_duck()
            wait_for(lambda: says_goodbye(forwarder), "end of keep-alive")
            assert client.exchange(GET).fields[b"connection"] == b"close"
            assert kept.recv(1) == b""
        assert says_goodbye(forwarder)


def says_goodbye(forwarder: ForwarderProcess) -> bool:
    """Whether the answer on a new connection says that it is the last one there."""
    with forwarder.connect() as connection:
        answer = RawClient(connection).exchange(GET)
    assert answer.status == 200
    return answer.fields.get(b"connection") == b"close"


def test_what_waits_to_be_accepted_when_the_drain_begins_is_served(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin, ExitStack() as opened:
        forwarder.send_view(a_view([origin.address]))
        forwarder.process.send_signal(signal.SIGSTOP)
        forwarder.drain(WAIT_S)
        waiting = [opened.enter_context(forwarder.connect()) for _ in range(50)]
        for connection in waiting:
            connection.sendall(GET)
        forwarder.process.send_signal(signal.SIGCONT)
        assert [RawClient(connection).response().status for connection in waiting] == [200] * 50
        assert forwarder.process.wait(WAIT_S) == 0


def test_a_drain_ends_in_time_whatever_a_client_does(forwarder: ForwarderProcess) -> None:
    def behave(connection: OriginConnection) -> None:
        connection.read_to_end()

    with running_origin(behave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET)
        wait_for(lambda: origin.connections, "request at the origin")
        forwarder.drain(0.5)
        assert forwarder.process.wait(WAIT_S) == 0


def test_the_end_of_the_sentinel_is_the_end_of_the_forwarder(forwarder: ForwarderProcess) -> None:
    forwarder.send_view(a_view([]))
    forwarder.close_control()
    assert forwarder.process.wait(WAIT_S) == 0


def test_terminal_signals_are_the_sentinels_business(forwarder: ForwarderProcess) -> None:
    with running_origin(answering()) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        forwarder.process.send_signal(signal.SIGINT)
        forwarder.process.send_signal(signal.SIGHUP)
        assert RawClient(connection).exchange(GET).status == 200
