"""Slow clients are ended within the limits, honest ones are served meanwhile, and the forwarder comes back to rest."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path
from termios import TIOCOUTQ

import pytest

from lbmesh.model.limits import READ_BYTES, ForwarderLimits
from lbmesh.model.traffic import Timeouts
from tests.slow.attackers import (
    Move,
    attacking,
    resting,
    resting_after_a_request,
    slow_body,
    slow_chunks,
    slow_head,
    slow_reading,
)
from tests.support import proc
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import WAIT_S, OriginConnection, running_origin, take_little
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ATTACKERS = 80
WAVES = 2
GROWTH_KIB_MAX = 4 * 1024
"""From the first wave to the last: what slow bodies or readers of one wave can make the forwarder hold is more."""

LARGE_BYTES = 8 * 1024 * 1024
PIPELINED_MAX = 1000
"""Answers of 16 KiB: more than the kernel keeps for one connection, in its buffers on either side."""

TIMEOUTS = Timeouts(idle_s=1.0)
LIMITS = ForwarderLimits(head_timeout_s=10.0, keepalive_timeout_s=2.0)


def serve(connection: OriginConnection) -> None:
    """Answers at once; something large where asked for it."""
    while head := connection.read_head():
        if b" /large " in head:
            connection.answer(bytes(LARGE_BYTES))
        elif not head.startswith(b"POST"):
            connection.answer(b"ok")
        else:
            connection.read_to_end()


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """It does nothing for the length of the block; what is sent to it waits in its kernel."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def unsent_bytes(connection: socket.socket) -> int:
    """Bytes that the peer's kernel has not confirmed."""
    return int.from_bytes(ioctl(connection, TIOCOUTQ, bytes(4)), sys.byteorder)


def honest_request(forwarder: ForwarderProcess) -> None:
    """A whole client: connect, ask, be answered."""
    with forwarder.connect() as connection:
        response = RawClient(connection).exchange(GET)
        assert (response.status, response.body) == (200, b"ok")


def descriptors(forwarder: ForwarderProcess) -> int:
    return len(proc.descriptors(forwarder.process.pid))


def failed(forwarder: ForwarderProcess) -> list[dict[str, object]]:
    """The access log's lines of requests that were not served whole."""
    return [line for line in forwarder.log_lines() if line["reason"]]


def is_at_rest(forwarder: ForwarderProcess, descriptors_max: int) -> bool:
    figures = forwarder.latest_telemetry()
    held = (figures.connections, figures.active_requests, *(replica.in_flight for replica in figures.replicas))
    return not any(held) and descriptors(forwarder) <= descriptors_max


ENDED_BY = {
    "slow heads": (slow_head, {"head_timeout"}, replace(LIMITS, head_timeout_s=1.0)),
    "slow bodies": (slow_body, {"client_slow"}, LIMITS),
    "slow chunks": (slow_chunks, {"client_slow"}, LIMITS),
    "slow reading": (slow_reading(4000), {"client_slow", "client_idle"}, replace(LIMITS, body_rate_min=1_000_000)),
    "hardly reading": (slow_reading(1), {"client_slow", "client_idle"}, LIMITS),
}


@pytest.mark.alone
@pytest.mark.parametrize("attack", ENDED_BY)
def test_they_are_ended_while_honest_clients_are_served(forwarder: ForwarderProcess, attack: str) -> None:
    move, reasons, limits = ENDED_BY[attack]
    with running_origin(serve) as origin:
        forwarder.send_view(a_view([origin.address], timeouts=TIMEOUTS, limits=limits))
        honest_request(forwarder)
        wait_for(lambda: is_at_rest(forwarder, 1 << 20), "the end of the first request")
        before = descriptors(forwarder)
        resident = []
        for _ in range(WAVES):
            with attacking(forwarder.address, ATTACKERS, move, tight=attack.endswith("reading")):
                wait_for(lambda: forwarder.latest_telemetry().connections > ATTACKERS / 2, "the attack")
                while not is_at_rest(forwarder, before):
                    for _ in range(10):
                        honest_request(forwarder)
            resident.append(proc.memory_kib(forwarder.process.pid, "VmRSS"))
        assert resident[-1] < resident[0] + GROWTH_KIB_MAX
    wait_for(lambda: len(failed(forwarder)) == WAVES * ATTACKERS, "a line for every attacker")
    assert {line["reason"] for line in failed(forwarder)} <= reasons


