"""What a broken or hostile replica may send, and what the client must make of it. EVIL must reach no client.

Heads by clause are in response_cases.py; here is what needs more than a head: bodies, ends, floods and surplus.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from lbmesh.model.limits import CHUNK_LINE_BYTES_MAX, HEAD_BYTES_MAX, INFORMATIONAL_RESPONSES_MAX, TRAILER_BYTES_MAX
from tests.support.origins import OriginConnection

EVIL = b"evil"


class Outcome(Enum):
    """WHOLE: the client gets the answer as the replica meant it. BAD: a 502 in its place. CUT_OFF: a part of it, which
    cannot be taken for the whole.
    """

    WHOLE = auto()
    BAD = auto()
    CUT_OFF = auto()


class After(Enum):
    """What the replica does behind its bytes."""

    STAY = auto()
    CLOSE = auto()
    RESET = auto()


class Hostile(NamedTuple):
    """`send`: what is sent, or how. `body`: what a client gets of a WHOLE answer. `pooled`: the connection may serve
    again.
    """

    clause: str
    send: bytes | Callable[[OriginConnection], None]
    outcome: Outcome
    after: After = After.STAY
    status: int = 200
    body: bytes = b""
    method: bytes = b"GET"
    pooled: bool = False


def counted(body: bytes, *, length: int | None = None, status: bytes = b"200 OK", fields: bytes = b"") -> bytes:
    """A response with a length, true or not."""
    size = len(body) if length is None else length
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, size, fields, body)


def chunked(framed: bytes) -> bytes:
    """A response with this as its body."""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed


OPEN_END = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"
EVIL_RESPONSE = counted(EVIL)
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"


def in_single_bytes(data: bytes) -> Callable[[OriginConnection], None]:
    """One packet a byte."""

    def send(connection: OriginConnection) -> None:
        for at in range(len(data)):
            connection.send(data[at : at + 1])

    return send


def without_end(start: bytes, piece: bytes) -> Callable[[OriginConnection], None]:
    """`piece` again and again, until the peer has enough of it; 64 MiB are endless."""

    def send(connection: OriginConnection) -> None:
        connection.send(start)
        for _ in range(1024):
            connection.send(piece * (65536 // len(piece)))
        raise AssertionError("the balancer took 64 MiB")

    return send


HOSTILE = (
    # These are in order: without them the test would prove nothing.
    Hostile("9112-6.3 rule 6", counted(b"fine"), Outcome.WHOLE, body=b"fine", pooled=True),
    Hostile("9112-6.3 rule 6, in bytes", in_single_bytes(counted(b"fine")), Outcome.WHOLE, body=b"fine", pooled=True),
    Hostile("9112-7.1", chunked(b"4\r\nfine\r\n0\r\n\r\n"), Outcome.WHOLE, body=b"fine", pooled=True),
    Hostile(
        "9112-7.1, in bytes",
        in_single_bytes(chunked(b"4\r\nfine\r\n0\r\n\r\n")),
        Outcome.WHOLE,
        body=b"fine",
        pooled=True,
    ),
    Hostile(
        "9112-7.1.1 extensions", chunked(b"4 ;a=b\r\nfine\r\n0;c\r\n\r\n"), Outcome.WHOLE, body=b"fine", pooled=True
    ),
    Hostile(
        "9112-7.1.2 trailers", chunked(b"4\r\nfine\r\n0\r\nX: y\r\n\r\n"), Outcome.WHOLE, body=b"fine", pooled=True
    ),
    Hostile("9112-6.3 rule 8", OPEN_END + b"fine", Outcome.WHOLE, After.CLOSE, body=b"fine"),
    Hostile("9110-15.3.5 204", b"HTTP/1.1 204 No Content\r\n\r\n", Outcome.WHOLE, status=204, pooled=True),
    Hostile("9110-15.4.5 304", counted(b"", length=9, status=b"304 X"), Outcome.WHOLE, status=304, pooled=True),
    Hostile("9110-9.3.2 HEAD", counted(b"", length=9), Outcome.WHOLE, method=b"HEAD", pooled=True),
    Hostile(
        "9110-15.2 as many interim responses as are served",
        HINT * INFORMATIONAL_RESPONSES_MAX + counted(b"fine"),
        Outcome.WHOLE,
        body=b"fine",
        pooled=True,
    ),
    # More than the response
    Hostile("9112-9.2 a second response", counted(b"fine") + EVIL_RESPONSE, Outcome.WHOLE, body=b"fine"),
    Hostile("9112-9.2 a second response to chunks", chunked(b"0\r\n\r\n") + EVIL_RESPONSE, Outcome.WHOLE),
    Hostile("9112-6.3 a longer body than its length", counted(b"fine", length=4) + EVIL, Outcome.WHOLE, body=b"fine"),
    Hostile("9112-6.3 a body behind a length of 0", counted(b"") + EVIL, Outcome.WHOLE),
    Hostile("9112-6.3 a single byte too many", counted(b"fine") + b"\n", Outcome.WHOLE, body=b"fine"),
    Hostile("9112-6.3 rule 1: a body behind 204", b"HTTP/1.1 204 X\r\n\r\n" + EVIL_RESPONSE, Outcome.WHOLE, status=204),
    Hostile("9110-8.6 204 with a length and a body", counted(EVIL, status=b"204 X"), Outcome.WHOLE, status=204),
    Hostile(
        "9112-6.1 204 in chunks", chunked(b"4\r\nevil\r\n0\r\n\r\n").replace(b"200", b"204"), Outcome.WHOLE, status=204
    ),
    Hostile("9112-6.3 rule 1: a body behind 304", counted(EVIL, status=b"304 X"), Outcome.WHOLE, status=304),
    Hostile("9112-6.3 rule 1: a body for HEAD", EVIL_RESPONSE, Outcome.WHOLE, method=b"HEAD"),
    Hostile(
        "9112-9.6 a second response behind close",
        counted(b"fine", fields=b"Connection: close\r\n") + EVIL_RESPONSE,
        Outcome.WHOLE,
        body=b"fine",
    ),
    Hostile("9110-15.2 a body behind 1xx", counted(EVIL, status=b"103 X") + EVIL_RESPONSE, Outcome.BAD),
    # Less than the response
    Hostile("9112-8 nothing at all", b"", Outcome.BAD, After.CLOSE),
    Hostile("9112-8 nothing but a reset", b"", Outcome.BAD, After.RESET),
    Hostile("9112-8 half a head", b"HTTP/1.1 200 OK\r\nX-Evil: evil", Outcome.BAD, After.CLOSE),
    Hostile("9112-8 half a head, and a reset", b"HTTP/1.1 200 OK\r\nX-Evil: evil", Outcome.BAD, After.RESET),
    Hostile("9112-8 an interim response alone", HINT, Outcome.BAD, After.CLOSE),
    Hostile("9112-8 a shorter body than its length", counted(b"part", length=9), Outcome.CUT_OFF, After.CLOSE),
    Hostile("9112-8 a reset within a counted body", counted(b"part", length=9), Outcome.CUT_OFF, After.RESET),
    Hostile("9112-8 the largest length", counted(b"part", length=10**18 - 1), Outcome.CUT_OFF, After.CLOSE),
    Hostile("9112-8 no last chunk", chunked(b"4\r\npart\r\n"), Outcome.CUT_OFF, After.CLOSE),
    Hostile("9112-8 the end within a chunk", chunked(b"9\r\npart"), Outcome.CUT_OFF, After.CLOSE),
    Hostile("9112-8 the end within a size", chunked(b"4\r\npart\r\n4"), Outcome.CUT_OFF, After.CLOSE),
    Hostile("9112-8 no empty line behind the last chunk", chunked(b"4\r\npart\r\n0\r\n"), Outcome.CUT_OFF, After.CLOSE),
    Hostile("9112-8 the end within the trailers", chunked(b"0\r\nX: y\r\n"), Outcome.CUT_OFF, After.CLOSE),
    Hostile("9112-8 a reset in place of the end", OPEN_END + b"part", Outcome.CUT_OFF, After.RESET),
    # Broken framing
    Hostile("9112-7.1 no chunks at all", chunked(EVIL_RESPONSE), Outcome.CUT_OFF),
    Hostile("9112-7.1 a chunk longer than its size", chunked(b"4\r\npart!\r\n0\r\n\r\n"), Outcome.CUT_OFF),
    Hostile("9112-7.1 a chunk shorter than its size", chunked(b"6\r\npart\r\n0\r\n\r\n"), Outcome.CUT_OFF, After.CLOSE),
    Hostile("9112-7.1 a negative size", chunked(b"-1\r\n" + EVIL), Outcome.CUT_OFF),
    Hostile("9112-7.1 a size beyond any", chunked(b"f" * 17 + b"\r\n" + EVIL), Outcome.CUT_OFF),
    Hostile("9112-7.1 bare LF", chunked(b"4\npart\n0\n\n"), Outcome.CUT_OFF),
    Hostile("9112-7.1.1 LF in an extension", chunked(b"4;\npart\r\n0\r\n\r\n"), Outcome.CUT_OFF),
    Hostile("9112-7.1.2 a folded trailer", chunked(b"0\r\nX: y\r\n z\r\n\r\n"), Outcome.CUT_OFF),
    Hostile("9110-6.5.1 framing as a trailer", chunked(b"0\r\nContent-Length: 4\r\n\r\n") + EVIL, Outcome.CUT_OFF),
    Hostile("9112-4 HTTP/0.9", b"<html>evil</html>", Outcome.BAD, After.CLOSE),
    Hostile("9112-4 garbage", bytes(range(256)) * 4 + b"\r\n\r\n", Outcome.BAD),
    Hostile("9112-4 a byte of zero", b"\0", Outcome.BAD, After.CLOSE),
    Hostile("9112-2.2 an empty line in front", b"\r\n" + EVIL_RESPONSE, Outcome.BAD),
    Hostile("9112-4 a request", b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n", Outcome.BAD),
    Hostile("9110-7.8 an upgrade nobody asked for", b"HTTP/1.1 101 X\r\nUpgrade: evil\r\n\r\nevil", Outcome.BAD),
    Hostile("9110-15.2 too many interim responses", HINT * 17 + EVIL_RESPONSE, Outcome.BAD),
    # Too much of it
    Hostile("a head of 100 KiB", counted(EVIL, fields=b"X: %b\r\n" % (b"y" * 102400)), Outcome.BAD),
    Hostile("a head of one byte too many", OPEN_END[:-2] + b"X:" + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n", Outcome.BAD),
    Hostile("a head without end", without_end(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), Outcome.BAD),
    Hostile("a line without end", without_end(b"HTTP/1.1 200 ", b"O"), Outcome.BAD),
    Hostile("interim responses without end", without_end(b"", HINT), Outcome.BAD),
    Hostile("an interim head without end", without_end(HINT + b"HTTP/1.1 103 X\r\n", b"X: y\r\n"), Outcome.BAD),
    Hostile("trailers without end", without_end(chunked(b"0\r\n"), b"X: y\r\n"), Outcome.CUT_OFF),
    Hostile("an extension without end", without_end(chunked(b"1;"), b"x"), Outcome.CUT_OFF),
    Hostile("a size without end", without_end(chunked(b""), b"0"), Outcome.CUT_OFF),
    Hostile(
        "trailers of one byte too many", chunked(b"0\r\nX:" + b"y" * TRAILER_BYTES_MAX + b"\r\n\r\n"), Outcome.CUT_OFF
    ),
    Hostile(
        "an extension of one byte too many", chunked(b"0;" + b"x" * CHUNK_LINE_BYTES_MAX + b"\r\n\r\n"), Outcome.CUT_OFF
    ),
)
