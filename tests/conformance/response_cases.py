"""Response heads with their verdicts, by clause. What is refused is a 502 to the client (RFC 9110 §15.6.3)."""

from typing import NamedTuple

from lbmesh.http1.message import CHUNKED, UNTIL_CLOSE


class Passed(NamedTuple):
    """What an accepted head must come to. `fields`: lines that must go on; `gone`: names that must not."""

    clause: str
    head: bytes
    body_length: int = UNTIL_CLOSE
    keep_alive: bool = False
    status: int = 200
    method: bytes = b"GET"
    fields: tuple[bytes, ...] = ()
    gone: tuple[bytes, ...] = ()
    offered: tuple[bytes, ...] = ()


class Bad(NamedTuple):
    """A head that is never passed on. `offered`: the protocols that the request asked for."""

    clause: str
    head: bytes
    offered: tuple[bytes, ...] = ()


def ok(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """A head that is right except for what is given."""
    return b"\r\n".join((start, *lines, b"", b""))


def switched(*lines: bytes) -> bytes:
    """A 101 with these fields."""
    return ok(*lines, start=b"HTTP/1.1 101 Switching Protocols")


LENGTH = b"Content-Length: 5"
CODING = b"Transfer-Encoding: chunked"

PASSED = (
    # The status line
    Passed("9112-4 a reason phrase", ok(LENGTH), 5, True, fields=(LENGTH,)),
    Passed("9112-4 an empty reason phrase", ok(LENGTH, start=b"HTTP/1.1 200 "), 5, True),
    # 9112-4 demands the space; servers that leave it out are common, and nothing else can be meant.
    Passed("9112-4 no space behind the status", ok(LENGTH, start=b"HTTP/1.1 200"), 5, True),
    Passed("9112-4 obs-text in a reason phrase", ok(LENGTH, start=b"HTTP/1.1 200 \xff"), 5, True),
    Passed("9110-15 a status nobody knows", ok(LENGTH, start=b"HTTP/1.1 299 X"), 5, True, 299),
    Passed("9112-2.3 HTTP/1.0 becomes HTTP/1.1", ok(LENGTH, start=b"HTTP/1.0 200 OK"), 5),
    # Framing, by the rules of 9112-6.3
    Passed("9112-6.3 rule 1: HEAD has no body", ok(LENGTH), 0, True, method=b"HEAD", fields=(LENGTH,)),
    Passed("9112-6.3 rule 1: HEAD with chunked", ok(CODING), 0, True, method=b"HEAD", fields=(CODING,)),
    Passed("9112-6.3 rule 1: HEAD without framing", ok(b"X: y"), 0, True, method=b"HEAD"),
    Passed("9112-6.3 rule 1: 304 has no body", ok(LENGTH, start=b"HTTP/1.1 304 X"), 0, True, 304, fields=(LENGTH,)),
    Passed("9112-6.3 rule 1: 204 has no body", ok(b"X: y", start=b"HTTP/1.1 204 X"), 0, True, 204),
    Passed(
        "9110-8.6 204 loses its length", ok(LENGTH, start=b"HTTP/1.1 204 X"), 0, True, 204, gone=(b"content-length",)
    ),
    Passed(
        "9112-6.1 204 loses its coding", ok(CODING, start=b"HTTP/1.1 204 X"), 0, True, 204, gone=(b"transfer-encoding",)
    ),
    Passed(
        "9110-8.6 1xx loses its length", ok(LENGTH, start=b"HTTP/1.1 103 X"), 0, True, 103, gone=(b"content-length",)
    ),
    Passed("9110-15.2 an interim response without fields", ok(start=b"HTTP/1.1 100 Continue"), 0, True, 100),
    Passed("9112-6.3 rule 4: chunked", ok(CODING), CHUNKED, True, fields=(CODING,)),
    Passed("9112-6.3 rule 6: a length", ok(b"Content-Length: 0"), 0, True),
    Passed("9112-6.3 rule 8: until the end", ok(b"X: y"), gone=(b"connection",)),
    Passed("9112-6.3 rule 8: no field at all", ok()),
    # Connection management
    Passed("9112-9.6 close", ok(LENGTH, b"Connection: close"), 5, gone=(b"connection",)),
    Passed(
        "9112-9.3 HTTP/1.0 with keep-alive",
        ok(LENGTH, b"Connection: keep-alive", start=b"HTTP/1.0 200 OK"),
        5,
        True,
        gone=(b"connection",),
    ),
    Passed(
        "9110-7.6.1 nominated fields are taken off",
        ok(LENGTH, b"Connection: X-Hop", b"X-Hop: 1"),
        5,
        True,
        gone=(b"x-hop",),
    ),
    Passed("9110-7.6.1 Keep-Alive is taken off", ok(LENGTH, b"Keep-Alive: timeout=5"), 5, True, gone=(b"keep-alive",)),
    Passed(
        "9110-11.7.1 Proxy-Authenticate is this hop's",
        ok(LENGTH, b"Proxy-Authenticate: Basic"),
        5,
        True,
        gone=(b"proxy-authenticate",),
    ),
    Passed("9110-7.8 Upgrade is this hop's", ok(LENGTH, b"Upgrade: h2c"), 5, True, gone=(b"upgrade",)),
    Passed(
        "9110-11.7.2 Proxy-Authorization is no response's",
        ok(LENGTH, b"Proxy-Authorization: x"),
        5,
        True,
        gone=(b"proxy-authorization",),
    ),
    Passed(
        "9110-6.6.2 Trailer goes with the trailers", ok(CODING, b"Trailer: X"), CHUNKED, True, fields=(b"Trailer: X",)
    ),
    Passed(
        "9110-15.2.2 101 to what was asked for",
        switched(b"Connection: upgrade", b"Upgrade: WebSocket", b"Sec-WebSocket-Accept: x"),
        0,
        True,
        101,
        fields=(b"Sec-WebSocket-Accept: x", b"Connection: Upgrade", b"Upgrade: WebSocket"),
        offered=(b"foo", b"websocket"),
    ),
    Passed(
        "9110-7.8 101 to layers, all asked for",
        switched(b"Connection: upgrade", b"Upgrade: foo/2, bar", LENGTH),
        0,
        True,
        101,
        fields=(b"Connection: Upgrade", b"Upgrade: foo/2, bar"),
        gone=(b"content-length",),
        offered=(b"bar", b"foo/2"),
    ),
    Passed(
        "9110-15.5.22 426 says to what",
        ok(LENGTH, b"Connection: close, upgrade", b"Upgrade: foo", start=b"HTTP/1.1 426 X"),
        5,
        False,
        426,
        fields=(LENGTH, b"Connection: Upgrade", b"Upgrade: foo"),
    ),
    Passed(
        "9110-11.7.1 a proxy's challenge goes with CONNECT",
        ok(LENGTH, b"Proxy-Authenticate: Basic", start=b"HTTP/1.1 407 X"),
        5,
        True,
        407,
        b"CONNECT",
        fields=(b"Proxy-Authenticate: Basic",),
    ),
    # Fields
    Passed(
        "9110-5.1 fields that nobody here knows go on as they came",
        ok(LENGTH, b"Location: /x", b"WWW-Authenticate: Basic", b"Content-Encoding: gzip", b"Age: 1", b"X-New: 1"),
        5,
        True,
        fields=(b"Location: /x", b"WWW-Authenticate: Basic", b"Content-Encoding: gzip", b"Age: 1", b"X-New: 1"),
    ),
    Passed("9110-7.6.3 the Via of those before goes on", ok(LENGTH, b"Via: 1.0 x"), 5, True, fields=(b"Via: 1.0 x",)),
    Passed("9110-15.3.6 205 with a length of zero", ok(b"Content-Length: 0", start=b"HTTP/1.1 205 X"), 0, True, 205),
    Passed("9110-15.3.7 a part", ok(LENGTH, b"Content-Range: bytes 0-4/9", start=b"HTTP/1.1 206 X"), 5, True, 206),
    Passed("9110-15.6 an error of the replica's is its own", ok(LENGTH, start=b"HTTP/1.1 500 X"), 5, True, 500),
    Passed("9112-6.3 rule 1: 304 in chunks", ok(CODING, start=b"HTTP/1.1 304 X"), 0, True, 304),
    Passed(
        "9110-5.3 repeated fields stay apart, in order",
        ok(LENGTH, b"Set-Cookie: a", b"Set-Cookie: b"),
        5,
        True,
        fields=(b"Set-Cookie: a", b"Set-Cookie: b"),
    ),
    Passed("9112-5.1 white space round a value", ok(b"Content-Length: \t5 "), 5, True),
)

BAD = (
    Bad("9112-4 another protocol", ok(LENGTH, start=b"ICY 200 OK")),
    Bad("9112-2.3 HTTP/2 in the form of 1.1", ok(LENGTH, start=b"HTTP/2 200 OK")),
    Bad("9112-2.3 HTTP/1.2", ok(LENGTH, start=b"HTTP/1.2 200 OK")),
    Bad("9112-4 a status of two digits", ok(LENGTH, start=b"HTTP/1.1 20 OK")),
    Bad("9112-4 a status of four digits", ok(LENGTH, start=b"HTTP/1.1 2000 OK")),
    Bad("9110-15 a status beyond 599", ok(LENGTH, start=b"HTTP/1.1 600 X")),
    Bad("9110-15 a status below 100", ok(LENGTH, start=b"HTTP/1.1 099 X")),
    Bad("9112-4 two spaces", ok(LENGTH, start=b"HTTP/1.1  200 OK")),
    Bad("9112-4 a control character in the reason phrase", ok(LENGTH, start=b"HTTP/1.1 200 \x00")),
    Bad("9112-4 no status line", ok(LENGTH, start=b"")),
    Bad("9110-15.2.2 101 for a request without Upgrade", switched(b"Connection: upgrade", b"Upgrade: x")),
    Bad("9110-15.2.2 101 to something else", switched(b"Connection: upgrade", b"Upgrade: x"), (b"y",)),
    Bad("9110-7.8 101 to more than was asked for", switched(b"Connection: upgrade", b"Upgrade: y, x"), (b"y",)),
    Bad("9110-15.2.2 101 to nothing", switched(b"Connection: upgrade"), (b"y",)),
    Bad("9110-7.8 101 without the option", switched(b"Upgrade: y"), (b"y",)),
    Bad("9110-7.8 101 in HTTP/1.0", ok(b"Connection: upgrade", b"Upgrade: y", start=b"HTTP/1.0 101 X"), (b"y",)),
    Bad("9112-6.3 Content-Length and Transfer-Encoding", ok(LENGTH, CODING)),
    Bad("9112-6.3 two different lengths", ok(LENGTH, b"Content-Length: 6")),
    Bad("9112-6.3 the same length twice", ok(LENGTH, LENGTH)),
    Bad("9112-6.3 both framings of 204", ok(LENGTH, CODING, start=b"HTTP/1.1 204 X")),
    Bad("9112-6.3 two lengths of 304", ok(LENGTH, b"Content-Length: 6", start=b"HTTP/1.1 304 X")),
    Bad("9112-6.3 a list of equal lengths", ok(b"Content-Length: 5, 5")),
    Bad("9110-8.6 a negative length", ok(b"Content-Length: -5")),
    Bad("9110-8.6 a length beyond 18 digits", ok(b"Content-Length: 1000000000000000000")),
    Bad("9110-8.6 a length that is no number", ok(b"Content-Length: five")),
    Bad("9112-6.1 chunked is not the last coding", ok(b"Transfer-Encoding: chunked, gzip")),
    Bad("9112-6.3 identity is no coding any more", ok(b"Transfer-Encoding: identity")),
    Bad("9112-4 white space in front", ok(LENGTH, start=b" HTTP/1.1 200 OK")),
    Bad("9112-4 a status that is no number", ok(LENGTH, start=b"HTTP/1.1 2x0 OK")),
    Bad("9112-4 the reason right behind the status", ok(LENGTH, start=b"HTTP/1.1 200OK")),
    Bad("9112-5 no name", ok(b": y")),
    Bad("9110-7.6.1 Connection must not name Date", ok(LENGTH, b"Connection: date")),
    Bad("9110-8.6 a signed length", ok(b"Content-Length: +5")),
    Bad("9110-8.6 an empty length", ok(b"Content-Length:")),
    Bad("9112-6.1 chunked in HTTP/1.0", ok(CODING, start=b"HTTP/1.0 200 OK")),
    Bad("9112-6.1 chunked twice", ok(CODING, CODING)),
    # 9112-6.3 rule 4 lets it run until the end; but no replica was told that this coding is taken (TE stays here).
    Bad("9112-6.1 a coding nobody asked for", ok(b"Transfer-Encoding: gzip")),
    Bad("9112-6.1 a coding nobody asked for, and chunked", ok(b"Transfer-Encoding: gzip, chunked")),
    Bad("9112-5.1 a space before the colon", ok(b"X : y")),
    Bad("9112-5.2 a folded line", ok(b"X: y", b" z")),
    Bad("9112-2.2 a bare CR", ok(b"X: y\rZ: z")),
    Bad("9112-2.2 a bare LF", ok(b"X: y\nZ: z")),
    Bad("9110-5.5 NUL in a value", ok(b"X: \x00")),
    Bad("9110-5.1 a name that is no token", ok(b"X y: z")),
    Bad("9112-5 no colon", ok(b"X")),
    Bad("9110-7.6.1 Connection must not name the framing", ok(CODING, b"Connection: transfer-encoding")),
    Bad("6585-5 more fields than are served", ok(*[b"X: y"] * 129)),
)
