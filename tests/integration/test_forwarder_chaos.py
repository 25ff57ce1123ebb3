"""Seeded chaos around a real forwarder: whatever clients and replicas do, nobody gets another's bytes, nothing leaks.

Each request says in its target what the origin is to do with it. Both bodies repeat the request's tag, so that a byte
in the wrong place is seen.
"""

import random
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import h11
import pytest

from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.traffic import Timeouts
from tests.support import proc
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.origins import OriginConnection, running_origin
from tests.support.raw_client import RawClient, Response
from tests.support.wait import wait_for

pytestmark = pytest.mark.alone

SEEDS = (0, 1)
CLIENTS = 4
EXCHANGES = 10
"""Of each client, at least."""

ANSWERS = (b"length", b"chunked", b"close", b"empty", b"304", b"1xx", b"dribble", b"early")
BREAKS = (b"reset_now", b"close_now", b"cut_head", b"cut_body", b"reset_body", b"garbage", b"silent")
ENDS_CONNECTION = frozenset({b"close", b"cut_head", b"cut_body", b"reset_body"})
GARBAGE = (b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\nX: y\n\n", b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n")
REFUSALS = frozenset({400, 408, 431, 501})


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: what is sent, and what the origin does with it. Sizes in bytes."""

    tag: bytes
    method: bytes
    seed: int
    outcome: bytes
    size: int
    upload_size: int

    @classmethod
    def drawn(cls, tag: bytes, choice: random.Random) -> "Ask":
        method = choice.choice((b"GET", b"GET", b"POST", b"PUT", b"HEAD"))
        return cls(
            tag,
            method,
            seed=choice.randrange(10**9),
            outcome=choice.choice(ANSWERS + ANSWERS + BREAKS),
            size=choice.choice((0, 1, 50, 5000, 70_000, 300_000)),
            upload_size=choice.choice((0, 1, 3000, 70_000, 200_000)) if method in (b"POST", b"PUT") else 0,
        )

    @classmethod
    def arrived(cls, head: bytes) -> "Ask":
        match = re.match(rb"([A-Z]+) /(t\d+-\d+)/(\d+)/(\w+)/(\d+)/(\d+) HTTP/1\.1\r\n", head)
        assert match is not None, head
        assert head.count(b" HTTP/1.1\r\n") == 1, head
        return cls(match[2], match[1], int(match[3]), match[4], int(match[5]), int(match[6]))

    def wire(self, choice: random.Random) -> bytes:
        """The request as it is sent."""
        target = b"/%b/%d/%b/%d/%d" % (self.tag, self.seed, self.outcome, self.size, self.upload_size)
        head = b"%b %b HTTP/1.1\r\nHost: a\r\n%b" % (self.method, target, choice.choice((b"", b"TE: trailers\r\n")))
        upload = body_of(self.tag, self.upload_size)
        if not upload:
            return head + b"\r\n"
        if choice.random() < 0.5:
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(upload, choice)
        return head + b"Content-Length: %d\r\n\r\n" % len(upload) + upload


def body_of(tag: bytes, size: int) -> bytes:
    """A body that says whose it is in every 16 bytes."""
    unit = (b"<%b>" % tag).ljust(16, b".")
    return (unit * (size // 16 + 1))[:size]


def pieces(data: bytes, choice: random.Random) -> Iterator[bytes]:
    """`data` in random pieces; byte by byte only what is short."""
    size_max = choice.choice((1 if len(data) <= 300 else 50, 7 if len(data) <= 3000 else 700, 5000, 100_000))
    while data:
        size = choice.randint(1, size_max)
        yield data[:size]
        data = data[size:]


def chunked(body: bytes, choice: random.Random) -> bytes:
    chunks = [b"%x%b\r\n%b\r\n" % (len(piece), choice.choice((b"", b";x=y")), piece) for piece in pieces(body, choice)]
    return b"".join(chunks) + b"0\r\n" + choice.choice((b"", b"X-Trailer: t\r\n")) + b"\r\n"


def send_in_pieces(connection: socket.socket, data: bytes, choice: random.Random) -> None:
    for piece in pieces(data, choice):
        connection.sendall(piece)
        if choice.random() < 0.05:
            time.sleep(0.001)


def reset(connection: socket.socket) -> None:
    if connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


# The origin


def origin(connection: OriginConnection) -> None:
    """Do what each request's target says, until one of them ends the connection."""
    while head := connection.read_head():
        ask = Ask.arrived(head)
        if ask.outcome == b"early":
            connection.answer(body_of(ask.tag, ask.size), fields=b"Connection: close\r\n")
            return
        if ask.outcome == b"reset_now":
            reset(connection.socket)
        if ask.outcome in (b"reset_now", b"close_now"):
            return
        upload = read_body(connection, head)
        if len(upload) < ask.upload_size:
            return
        assert upload == body_of(ask.tag, ask.upload_size), head
        if not answer(connection, ask):
            return


