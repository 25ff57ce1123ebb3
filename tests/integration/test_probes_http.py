"""HTTP probes of real sockets: what is sent, what is wanted back, and servers that do it wrong in every way."""

import socket

import pytest
import trio

from lbmesh.agent.limits import PROBE_BODY_BYTES_MAX, PROBE_READ_BYTES
from lbmesh.agent.probes.talk import Talk
from lbmesh.control.inputs import ProbeResult
from lbmesh.model.address import Address
from lbmesh.model.check import HttpProbe, ProbeMethod, StatusRange
from lbmesh.model.service import HealthCheck
from tests.support.origins import (
    Behaviour,
    OriginConnection,
    answering,
    refused_address,
    running_origin,
    silent_address,
)
from tests.support.probing import ask, ask_origin, said

PLAIN = HealthCheck()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CUT = "connection closed before a whole answer"


def http(**wanted: object) -> HealthCheck:
    return HealthCheck(HttpProbe(**wanted))  # type: ignore[arg-type]


def test_what_is_sent_by_default() -> None:
    heads: list[bytes] = []
    with running_origin(answering(heads=heads)) as origin:
        assert ask(origin.address, PLAIN) == ProbeResult(True, "status 200")
    (head,) = heads
    start, *fields = head.decode().split("\r\n")
    assert start == "GET / HTTP/1.1"
    assert f"Host: {origin.address}" in fields
    assert "Connection: close" in fields
    assert any(field.startswith("User-Agent: lbmesh-probe/") for field in fields)
    assert not any(field.startswith("Accept-Encoding") for field in fields)


def test_a_body_that_is_looked_at_is_asked_for_as_it_is() -> None:
    heads: list[bytes] = []
    with running_origin(answering(heads=heads)) as origin:
        assert ask(origin.address, http(body_regex="o.")).success
    assert b"\r\nAccept-Encoding: identity\r\n" in heads[0]


def test_what_is_sent_as_it_is_asked_for() -> None:
    heads: list[bytes] = []
    check = http(
        path="/up",
        method=ProbeMethod.OPTIONS,
        host="shop.internal:81",
        headers=(("user-agent", "mine"), ("X-Check", "a\tb")),
    )
    with running_origin(answering(heads=heads)) as origin:
        assert ask(origin.address, check).success
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "OPTIONS /up HTTP/1.1"
    assert {"Host: shop.internal:81", "user-agent: mine", "X-Check: a\tb"} < set(lines)
    assert sum(line.lower().startswith(("user-agent", "host")) for line in lines) == 2


def test_a_port_for_health_is_the_one_that_is_asked() -> None:
    heads: list[bytes] = []
    with running_origin(answering(heads=heads)) as origin:
        traffic = refused_address()
        assert ask(traffic, HealthCheck(port=origin.address.port)).success
        assert ask(traffic, PLAIN).reason == "connection refused"
    assert f"Host: {origin.address}".encode() in heads[0]


def test_each_probe_has_a_connection_of_its_own() -> None:
    with running_origin(answering()) as origin:
        for _ in range(3):
            assert ask(origin.address, PLAIN).success
        assert origin.connections == 3


def test_an_ipv6_replica_is_asked_too() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        result = ask(Address("::1", port), PLAIN, timeout_s=0.2)
        listening.settimeout(10)
        accepted, _ = listening.accept()
        with accepted:
            assert f"Host: [::1]:{port}\r\n".encode() in accepted.recv(65536)
    assert result.reason == "no answer within 0.2s"


@pytest.mark.parametrize(
    ("status", "wanted", "reason"),
    [
        (b"200", ((200, 399),), None),
        (b"399", ((200, 399),), None),
        (b"400", ((200, 399),), "status 400, wanted 200-399"),
        (b"503", ((200, 299), (304, 304)), "status 503, wanted 200-299,304"),
        (b"304", ((200, 299), (304, 304)), None),
        (b"401", ((401, 401),), None),
    ],
)
def test_the_status_decides(status: bytes, wanted: tuple[tuple[int, int], ...], reason: str | None) -> None:
    answer = b"HTTP/1.1 " + status + b" Whatever\r\nContent-Length: 0\r\n\r\n"
    result = ask_origin(said(answer), http(status=tuple(StatusRange(*each) for each in wanted)))
    assert result == ProbeResult(reason is None, reason or f"status {status.decode()}", answered=reason is not None)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ((("x-app", "shop"),), None),
        ((("X-App", None), ("Set-Cookie", "b=2")), None),
        ((("X-App", "Shop"),), 'X-App is "shop", wanted "Shop"'),
        ((("X-App", "shop"), ("X-Version", None)), "the answer has no field X-Version"),
        ((("X-Odd", "x"),), 'X-Odd is "??", wanted "x"'),
    ],
)
def test_fields_of_the_answer_decide(wanted: tuple[tuple[str, str | None], ...], reason: str | None) -> None:
    fields = b"X-App: shop\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Odd: \xc3\xa9\r\n"
    answer = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\n\r\n"
    result = ask_origin(said(answer), http(headers_match=wanted))
    assert result == ProbeResult(reason is None, reason or "status 200", answered=reason is not None)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "check", "reason"),
    [
        (OK, http(body="ok"), None),
        (OK, http(body="fine"), 'body does not contain "fine"'),
        (OK, http(body_regex="^o[k]$"), None),
        (OK, http(body_regex="^k"), 'body does not match "^k"'),
        (CHUNKED + b"3\r\nall\r\n5\r\n well\r\n0\r\n\r\n", http(body="all well"), None),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", http(body="the end"), None),
        ("HTTP/1.1 200 OK\r\n\r\nça va".encode(), http(body_regex="ça v."), None),
        (b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe", http(body_regex="x"), 'body does not match "x"'),
        (b"HTTP/1.1 204 No Content\r\n\r\n", http(body="ok"), 'body does not contain "ok"'),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, http(body="ok"), None),
    ],
)
def test_the_body_decides(answer: bytes, check: HealthCheck, reason: str | None) -> None:
    result = ask_origin(said(answer), check)
    assert result == ProbeResult(reason is None, reason or result.reason, answered=reason is not None)
    assert result.success is (reason is None)


