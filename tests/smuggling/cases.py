"""What is sent: bytes of which a careless reader may take a part for something else.

Each case has a marker of its own, in its targets and in X-Marker, so that any part of it is known again wherever it
turns up. A request for ".../hidden" stands within a body or a field by the letter of RFC 9112; ".../next" is what
follows on the connection.
"""

import random
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from tests.conformance.request_cases import ACCEPTED, REFUSED

MARK = b"@mark@"
CHUNKED = b"Transfer-Encoding: chunked"


class Case(NamedTuple):
    """The bytes of one connection. `name` says what is odd about them."""

    name: str
    wire: bytes


def hidden() -> bytes:
    """A request that no reader may find where it is put."""
    return b"GET /@mark@/hidden HTTP/1.1\r\nHost: a\r\nX-Marker: @mark@\r\n\r\n"


def following() -> bytes:
    """The request behind the odd one."""
    return b"GET /@mark@/next HTTP/1.1\r\nHost: a\r\nX-Marker: @mark@\r\n\r\n"


def head(*lines: bytes, start: bytes = b"POST /@mark@ HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    """A head with a marker."""
    return b"\r\n".join((start, host, b"X-Marker: @mark@", *lines, b"", b""))


CODINGS = (
    CHUNKED,
    b"transfer-encoding: chunked",
    b"Transfer-Encoding:chunked",
    b"Transfer-Encoding: Chunked",
    b"Transfer-Encoding: \tchunked \t",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: chunked;q=1",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: \x0cchunked",
    b"Transfer-Encoding: chunked\x00",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"Transfer-Encoding:\n chunked",
    b"Transfer-Encoding: chun\r\n ked",
    b"X: y\rTransfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\r\rTransfer-Encoding: chunked",
    b"Transfer_Encoding: chunked",
    b"Transfer-Encoding\x00: chunked",
    b"Transfer\xa0Encoding: chunked",
    b"Connection: close, Transfer-Encoding\r\nTransfer-Encoding: chunked",
    b"TE: chunked",
    b"Upgrade: chunked",
)
"""Lines that mean chunked to somebody."""

LENGTHS = (
    b"Content-Length: %d",
    b"content-length:%d",
    b"Content-Length:  %d\t",
    b"Content-Length: 0%d",
    b"Content-Length: +%d",
    b"Content-Length: %d, %d",
    b"Content-Length: %d\r\nContent-Length: %d",
    b"Content-Length: %d\r\nContent-Length: 0",
    b"Content-Length: 0\r\nContent-Length: %d",
    b"Content-Length : %d",
    b"Content_Length: %d",
    b"Content-Length:\r\n %d",
    b"Content-Length: %d\x00",
    b"Content-Length: %d.0",
    b"Content-Length: 0x%x",
    b"Content-Length: %d_0",
    b"Content-Length: %d 0",
    b"Content-Length: \x0b%d",
    b"X: y\rContent-Length: %d",
    b"X: y\nContent-Length: %d",
    b" Content-Length: %d",
    b"Connection: Content-Length\r\nContent-Length: %d",
)
"""Lines that mean a length to somebody."""


def length_line(spelling: bytes, length: int) -> bytes:
    """The spelling with this length wherever it asks for one."""
    return spelling % ((length,) * spelling.count(b"%"))


def by_length() -> tuple[bytes, int]:
    """A body whose chunks end at once, and the length that covers the request behind them."""
    body = b"0\r\n\r\n" + hidden()
    return body, len(body)


def by_chunks() -> tuple[bytes, int]:
    """A body with a request in its one chunk, and the length that ends before it."""
    size = b"%x\r\n" % len(hidden())
    return size + hidden() + b"\r\n0\r\n\r\n", len(size)


def two_framings() -> Iterator[Case]:
    """Every coding beside every length, in both orders, with both bodies."""
    for coding, spelling, order, (body, length) in product(CODINGS, LENGTHS, (1, -1), (by_length(), by_chunks())):
        lines = (coding, length_line(spelling, length))[::order]
        yield Case(f"two framings {lines}", head(*lines) + body + following())


def one_framing() -> Iterator[Case]:
    """Each of them alone, in both versions and with methods that seldom have a body."""
    starts = (b"POST /@mark@ HTTP/1.1", b"POST /@mark@ HTTP/1.0", b"GET /@mark@ HTTP/1.1", b"DELETE /@mark@ HTTP/1.1")
    for start, (body, length) in product(starts, (by_length(), by_chunks())):
        for lines in (*CODINGS, *(length_line(spelling, length) for spelling in LENGTHS)):
            yield Case(f"one framing {start!r} {lines!r}", head(lines, start=start) + body + following())
            kept = head(lines, b"Connection: keep-alive", start=start)
            yield Case(f"one framing, kept, {start!r} {lines!r}", kept + body + following())


CHUNKINGS = (
    b"3\r\nabc\r\n0\r\n\r\n",
    b"003\r\nabc\r\n000\r\n\r\n",
    b"3;a\r\nabc\r\n0;b=c\r\n\r\n",
    b'3;a="b;\xff"\r\nabc\r\n0\r\n\r\n',
    b"3;\r\nabc\r\n0\r\n\r\n",
    b"3 ;a\r\nabc\r\n0 \t;b\r\n\r\n",
    b"3;a=" + b"b" * 200 + b"\r\nabc\r\n0\r\n\r\n",
    b"3;a\nabc\r\n0\r\n\r\n",
    b"3;a\rabc\r\n0\r\n\r\n",
    b"3;\n0\r\n\r\n@hidden@",
    b"3;a\r0\r\n\r\n@hidden@\r\n0\r\n\r\n",
    b"2;\nxx\r\n@hiddensize@\r\n0\r\n\r\n@hidden@\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b" 3\r\nabc\r\n0\r\n\r\n",
    b"+3\r\nabc\r\n0\r\n\r\n",
    b"-3\r\nabc\r\n0\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"3\r\nabcXX0\r\n\r\n@hidden@",
    b"3\r\nabc\r\r\n0\r\n\r\n",
    b"\r\n3\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\r\n\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\n@hidden@",
    b"3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX: y\r\n z\r\n\r\n",
    b"3\r\nabc\r\n0\r\nContent-Length: 60\r\n\r\n@hidden@",
    b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n@hidden@",
    b"3\r\nabc\r\n0\r\nHost: b\r\nX-Request-Id: stolen\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX_Request_Id: stolen\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX : y\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX: y\n\n@hidden@",
    b"3\r\nabc\r\n0\r\n\n@hidden@",
    b"3\r\nabc\r\n0\r\n\r@hidden@",
    b"3\r\nabc\r\n0\n\r\n@hidden@",
    b"3\r\nabc\r\n0",
    b"3\r\nabc\r\n0\r\n",
    b"3\r\nabc\r\n",
    b"5\r\nabc",
    b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    b"100000003\r\nabc\r\n0\r\n\r\n@hidden@",
    b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n@hidden@",
    b"3\x00\r\nabc\r\n0\r\n\r\n",
    b"3_0\r\n" + b"a" * 48 + b"\r\n0\r\n\r\n",
    b"\xef\xbc\x93\r\nabc\r\n0\r\n\r\n",
    b"0\r\n\r\n@hidden@",
    b"00000000000000000\r\n\r\n@hidden@",
    b"0;\r\n\r\n@hidden@",
    b"\r\n\r\n@hidden@",
    b"",
)
"""Chunked bodies, right and wrong, with hidden requests where some reader may see the end."""


def chunkings() -> Iterator[Case]:
    """Each of them, kept and to be closed."""
    for text, connection in product(CHUNKINGS, (b"Connection: keep-alive", b"Connection: close")):
        body = text.replace(b"@hiddensize@", b"%x" % len(hidden())).replace(b"@hidden@", hidden())
        yield Case(f"chunks {text[:60]!r}, {connection.decode()}", head(CHUNKED, connection) + body + following())


ODD_LINES = (
    b"Expect: 100-continue",
    b"Expect: 100-Continue, x",
    b"Expect: \x00",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    + b"A" * 22
    + b"==",
    b"Connection: close",
    b"Connection: keep-alive, close",
    b"Connection: X-Hop\r\nX-Hop: y",
    b"Connection: Host",
    b"Connection: \r\nX: y",
    b"Host: b",
    b"host: a",
    b" Host: b",
    b"Host : b",
    b"Host\x00: b",
    b"X-Forwarded-Host: b",
    b"X-HTTP-Method-Override: DELETE",
    b"X_Request_Id: stolen",
    b"X-Request-ID: one\r\nX-Request-Id: two",
    b"X-Request-Id: brought-@mark@",
    b"X: y\r\n folded",
    b"X: y\r\n\tTransfer-Encoding: chunked",
    b"X: y\r\rY: z",
    b"X: y\nY: z",
    b"X: y\n\nGET /@mark@/hidden HTTP/1.1\nHost: a\n",
    b"X: y\r\n\nGET /@mark@/hidden HTTP/1.1\r\nHost: a",
    b"X: y\n\r\nGET /@mark@/hidden HTTP/1.1\r\nHost: a",
    b"X: y\rGET /@mark@/hidden HTTP/1.1\rHost: a\r\r",
    b"X\r\n",
    b": y",
    b"X y: z",
    b"\x00",
    b"X: " + b"y" * 40_000,
    b"\r\n".join([b"X: y"] * 200),
)

ODD_STARTS = (
    b"POST /@mark@ HTTP/1.0",
    b"POST /@mark@ HTTP/1.2",
    b"POST /@mark@ HTTP/2.0",
    b"POST /@mark@ HTTP/0.9",
    b"POST /@mark@",
    b"POST  /@mark@ HTTP/1.1",
    b"POST /@mark@  HTTP/1.1",
    b"POST\t/@mark@\tHTTP/1.1",
    b" POST /@mark@ HTTP/1.1",
    b"\r\nPOST /@mark@ HTTP/1.1",
    b"\r\n\r\nPOST /@mark@ HTTP/1.1",
    b"\nPOST /@mark@ HTTP/1.1",
    b"POST /@mark@ HTTP/1.1 HTTP/1.1",
    b"POST /@mark@ HTTP/1.1\nX: y",
    b"POST /@mark@\rX HTTP/1.1",
    b"POST /@mark@\x00 HTTP/1.1",
    b"POST /@mark@\xff HTTP/1.1",
    b"POST http://a/@mark@ HTTP/1.1",
    b"POST http://b/@mark@ HTTP/1.1",
    b"POST http://a@b/@mark@ HTTP/1.1",
    b"POST //b/@mark@ HTTP/1.1",
    b"POST /@mark@/../x HTTP/1.1",
    b"POST /@mark@/%2e%2e/%2f%00 HTTP/1.1",
    b"POST /@mark@?a?b#c HTTP/1.1",
    b"POST /@mark@;v=1?%0d%0a HTTP/1.1",
    b"POST /@mark@?a=[b]{c}|^` HTTP/1.1",
    b"POST /@mark@/%25 HTTP/1.1",
    b"POST * HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"OPTIONS /@mark@ HTTP/1.1",
    b"PUT /@mark@ HTTP/1.1",
    b"post /@mark@ HTTP/1.1",
    b"M-SEARCH /@mark@ HTTP/1.1",
    b"CONNECT a:80 HTTP/1.1",
    b"TRACE /@mark@ HTTP/1.1",
    b"PRI * HTTP/2.0",
)


def odd_heads() -> Iterator[Case]:
    """Odd lines and odd request lines, without a body, with one that is counted and with one in chunks."""
    bodies = ((), b""), ((b"Content-Length: 5",), b"abcde"), ((CHUNKED,), b"3\r\nabc\r\n0\r\n\r\n")
    for lines, body in bodies:
        for odd in ODD_LINES:
            yield Case(f"line {odd[:60]!r} {lines}", head(odd, *lines) + body + following())
        for start in ODD_STARTS:
            yield Case(f"start {start!r} {lines}", head(*lines, start=start) + body + following())
    for host in (b"X: y", b"Host: ", b"Host: a, b", b"Host: a/b", b"Host: a#@b", b"Host:\ta", b"Host: a\r\nHost: a"):
        yield Case(f"host {host!r}", head(host=host) + following())


def corpus() -> Iterator[Case]:
    """The cases by clause, with a body where they announce one."""
    for case in (*ACCEPTED, *REFUSED):
        odd = case.head.removesuffix(b"\r\n\r\n") + b"\r\nX-Marker: @mark@\r\n\r\n"
        length = getattr(case, "body_length", 0)
        body = b"3\r\nabc\r\n0\r\n\r\n" if length < 0 else b"x" * length
        yield Case(f"clause {case.clause}", odd + body + following())


def plain() -> Iterator[Case]:
    """Nothing odd: these must get through, or the harness tests nothing."""
    for start, (lines, body) in product(
        (b"GET /@mark@ HTTP/1.1", b"POST /@mark@ HTTP/1.1", b"PUT /@mark@?q=%20 HTTP/1.1"),
        (((), b""), ((b"Content-Length: 5",), b"abcde"), ((CHUNKED,), b"3\r\nabc\r\n0\r\n\r\n")),
    ):
        yield Case(f"plain {start!r} {lines}", head(*lines, start=start) + body + following())


def all_cases(*, share: tuple[int, int] = (0, 1)) -> list[Case]:
    """Everything that is written down or multiplied out here.

    `share`: (n, m) takes every m-th pair of framings, from the n-th on. They are refused before an origin is chosen,
    so that m origins together may do the work of one.
    """
    singles = [plain(), corpus(), odd_heads(), chunkings(), one_framing()]
    first, step = share
    return [case for group in singles for case in group] + list(two_framings())[first::step]


PIECES = (b"\r", b"\n", b"\r\n", b" ", b"\t", b"\x00", b":", b";", b",", b"0", b"0\r\n\r\n", b"\x0b", b"\xff", b"")


def random_case(choice: random.Random) -> Case:
    """Framings, oddities and bodies drawn together, and often a few bytes of the result changed."""
    body, length = choice.choice((by_length, by_chunks))()
    if choice.random() < 0.4:
        text = choice.choice(CHUNKINGS)
        body = text.replace(b"@hiddensize@", b"%x" % len(hidden())).replace(b"@hidden@", hidden())
        length = choice.choice((0, len(body), choice.randint(0, len(body))))
    lines = choice.sample(CODINGS, choice.choice((0, 1, 1, 2)))
    lines += [length_line(spelling, length) for spelling in choice.sample(LENGTHS, choice.choice((0, 0, 1, 2)))]
    lines += choice.sample(ODD_LINES[:-2], choice.choice((0, 0, 0, 1)))
    choice.shuffle(lines)
    start = choice.choice(ODD_STARTS) if choice.random() < 0.2 else b"POST /@mark@ HTTP/1.1"
    wire = head(*lines, start=start) + body + choice.choice((b"", following(), following()))
    for _ in range(choice.choice((0, 0, 1, 3))):
        at = choice.randrange(len(wire))
        wire = wire[:at] + choice.choice(PIECES) + wire[at + choice.choice((0, 0, 1, 2)) :]
    return Case(f"random {wire!r}", wire)


def marked(case: Case, number: int) -> tuple[bytes, str]:
    """The case's bytes with its marker in them, and the marker, which is as long as its place: lengths hold."""
    marker = f"m{number:05x}"
    return case.wire.replace(MARK, marker.encode()), marker