def read_body(connection: OriginConnection, head: bytes) -> bytes:
    """The request's body out of its framing, or as much of it as came."""
    length = re.search(rb"\r\ncontent-length: *(\d+)", head.lower())
    if length:
        return connection.read_exactly(int(length[1]))
    if b"\r\ntransfer-encoding:" not in head.lower():
        return b""
    body = b""
    while size := int(connection.read_until(b"\r\n").split(b";")[0] or b"0", 16):
        body += connection.read_exactly(size)
        assert connection.read_exactly(2) in (b"\r\n", b"\r", b"")
    while connection.read_until(b"\r\n") not in (b"\r\n", b""):
        continue
    return body


def answer(connection: OriginConnection, ask: Ask) -> bool:
    """True when the connection stays open for the next request."""
    choice = random.Random(ask.seed)
    if ask.outcome == b"silent":
        connection.read_to_end()
        return False
    if ask.outcome == b"garbage":
        connection.send(choice.choice(GARBAGE))
        return False
    data = answer_wire(ask, choice)
    if ask.outcome == b"cut_head":
        data = data[: choice.randint(1, 30)]
    if ask.outcome in (b"cut_body", b"reset_body"):
        data = data[: max(1, len(data) - choice.randint(1, 50))]
    if ask.outcome == b"dribble" and len(data) < 400:
        for position in range(len(data)):
            connection.send(data[position : position + 1])
    else:
        send_in_pieces(connection.socket, data, choice)
    if ask.outcome == b"reset_body":
        reset(connection.socket)
    return ask.outcome not in ENDS_CONNECTION


def answer_wire(ask: Ask, choice: random.Random) -> bytes:
    """The answer before anything is cut off it."""
    body = b"" if ask.method == b"HEAD" else body_of(ask.tag, ask.size)
    start = b"HTTP/1.1 200 OK\r\nX-Tag: %b\r\n" % ask.tag
    match ask.outcome:
        case b"empty":
            return b"HTTP/1.1 204 No Content\r\nX-Tag: %b\r\n\r\n" % ask.tag
        case b"304":
            return b"HTTP/1.1 304 Not Modified\r\nX-Tag: %b\r\nContent-Length: 99\r\n\r\n" % ask.tag
        case b"chunked":
            end = b"" if ask.method == b"HEAD" else chunked(body, choice)
            return start + b"Transfer-Encoding: chunked\r\n\r\n" + end
        case b"close":
            return start + b"\r\n" + body
        case b"1xx":
            hints = b"HTTP/1.1 103 Early Hints\r\nLink: <%b>\r\n\r\n" % ask.tag
            return hints * choice.randint(1, 5) + start + b"Content-Length: %d\r\n\r\n" % ask.size + body
        case _:
            return start + b"Content-Length: %d\r\n\r\n" % ask.size + body