@pytest.mark.alone
@pytest.mark.parametrize("move", [resting, resting_after_a_request, slow_head], ids=lambda move: move.__name__)
def test_a_flood_that_fills_the_forwarder_keeps_nobody_out(forwarder: ForwarderProcess, move: Move) -> None:
    """With limits that would let each attacker stay for ever."""
    limits = ForwarderLimits(head_timeout_s=3600.0, keepalive_timeout_s=3600.0, connections_max=48)
    with running_origin(serve) as origin:
        forwarder.send_view(a_view([origin.address], timeouts=TIMEOUTS, limits=limits))
        with attacking(forwarder.address, 48, move, again=True) as attackers:
            wait_for(lambda: forwarder.latest_telemetry().connections == 48, "a full forwarder")
            for _ in range(2):
                honest_request(forwarder)
            wait_for(lambda: attackers.ended > 0, "an attacker that is ended")


def test_a_slow_but_steady_client_is_not_ended(forwarder: ForwarderProcess) -> None:
    """Four windows, each with a little more than it must send."""
    pieces = 80

    def count(connection: OriginConnection) -> None:
        connection.read_head()
        connection.answer(b"%d" % len(connection.read_exactly(pieces * 50)))

    with running_origin(count) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=TIMEOUTS))
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (pieces * 50))
        for _ in range(pieces):
            connection.sendall(b"x" * 50)
            threading.Event().wait(0.05)
        assert RawClient(connection).response(b"POST").body == b"%d" % (pieces * 50)


def test_no_client_is_blamed_for_a_slow_replica_that_takes_its_body(forwarder: ForwarderProcess) -> None:
    """The replica takes 4 KiB at a time: at 1 MB/s, which is demanded, the client could not send."""
    size = 3 * READ_BYTES // 4

    def take_slowly(connection: OriginConnection) -> None:
        connection.read_head()
        taken = 0
        while taken < size:
            taken += len(connection.read_exactly(4096))
            threading.Event().wait(0.05)
        connection.answer(b"taken")

    with running_origin(take_slowly, tight=True) as origin, forwarder.connect() as connection:
        limits = ForwarderLimits(body_rate_min=1_000_000)
        forwarder.send_view(a_view([origin.address], timeouts=TIMEOUTS, limits=limits))
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        assert RawClient(connection).response(b"POST").body == b"taken"


def test_no_client_is_blamed_for_a_replica_that_says_little(forwarder: ForwarderProcess) -> None:
    """Events, a few bytes at a time, over several windows."""
    events = 50

    def tell(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % events)
        for _ in range(events):
            connection.send(b"e")
            threading.Event().wait(0.06)

    with running_origin(tell) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=TIMEOUTS))
        assert RawClient(connection).exchange(GET).body == b"e" * events


def test_without_a_rate_only_silence_counts(forwarder: ForwarderProcess) -> None:
    def echo(connection: OriginConnection) -> None:
        connection.read_head()
        connection.answer(connection.read_exactly(50))

    with running_origin(echo) as origin, forwarder.connect() as connection:
        forwarder.send_view(a_view([origin.address], timeouts=TIMEOUTS, limits=ForwarderLimits(body_rate_min=0)))
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n")
        for _ in range(50):
            connection.sendall(b"x")
            threading.Event().wait(0.06)
        assert RawClient(connection).response(b"POST").body == b"x" * 50


def test_what_waits_of_the_last_answer_must_be_taken_in_time(forwarder: ForwarderProcess) -> None:
    """Taken too slowly, it holds the connection no longer than its size is worth.

    The client pipelines, so that the kernels are full sooner or later, however much they hold: from then on an answer
    waits in the forwarder. Each one comes there in one read, so that its exchange is over before it is taken.
    """
    body = bytes(READ_BYTES // 4)

    def serve_whole(connection: OriginConnection) -> None:
        while connection.read_head():
            with stopped(forwarder.process):
                connection.answer(body)
                wait_for(lambda: unsent_bytes(connection.socket) == 0, "an answer that is there whole")

    limits = ForwarderLimits(keepalive_timeout_s=0.5, body_rate_min=1_000_000)
    with running_origin(serve_whole) as origin, socket.socket() as client:
        forwarder.send_view(a_view([origin.address], timeouts=TIMEOUTS, limits=limits))
        take_little(client)
        client.settimeout(WAIT_S)
        client.connect((forwarder.address.host, forwarder.address.port))
        client.sendall(PIPELINED_MAX * GET)

        def is_reset() -> bool:
            try:
                assert client.recv(100), "closed as if the answer were whole"
            except ConnectionResetError:
                return True
            return False

        wait_for(is_reset, "end of a client that takes too little")
    wait_for(lambda: forwarder.latest_telemetry().connections == 0, "rest")
    ends = [line["reason"] for line in forwarder.log_lines()]
    assert set(ends) == {""}
    assert len(ends) < PIPELINED_MAX
