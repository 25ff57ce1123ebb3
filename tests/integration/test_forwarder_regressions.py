"""A real forwarder process in situations that once went wrong, each set up so that it comes about for certain."""

import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import h11
import pytest

from lbmesh.forward.retry import BUDGET_MINIMUM
from lbmesh.forwarder.client import LINGER_S
from lbmesh.forwarder.timers import PERIOD_S
from lbmesh.model.health import Availability
from lbmesh.model.limits import READ_BYTES
from lbmesh.model.service import Replica
from lbmesh.model.view import ReplicaView, ViewVersion
from tests.support import proc
from tests.support.forwarders import WAIT_S, ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, answering, running_origin, take_little
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
NEARLY_ONE_READ = READ_BYTES - 1024
"""A body that the forwarder takes with its head in one read, and that tight buffers do not take from it."""


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


class HeldOrigin:
    """Behaviour: every request waits at the origin until it is released."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.release = threading.Semaphore(0)

    def answer(self, connection: OriginConnection) -> None:
        """Release means an answer."""
        if connection.read_head():
            self.hold()
            connection.answer(b"finished")

    def leave(self, connection: OriginConnection) -> None:
        """Release means the end of the connection."""
        if connection.read_head():
            self.hold()

    def hold(self) -> None:
        """Until released."""
        self.arrived.release()
        assert self.release.acquire(timeout=WAIT_S)


def descriptors(forwarder: ForwarderProcess) -> set[int]:
    return set(proc.descriptors(forwarder.process.pid))


def limit_that_leaves(free: int, used: set[int]) -> int:
    """RLIMIT_NOFILE bounds the numbers of descriptors, not how many there are: those used may lie anywhere."""
    return next(limit for limit in count() if limit - sum(number < limit for number in used) == free)


def stop(forwarder: ForwarderProcess) -> None:
    """Make the process stand still, and wait until it does."""
    forwarder.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: proc.stat(forwarder.process.pid).state == "T", "standstill")


def test_a_connection_with_an_unsent_request_serves_nobody_else(forwarder: ForwarderProcess) -> None:
    """The answer comes before the body is out: what is left of it must not stand in front of the next request."""
    request = b"PUT /first HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % NEARLY_ONE_READ + b"x" * NEARLY_ONE_READ
    second_is_answered = threading.Event()
    arrived: list[bytes] = []

    def behave(connection: OriginConnection) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.socket.recv(1)
        connection.answer()
        if head.startswith(b"PUT"):
            assert second_is_answered.wait(WAIT_S)
        arrived.append(head + connection.read_to_end())

    with running_origin(behave, tight=True) as origin, forwarder.connect() as one, forwarder.connect() as other:
        one.sendall(request)  # whole before it is accepted, so that it is read whole
        forwarder.send_view(a_view([origin.address], retries=0))
        early = RawClient(one).response()
        assert (early.status, early.fields.get(b"connection")) == (200, None)
        try:
            assert RawClient(other).exchange(GET).status == 200
        finally:
            second_is_answered.set()
        put = wait_for(lambda: [stream for stream in arrived if stream.startswith(b"PUT")], "the end of the PUT")
        assert origin.connections == 2
        assert len(put[0]) < NEARLY_ONE_READ
        assert put[0].partition(b"\r\n\r\n")[2].strip(b"x") == b""


def test_a_slow_reader_gets_all_of_the_last_answer(forwarder: ForwarderProcess) -> None:
    """It pauses for longer than a connection lingers, which begins only when the answer is out."""
    body = b"b" * NEARLY_ONE_READ

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        stop(forwarder)  # so that the answer is read in one piece
        connection.answer(body)
        forwarder.process.send_signal(signal.SIGCONT)

    with running_origin(behave) as origin, socket.socket() as slow:
        forwarder.send_view(a_view([origin.address]))
        take_little(slow)
        slow.settimeout(WAIT_S)
        slow.connect((forwarder.address.host, forwarder.address.port))
        slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        wait_for(forwarder.log_lines, "end of the exchange")
        time.sleep(LINGER_S + PERIOD_S + 0.5)  # the pause itself: a deadline may be met late by PERIOD_S
        client = RawClient(slow)
        assert client.response().body == body
        assert client.at_end()


def test_failures_without_another_replica_use_up_no_retries(forwarder: ForwarderProcess) -> None:
    held = HeldOrigin()

    def leave(connection: OriginConnection) -> None:
        connection.read_head()

    with (
        running_origin(held.leave) as lonely,
        running_origin(leave) as bad,
        running_origin(answering()) as good,
    ):
        for number in range(1, 2 * BUDGET_MINIMUM, 2):
            forwarder.send_view(a_view([lonely.address], number=number))
            with forwarder.connect() as connection:
                connection.sendall(GET)
                assert held.arrived.acquire(timeout=WAIT_S)
                forwarder.send_view(a_view([], number=number + 1))
                held.release.release()
                assert RawClient(connection).response().status == 502
        forwarder.send_view(a_view([bad.address, good.address], number=2 * BUDGET_MINIMUM + 1))
        for _ in range(20):
            with forwarder.connect() as connection:
                assert RawClient(connection).exchange(GET).status == 200
        assert bad.connections > 0


def test_without_descriptors_clients_are_told_or_wait_and_nothing_leaks(forwarder: ForwarderProcess) -> None:
    clients_max = 8
    pid = forwarder.process.pid
    with running_origin(answering(fields=b"Connection: close\r\n")) as origin:
        forwarder.send_view(a_view([origin.address]))
        with forwarder.connect() as connection:  # opens the access log
            assert RawClient(connection).exchange(GET).status == 200
        wait_for(lambda: forwarder.latest_telemetry().connections == 0, "the end of the first connection")
        before = descriptors(forwarder)
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit_that_leaves(clients_max, before), limits[1]))
        clients = [RawClient(forwarder.connect()) for _ in range(2 * clients_max)]
        wait_for(lambda: len(descriptors(forwarder)) == len(before) + clients_max, "use of every descriptor")
        told, waiting = clients[:clients_max], clients[clients_max:]
        assert [client.exchange(GET).status for client in told] == [503] * clients_max
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert [client.exchange(GET).status for client in waiting] == [200] * clients_max
        for client in clients:
            client.close()
        wait_for(lambda: forwarder.latest_telemetry().connections == 0, "the end of every connection")
        figures = forwarder.latest_telemetry()
        assert (figures.active_requests, figures.replicas[0].in_flight) == (0, 0)
    wait_for(lambda: len(forwarder.log_lines()) == 1 + 2 * clients_max, "a line for each request")
    reasons = [line["reason"] for line in forwarder.log_lines() if line["status"] == 503]
    assert reasons == ["overloaded"] * clients_max


def test_a_view_is_taken_during_a_drain(forwarder: ForwarderProcess, capfd: pytest.CaptureFixture[str]) -> None:
    held = HeldOrigin()
    with running_origin(held.answer) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET)
        assert held.arrived.acquire(timeout=WAIT_S)
        forwarder.drain(WAIT_S)
        wait_for(lambda: refuses(forwarder), "refusal of new connections")
        forwarder.send_view(a_view([origin.address], number=2))
        assert forwarder.latest_telemetry().active_requests == 1
        held.release.release()
        assert RawClient(connection).response().body == b"finished"
        assert forwarder.process.wait(WAIT_S) == 0
    said = capfd.readouterr().err
    assert "no View" not in said
    assert "invariant" not in said


def refuses(forwarder: ForwarderProcess) -> bool:
    try:
        forwarder.connect().close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # it stood in the backlog that was just thrown away
    return False


def test_pipelined_requests_and_a_half_close_are_all_answered(forwarder: ForwarderProcess) -> None:
    def echo(connection: OriginConnection) -> None:
        while head := connection.read_head():
            connection.answer(head.split(b" ")[1])

    padding = b"p" * 50
    paths = [b"/%d" % number for number in range(1500)]
    wire = b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\nX-Pad: %b\r\n\r\n" % (path, padding) for path in paths)
    assert len(wire) > 2 * READ_BYTES
    with running_origin(echo) as origin, forwarder.connect() as connection:
        connection.sendall(wire)
        connection.shutdown(socket.SHUT_WR)
        forwarder.send_view(a_view([origin.address]))
        client = RawClient(connection)
        assert [client.response().body for _ in paths] == paths
        assert client.at_end()


def test_what_a_drain_cuts_off_is_in_the_access_log(forwarder: ForwarderProcess) -> None:
    held = HeldOrigin()
    with running_origin(held.leave) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address]))
        connection.sendall(GET)
        assert held.arrived.acquire(timeout=WAIT_S)
        forwarder.drain(0.2)
        with pytest.raises((ConnectionResetError, h11.RemoteProtocolError)):
            RawClient(connection).response()
        held.release.release()
        assert forwarder.process.wait(WAIT_S) == 0
    assert [(line["method"], line["reason"]) for line in forwarder.log_lines()] == [("GET", "drained")]


def test_after_a_stale_connection_another_replica_is_asked(forwarder: ForwarderProcess) -> None:
    """A replica dies while connections to it are pooled, of which each would cost a retry: one retry must be enough."""
    clients = 3
    together = threading.Barrier(clients)

    def answer_together(connection: OriginConnection) -> None:
        while connection.read_head():
            together.wait(WAIT_S)
            connection.answer(b"dying")

    with running_origin(answer_together) as dying, running_origin(answering(b"alive")) as other:
        view = a_view([dying.address], retries=1)
        forwarder.send_view(view)
        connections = [forwarder.connect() for _ in range(clients)]
        for connection in connections:
            connection.sendall(GET)
        assert [RawClient(connection).response().body for connection in connections] == [b"dying"] * clients
        [service] = view.services
        spare = ReplicaView(Replica(other.address, "zone-a"), Availability.UNKNOWN)
        both = replace(service, replicas=(*service.replicas, spare))
        forwarder.send_view(replace(view, version=ViewVersion(1, 2), services=(both,)))
        stop(forwarder)
        connections[0].sendall(GET)  # the forwarder reads it before it sees that the replica is gone
        dying.close()
        forwarder.process.send_signal(signal.SIGCONT)
        assert RawClient(connections[0]).response().body == b"alive"
        for connection in connections:
            connection.close()


def test_all_that_was_at_a_replica_that_dies_is_answered_by_another(forwarder: ForwarderProcess) -> None:
    """More than may be repeated at a time in a quiet service; nothing of it had been answered."""
    wanted = 4 * BUDGET_MINIMUM
    waiting: list[OriginConnection] = []
    dies = threading.Event()

    def behave_dying(connection: OriginConnection) -> None:
        connection.read_head()
        waiting.append(connection)
        assert dies.wait(WAIT_S)

    with running_origin(behave_dying) as dying, running_origin(answering(b"alive")) as other, ExitStack() as stack:
        forwarder.send_view(a_view([dying.address]))
        clients = [RawClient(stack.enter_context(forwarder.connect())) for _ in range(wanted)]
        for client in clients:
            client.socket.sendall(GET)
        wait_for(lambda: len(waiting) == wanted, "all requests at the replica")
        forwarder.send_view(a_view([dying.address, other.address], number=2))
        dies.set()
        answers = [client.response() for client in clients]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"alive")}