# The clients


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client treats one batch of pipelined requests."""

    cuts: bool
    resets: bool
    half_closes: bool
    leaves: bool
    seed: int

    @classmethod
    def drawn(cls, choice: random.Random) -> "Manners":
        draw = choice.random()
        return cls(
            cuts=draw < 0.1,
            resets=draw < 0.03,
            half_closes=draw < 0.07,
            leaves=draw < 0.15,
            seed=choice.randrange(10**9),
        )


def client(forwarder: ForwarderProcess, seed: int) -> list[str]:
    """Exchanges on as many connections as that takes. Returns what went wrong."""
    choice = random.Random(seed)
    wrong: list[str] = []
    raw: RawClient | None = None
    number = 0
    while number < EXCHANGES:
        raw = raw or RawClient(forwarder.connect())
        asks = []
        for _ in range(choice.choice((1, 1, 1, 2, 5))):
            number += 1
            asks.append(Ask.drawn(b"t%d-%d" % (seed, number), choice))
        if not batch(raw, asks, choice, wrong):
            raw = None
    if raw is not None:
        raw.close()
    return wrong


def batch(raw: RawClient, asks: list[Ask], choice: random.Random, wrong: list[str]) -> bool:
    """Pipeline the requests and read the answers. True when the connection can be used again."""
    manners = Manners.drawn(choice)
    wire = b"".join(ask.wire(choice) for ask in asks)
    if manners.cuts:
        wire = wire[: choice.randint(1, len(wire))]
    # From a thread of its own: answers may come before the request is out.
    sending = threading.Thread(target=send_batch, args=(raw.socket, wire, manners))
    sending.start()
    try:
        usable = read_answers(raw, asks, manners, choice, wrong)
    except TimeoutError:
        wrong.append(f"no answer to {asks}")
        usable = False
    except (OSError, h11.RemoteProtocolError):
        usable = False  # a connection may be cut off; half an answer may not look whole
    if not usable and choice.random() < 0.5:
        raw.socket.close()
    elif not usable or manners.leaves:
        reset(raw.socket)
    sending.join()
    return usable and not manners.leaves


def send_batch(connection: socket.socket, wire: bytes, manners: Manners) -> None:
    with suppress(OSError):
        send_in_pieces(connection, wire, random.Random(manners.seed))
        if manners.resets:
            reset(connection)
        elif manners.half_closes:
            connection.shutdown(socket.SHUT_WR)


def read_answers(raw: RawClient, asks: list[Ask], manners: Manners, choice: random.Random, wrong: list[str]) -> bool:
    """True when all were read and the connection stays open."""
    for ask in asks:
        if manners.leaves and choice.random() < 0.5:
            return False
        response = raw.response(ask.method)
        if fault := fault_of(ask, response, cut=manners.cuts):
            wrong.append(f"{fault}: {ask}: {response.status} {response.fields} {response.body[:80]!r}")
        if response.fields.get(b"connection") == b"close":
            return False
    return True


def fault_of(ask: Ask, response: Response, *, cut: bool) -> str:
    """What is wrong with a whole answer; "" when it may be so. `cut`: the request may not have been sent whole."""
    if response.fields.get(b"x-tag", ask.tag) != ask.tag:
        return "another's answer"
    if response.status in REFUSALS and not (cut and response.status == 408):
        return "refused"
    if response.status < 400 and ask.outcome in BREAKS:
        return "half an answer looks whole"
    expected = body_of(ask.tag, ask.size) if response.status == 200 and ask.method != b"HEAD" else b""
    if response.status < 400 and response.body != expected:
        return "another body"
    return ""


# The test


def open_descriptors(forwarder: ForwarderProcess) -> int:
    return len(proc.descriptors(forwarder.process.pid))


def exchanges_logged(forwarder: ForwarderProcess) -> list[dict[str, object]]:
    return [line for line in forwarder.log_lines() if "method" in line]


def is_settled(forwarder: ForwarderProcess, descriptors_max: int) -> bool:
    """Nothing is under way, nothing is held, and the telemetry has counted what the access log has."""
    figures = forwarder.latest_telemetry()
    counted = sum(row.count for row in figures.requests if row.service == "app")
    gauges = (figures.connections, figures.active_requests, *(replica.in_flight for replica in figures.replicas))
    return (
        not any(gauges)
        and counted == len(exchanges_logged(forwarder)) > 0
        and open_descriptors(forwarder) <= descriptors_max
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_chaos_mixes_nothing_up_and_leaks_nothing(tmp_path: Path, seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    timeouts = Timeouts(connect_s=2.0, response_s=0.3, idle_s=2.0)
    limits = ForwarderLimits(head_timeout_s=2.0)
    with running_origin(origin) as one, running_origin(origin) as other, running_forwarder(tmp_path) as forwarder:
        forwarder.send_view(a_view([one.address, other.address], timeouts=timeouts, limits=limits))
        before = open_descriptors(forwarder) + 1  # the access log is opened with its first line
        with ThreadPoolExecutor(CLIENTS) as pool:
            results = list(pool.map(lambda number: client(forwarder, seed * CLIENTS + number), range(CLIENTS)))
        assert [fault for faults in results for fault in faults] == []
        one.close()
        other.close()
        wait_for(lambda: is_settled(forwarder, before), "rest after the chaos")
        ids = [line["request_id"] for line in exchanges_logged(forwarder)]
        assert len(ids) == len(set(ids))
        assert forwarder.process.poll() is None
    assert "invariant" not in capfd.readouterr().err
