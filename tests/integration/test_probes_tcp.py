"""TCP probes of real sockets: a connection, and what is said over it."""

import pytest

from lbmesh.control.inputs import ProbeResult
from lbmesh.model.check import TcpProbe
from lbmesh.model.service import HealthCheck
from tests.support.origins import OriginConnection, refused_address, running_origin, silent_address
from tests.support.probing import ask, ask_origin, said
from tests.support.wait import wait_for

CONNECT = HealthCheck(TcpProbe())
PING = HealthCheck(TcpProbe(send="PING\r\n", expect="+PONG"))


def silent(connection: OriginConnection) -> None:
    connection.read_to_end()


def test_a_connection_is_enough_and_nothing_is_said() -> None:
    heard: list[bytes] = []
    with running_origin(lambda connection: heard.append(connection.read_to_end())) as origin:
        assert ask(origin.address, CONNECT) == ProbeResult(True, "connected")
        wait_for(lambda: heard, "the connection's end")
    assert heard == [b""]


def test_no_connection_is_a_failure_with_its_reason() -> None:
    assert ask(refused_address(), CONNECT) == ProbeResult(False, "connection refused")
    with silent_address() as address:
        assert ask(address, CONNECT, timeout_s=0.1) == ProbeResult(False, "no connection within 0.1s")


def test_what_is_sent_arrives_and_what_is_expected_is_found() -> None:
    heard: list[bytes] = []

    def pong(connection: OriginConnection) -> None:
        heard.append(connection.read_until(b"\n"))
        connection.send(b"+PO")
        connection.send(b"NG\r\n")
        connection.read_to_end()

    assert ask_origin(pong, PING) == ProbeResult(True, 'answered "+PONG"')
    assert heard == [b"PING\r\n"]


def test_a_greeting_can_be_waited_for() -> None:
    def greet(connection: OriginConnection) -> None:
        connection.send(b"220 mail ready\r\n")
        connection.read_to_end()

    assert ask_origin(greet, HealthCheck(TcpProbe(expect="220"))).success


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "connection closed without an answer"),
        (b"-NOAUTH \xff\r\n", 'answer "-NOAUTH ?" does not contain "+PONG"'),
        (b"x" * 100_000, f'answer "{"x" * 60}"… does not contain "+PONG"'),
    ],
)
def test_another_answer_is_a_failure_that_shows_it(answer: bytes, reason: str) -> None:
    assert ask_origin(said(answer), PING) == ProbeResult(False, reason, answered=not reason.startswith("connection"))


def test_an_answer_without_end_ends_the_probe() -> None:
    def talk_for_ever(connection: OriginConnection) -> None:
        while True:
            connection.send(b"x" * 65536)

    assert "does not contain" in ask_origin(talk_for_ever, PING).reason


def test_an_answer_that_is_not_there_in_time() -> None:
    def half(connection: OriginConnection) -> None:
        connection.send(b"+PO")
        connection.read_to_end()

    assert ask_origin(silent, PING, timeout_s=0.1) == ProbeResult(False, "no answer within 0.1s")
    assert ask_origin(half, PING, timeout_s=0.1) == ProbeResult(False, 'no answer with "+PONG" within 0.1s')