def test_only_the_beginning_of_a_long_body_is_looked_at() -> None:
    size = 10 * PROBE_BODY_BYTES_MAX

    def long(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nbegin" % size)
        connection.send(b"x" * (size - 8) + b"end")

    assert ask_origin(long, http(body="begin")).success
    reason = ask_origin(long, http(body="end")).reason
    assert reason == f'the first {PROBE_BODY_BYTES_MAX} bytes of the body do not contain "end"'


def test_a_pattern_that_would_never_end_is_cut_short() -> None:
    def hard(connection: OriginConnection) -> None:
        connection.read_head()
        connection.answer(b"a" * 60_000)

    assert "body_regex takes more than" in ask_origin(hard, http(body_regex="(?:a|aa)+$b")).reason


def endless(start: bytes, unit: bytes) -> Behaviour:
    """Says the unit for as long as anybody listens."""

    def behave(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(start)
        while True:
            connection.send(unit * (65536 // len(unit)))

    return behave


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "statuses from 100 to 199 without end, and no answer"),
        (endless(b"HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n"), "not HTTP: receive buffer too long"),
        (endless(b"", b"x"), "not HTTP: receive buffer too long"),
        (endless(CHUNKED, b"1;a=bbbbbbbb\r\nx\r\n"), "the answer does not come to an end"),
        (endless(CHUNKED + b"0\r\n", b"X-Trailer: value\r\n"), "not HTTP: receive buffer too long"),
    ],
)
def test_an_answer_without_end_ends_the_probe(behaviour: Behaviour, reason: str) -> None:
    assert ask_origin(behaviour, PLAIN) == ProbeResult(False, reason)


def test_a_step_takes_few_bytes_however_many_there_are() -> None:
    async def longest_read(address: Address) -> int:
        talk = Talk(address, None, "", trio.Lock())
        await talk.open()
        await talk.send(b"GET / HTTP/1.1\r\n\r\n")
        await talk.receive()
        read = max([len(await talk.receive()) for _ in range(20)])
        talk.close()
        return read

    with running_origin(endless(b"", b"x" * 65536)) as origin:
        assert 0 < trio.run(longest_read, origin.address) <= PROBE_READ_BYTES


class _Passes(trio.abc.Instrument):
    """Counts the passes of trio's loop."""

    def __init__(self) -> None:
        self.count = 0

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002
        self.count += 1


def test_of_many_answers_one_is_parsed_in_a_pass_of_the_loop() -> None:
    async def passes(address: Address) -> list[int]:
        loop, steps, seen = _Passes(), trio.Lock(), list[int]()
        trio.lowlevel.add_instrument(loop)
        talks = [Talk(address, None, "", steps) for _ in range(10)]
        for talk in talks:
            await talk.open()
            await talk.send(b"GET / HTTP/1.1\r\n\r\n")

        async def receive(talk: Talk) -> None:
            for _ in range(5):
                await talk.receive()
                seen.append(loop.count)

        async with trio.open_nursery() as nursery:
            for talk in talks:
                nursery.start_soon(receive, talk)
        for talk in talks:
            talk.close()
        return seen

    with running_origin(endless(b"", b"x" * 65536)) as origin:
        seen = trio.run(passes, origin.address)
    assert len(seen) == 50
    assert len(set(seen)) == 50


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", CUT),
        (b"HTTP/1.1 200 OK\r\n", CUT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", CUT),
        (CHUNKED + b"5\r\nab", CUT),
        (b"HTTP/1.1 100 Continue\r\n\r\n", CUT),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP: illegal status line"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "not HTTP: the replica speaks TLS here; write tls = true"),
        (b"\x16\x03", "not HTTP: illegal status line"),
        (CHUNKED + b"zz\r\n", "not HTTP: illegal chunk header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not HTTP: bad content-length"),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "status 101: the replica changes the protocol, which nobody asked for",
        ),
    ],
)
def test_answers_that_are_none(answer: bytes, reason: str) -> None:
    result = ask_origin(said(answer), PLAIN)
    assert not result.success
    assert result.reason.startswith(reason)
    assert result.reason.isprintable()


def test_a_replica_that_says_nothing_or_only_half_is_told_from_one_that_takes_no_connection() -> None:
    def half(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\n")
        connection.read_to_end()

    def slow(connection: OriginConnection) -> None:
        connection.read_to_end()

    assert ask_origin(slow, PLAIN, timeout_s=0.1) == ProbeResult(False, "no answer within 0.1s")
    assert ask_origin(half, PLAIN, timeout_s=0.1) == ProbeResult(False, "no whole answer within 0.1s")
    with silent_address() as silent:
        assert ask(silent, PLAIN, timeout_s=0.1) == ProbeResult(False, "no connection within 0.1s")


def test_a_drop_at_a_time_does_not_stretch_the_timeout() -> None:
    def drip(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\n")
        connection.socket.settimeout(0.02)
        while True:
            connection.send(b"a: b\r\n")
            try:
                if not connection.socket.recv(1):
                    return
            except TimeoutError:
                continue

    assert ask_origin(drip, PLAIN, timeout_s=0.3) == ProbeResult(False, "no whole answer within 0.3s")
