"""Hostile responses through a real forwarder: whole, refused or visibly cut off, and the connection serves nobody else.

The client asks for the case, then for something of its own on the same connection; a second client asks, too. That
their answers are their own, and that the replica counts a connection for each, is what "never pooled" means.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import h11
import pytest

from lbmesh.http1.message import CHUNKED
from lbmesh.model.traffic import Timeouts
from tests.conformance.hostile_responses import EVIL, HOSTILE, After, Hostile, Outcome, chunked, counted
from tests.conformance.response_cases import BAD, PASSED, Bad, Passed
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import Origin, OriginConnection, running_origin
from tests.support.raw_client import RawClient, Response
from tests.support.wait import wait_for

OWN = b"GET /own HTTP/1.1\r\nHost: a\r\n\r\n"


class Replica:
    """Plays one case to whoever asks for it, and answers honestly otherwise, on connections that then end.

    `heads`: every request that came, with the number of its connection.
    """

    def __init__(self) -> None:
        self.case = HOSTILE[0]
        self.honest = 0
        self._lock = threading.Lock()

    def behave(self, connection: OriginConnection) -> None:
        while head := connection.read_head():
            if b" /own " not in head:
                if not self._play(connection):
                    return
                continue
            with self._lock:
                self.honest += 1
            connection.answer(b"own", fields=b"Connection: close\r\n")
            return

    def _play(self, connection: OriginConnection) -> bool:
        """True when the connection stays."""
        case = self.case
        if isinstance(case.send, bytes):
            connection.send(case.send)
        else:
            case.send(connection)
        if case.after is After.RESET:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return case.after is After.STAY


@pytest.fixture(scope="module")
def replica() -> Replica:
    return Replica()


@pytest.fixture(scope="module")
def origin(replica: Replica) -> Iterator[Origin]:
    with running_origin(replica.behave) as origin:
        yield origin


@pytest.fixture(scope="module")
def forwarder(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path_factory.mktemp("wire"), a_view([origin.address], retries=0)) as process:
        yield process


def first_answer(client: RawClient, method: bytes) -> Response | None:
    """None when it is cut off."""
    client.socket.sendall(method + b" /case HTTP/1.1\r\nHost: a\r\n\r\n")
    try:
        return client.response(method)
    except (h11.RemoteProtocolError, ConnectionResetError):
        return None


def play(case: Hostile, replica: Replica, origin: Origin, forwarder: ForwarderProcess) -> Response | None:
    """The client's answer; all else is checked here. Leaves no pooled connection."""
    replica.case = case
    before = origin.connections
    asked_for_own = replica.honest
    with forwarder.connect() as connection, forwarder.connect() as other:
        client = RawClient(connection)
        answer = first_answer(client, case.method)
        expected = 1
        if answer is not None and answer.fields.get(b"connection") != b"close":
            assert client.exchange(OWN).body == b"own"
            expected += not case.pooled
            asked_for_own += 1
        elif case.pooled:
            expected = 0
        assert RawClient(other).exchange(OWN).body == b"own"
        assert origin.connections == before + expected + 1
        assert replica.honest == asked_for_own + 1
    return answer


def is_as_meant(case: Hostile, answer: Response | None) -> None:
    match case.outcome:
        case Outcome.WHOLE:
            assert answer is not None
            assert (answer.status, answer.body) == (case.status, case.body)
        case Outcome.BAD:
            assert answer is not None
            assert answer.status == 502
        case Outcome.CUT_OFF:
            assert answer is None
    if answer is not None:
        assert EVIL not in answer.body
        assert not [value for value in answer.fields.values() if EVIL in value]


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.clause)
def test_hostile(
    case: Hostile,
    replica: Replica,
    origin: Origin,
    forwarder: ForwarderProcess,
    capfd: pytest.CaptureFixture[str],
) -> None:
    is_as_meant(case, play(case, replica, origin, forwarder))
    assert origin.errors == []
    assert "invariant" not in capfd.readouterr().err


@pytest.mark.parametrize("bad", BAD, ids=lambda case: case.clause)
def test_a_bad_head(bad: Bad, replica: Replica, origin: Origin, forwarder: ForwarderProcess) -> None:
    case = Hostile(bad.clause, bad.head + EVIL, Outcome.BAD)
    is_as_meant(case, play(case, replica, origin, forwarder))


FINAL = [case for case in PASSED if case.status >= 200 and case.method != b"CONNECT"]
"""Those of CONNECT need a service that takes it: tests/integration/test_forwarder_tunnels.py."""


@pytest.mark.parametrize("passed", FINAL, ids=lambda case: case.clause)
def test_a_good_head(passed: Passed, replica: Replica, origin: Origin, forwarder: ForwarderProcess) -> None:
    body = b"4\r\nfine\r\n0\r\n\r\n" if passed.body_length == CHUNKED else b"x" * passed.body_length
    after = After.STAY if passed.keep_alive else After.CLOSE
    payload = b"fine" if passed.body_length == CHUNKED else body
    case = Hostile(
        passed.clause,
        passed.head + body,
        Outcome.WHOLE,
        after,
        passed.status,
        payload,
        passed.method,
        passed.keep_alive,
    )
    answer = play(case, replica, origin, forwarder)
    is_as_meant(case, answer)
    assert answer is not None
    assert not set(answer.fields) & set(passed.gone) - {b"connection"}
    assert answer.fields[b"via"] == b"1.%b lbmesh" % passed.head[7:8]


def test_what_comes_on_an_idle_connection_ends_it(tmp_path: Path) -> None:
    """A response that nobody asked for, long after the last one was whole."""
    goes_on, ended = threading.Event(), threading.Event()

    def behave(connection: OriginConnection) -> None:
        head = connection.read_head()
        connection.answer(b"own")
        if b" /case " in head:
            assert goes_on.wait(20.0)
            connection.send(counted(EVIL))
            with suppress(ConnectionResetError):
                assert connection.read_to_end() == b""
            ended.set()

    with running_origin(behave) as origin, running_forwarder(tmp_path, a_view([origin.address])) as forwarder:
        with forwarder.connect() as connection:
            client = RawClient(connection)
            assert client.exchange(b"GET /case HTTP/1.1\r\nHost: a\r\n\r\n").body == b"own"
            goes_on.set()
            assert ended.wait(20.0)
            assert client.exchange(OWN).body == b"own"
        assert origin.connections == 2


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"", b"HTTP/1.1 103 X\r\n\r\n"])
def test_a_head_that_drips_in_ends_with_the_response_timeout(tmp_path: Path, start: bytes) -> None:
    ended = threading.Event()

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(start)
        while not ended.wait(0.05):
            connection.send(b"X")

    timeouts = Timeouts(response_s=0.5)
    with (
        running_origin(behave) as origin,
        running_forwarder(tmp_path, a_view([origin.address], timeouts=timeouts, retries=0)) as forwarder,
        forwarder.connect() as connection,
    ):
        assert RawClient(connection).exchange(OWN).status == 504
        ended.set()
        wait_for(lambda: forwarder.log_lines(), "a line in the access log")
        assert forwarder.log_lines()[0]["reason"] == "response_timeout"


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.clause for case in HOSTILE]
    assert len(names) == len(set(names))
    assert chunked(b"") != counted(b"")
