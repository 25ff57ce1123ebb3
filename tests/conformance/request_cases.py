"""Request heads with their verdicts, by clause. Where a clause leaves a choice, the note says which and why."""

from typing import NamedTuple

from lbmesh.http1.message import CHUNKED
from lbmesh.model.limits import FIELDS_MAX, TARGET_BYTES_MAX


class Accepted(NamedTuple):
    """What an accepted head must come to. `fields`: lines that must go on; `gone`: names that must not."""

    clause: str
    head: bytes
    target: bytes = b"/"
    host: bytes = b"a"
    body_length: int = 0
    keep_alive: bool = True
    fields: tuple[bytes, ...] = ()
    gone: tuple[bytes, ...] = ()


class Refused(NamedTuple):
    """A head that is never forwarded, and the status of the answer."""

    clause: str
    head: bytes
    status: int = 400


def get(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    """A head that is right except for what is given."""
    return b"\r\n".join((start, b"Host: a", *lines, b"", b""))


def start(line: bytes) -> bytes:
    """A head with this request line."""
    return get(start=line)


def host(value: bytes) -> bytes:
    """A head whose Host line is "Host:" and this."""
    return b"GET / HTTP/1.1\r\nHost:" + value + b"\r\n\r\n"


def connect(target: bytes, *lines: bytes, host: bytes | None = None) -> bytes:
    """A CONNECT to this target, and the same Host unless another is given."""
    host = target if host is None else host
    return b"\r\n".join((b"CONNECT %b HTTP/1.1" % target, b"Host: " + host, *lines, b"", b""))


CODING = b"Transfer-Encoding: chunked"

ACCEPTED = (
    # The request line and its four forms of target
    Accepted("9112-3.2.1 origin-form", start(b"GET /a/b?c=d HTTP/1.1"), b"/a/b?c=d"),
    Accepted("9112-3.2.1 an empty query", start(b"GET /? HTTP/1.1"), b"/?"),
    Accepted("3986-3.3 empty segments are segments", start(b"GET //a//b HTTP/1.1"), b"//a//b"),
    Accepted("3986-3.3 every pchar", start(b"GET /-._~!$&'()*+,;=:@%41%ff HTTP/1.1"), b"/-._~!$&'()*+,;=:@%41%ff"),
    Accepted("3986-6.2.2 dot segments go on as they came", start(b"GET /a/../b HTTP/1.1"), b"/a/../b"),
    Accepted("3986-3.4 a stray % in a query is the application's affair", start(b"GET /?% HTTP/1.1"), b"/?%"),
    Accepted("WHATWG-URL what browsers leave in a query", start(b"GET /?[]{}|^`\\ HTTP/1.1"), b"/?[]{}|^`\\"),
    Accepted("9112-3.2.2 absolute-form", start(b"GET http://a/b?c HTTP/1.1"), b"/b?c"),
    Accepted("9112-3.2.2 absolute-form without a path", start(b"GET http://a HTTP/1.1"), b"/"),
    Accepted("9112-3.2.2 absolute-form, query without a path", start(b"GET http://a?b HTTP/1.1"), b"/?b"),
    Accepted("9112-3.2.2 absolute-form in https", start(b"GET https://a/ HTTP/1.1"), b"/"),
    Accepted("3986-3.1 a scheme in any case", start(b"GET HTTP://a/ HTTP/1.1"), b"/"),
    Accepted("3986-3.2.2 an authority in any case", start(b"GET http://A/ HTTP/1.1"), b"/", b"A"),
    Accepted("9112-3.2.2 the absolute-form fills an empty Host", b"GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n"),
    Accepted("9112-3.2.4 asterisk-form", start(b"OPTIONS * HTTP/1.1"), b"*"),
    Accepted("9112-3.2.4 OPTIONS of a whole server, in absolute-form", start(b"OPTIONS http://a HTTP/1.1"), b"*"),
    Accepted("9112-3.2.4 OPTIONS of its root, in absolute-form", start(b"OPTIONS http://a/ HTTP/1.1"), b"/"),
    Accepted("9110-9.1 any other token is a method", start(b"M-SEARCH / HTTP/1.1")),
    Accepted("9110-9.1 methods are case-sensitive", start(b"get / HTTP/1.1")),
    Accepted("3986-7.3 an escaped NUL in a query is the application's affair", start(b"GET /?%00 HTTP/1.1"), b"/?%00"),
    Accepted("9110-4.1 a long target", start(b"GET /" + b"a" * 8000 + b" HTTP/1.1"), b"/" + b"a" * 8000),
    # Host
    Accepted("9110-7.2 a name with a port", host(b" a.example:8080"), host=b"a.example:8080"),
    Accepted("3986-3.2.3 an empty port", host(b" a:"), host=b"a:"),
    Accepted("3986-3.2.3 the highest port", host(b" a:65535"), host=b"a:65535"),
    Accepted("3986-3.2.3 a port with leading zeros", host(b" a:00080"), host=b"a:00080"),
    # No server is there, but nothing reads it for another one; browsers (WHATWG URL) take it for a port, too.
    Accepted("3986-3.2.3 port 0", host(b" a:0"), host=b"a:0"),
    Accepted("3986-3.2.2 an IPv4 address", host(b" 127.0.0.1:80"), host=b"127.0.0.1:80"),
    Accepted("3986-3.2.2 an IPv6 literal", host(b" [::1]:80"), host=b"[::1]:80"),
    Accepted("3986-3.2.2 an IPv6 literal with IPv4 in it", host(b" [::ffff:1.2.3.4]"), host=b"[::ffff:1.2.3.4]"),
    Accepted("3986-3.2.2 a full IPv6 literal", host(b" [1:2:3:4:5:6:7:8]"), host=b"[1:2:3:4:5:6:7:8]"),
    Accepted("9112-5.1 no white space before the value", host(b"a")),
    Accepted("9112-5.1 white space round the value", host(b" \t a \t "), fields=(b"Host: a",)),
    # Fields
    Accepted("9112-5 an empty value", get(b"X:"), fields=(b"X: ",)),
    Accepted("9110-5.5 obs-text", get(b"X: \xff"), fields=(b"X: \xff",)),
    Accepted("9110-5.5 HTAB within a value", get(b"X: a\tb"), fields=(b"X: a\tb",)),
    Accepted("9110-5.6.2 every tchar in a name", get(b"!#$%&'*+-.^_`|~0a: b"), fields=(b"!#$%&'*+-.^_`|~0a: b",)),
    Accepted(
        "9110-5.3 repeated fields keep their order", get(b"X: 1", b"Y: 2", b"x: 3"), fields=(b"X: 1", b"Y: 2", b"x: 3")
    ),
    Accepted("9110-5.3 as many fields as are served", get(*[b"X: y"] * (FIELDS_MAX - 1))),
    # Framing
    Accepted("9112-6.2 Content-Length", get(b"Content-Length: 5"), body_length=5, fields=(b"Content-Length: 5",)),
    Accepted("9110-8.6 leading zeros are digits", get(b"Content-Length: 005"), body_length=5),
    Accepted("9112-5.1 white space round a length", get(b"Content-Length:  5 "), body_length=5),
    Accepted("9110-9.3.1 a GET with a body", get(b"Content-Length: 1"), body_length=1),
    Accepted("9112-6.3 rule 7: neither field, no body", get(start=b"POST / HTTP/1.1")),
    Accepted("9112-7.1 chunked", get(b"Transfer-Encoding: chunked"), body_length=CHUNKED),
    Accepted("9112-7 codings are case-insensitive", get(b"Transfer-Encoding: CHUNKED"), body_length=CHUNKED),
    Accepted(
        "9110-6.6.2 Trailer goes with the trailers",
        get(b"Transfer-Encoding: chunked", b"Trailer: X"),
        body_length=CHUNKED,
        fields=(b"Trailer: X",),
    ),
    # Connection management and hop-by-hop fields
    Accepted("9112-9.3 HTTP/1.1 stays", get()),
    Accepted("9112-9.6 close", get(b"Connection: close"), keep_alive=False, gone=(b"connection",)),
    Accepted("9110-7.6.1 close in any case", get(b"Connection: Close"), keep_alive=False, gone=(b"connection",)),
    Accepted("9110-5.6.1 close in a list", get(b"Connection: , close ,"), keep_alive=False, gone=(b"connection",)),
    Accepted(
        "9110-5.3 close on a line of its own", get(b"Connection: keep-alive", b"Connection: close"), keep_alive=False
    ),
    Accepted("9112-9.3 HTTP/1.0 ends", start(b"GET / HTTP/1.0"), keep_alive=False),
    Accepted(
        "9112-9.3 HTTP/1.0 with keep-alive stays",
        get(b"Connection: keep-alive", start=b"GET / HTTP/1.0"),
        gone=(b"connection",),
    ),
    Accepted(
        "9110-7.6.1 nominated fields are taken off",
        get(b"Connection: X-Hop", b"X-Hop: 1", b"X: 2"),
        fields=(b"X: 2",),
        gone=(b"x-hop", b"connection"),
    ),
    Accepted(
        "9110-7.6.1 a nominated X-Request-Id is not passed on",
        get(b"Connection: x-request-id", b"X-Request-Id: a"),
        gone=(b"x-request-id",),
    ),
    Accepted(
        "9110-7.6.1 Keep-Alive and Proxy-Connection are taken off",
        get(b"Keep-Alive: 5", b"Proxy-Connection: keep-alive"),
        gone=(b"keep-alive", b"proxy-connection"),
    ),
    Accepted(
        "7239-8.1 a client's word on where it comes from is dropped",
        get(b"Forwarded: for=6.6.6.6", b"X-Real-IP: 6.6.6.6", b"X-Forwarded-For: 6.6.6.6", b"From: a@b"),
        fields=(b"From: a@b",),
        gone=(b"forwarded", b"x-real-ip", b"x-forwarded-for"),
    ),
    Accepted(
        "3875-4.1.18 underscores do not disguise a field",
        get(b"X_Forwarded_For: 6.6.6.6", b"Content_Length: 5", b"transfer_encoding: chunked", b"X_Own: kept"),
        fields=(b"X_Own: kept",),
        gone=(b"x_forwarded_for", b"content_length", b"transfer_encoding"),
    ),
    Accepted(
        "9110-10.1.4 trailers are let through, so TE: trailers is said again",
        get(b"Connection: TE", b"TE: trailers;q=0.5, deflate, trailers"),
        fields=(b"TE: trailers", b"Connection: TE"),
    ),
    Accepted("9110-10.1.4 a coding in TE is this hop's", get(b"Connection: TE", b"TE: gzip"), gone=(b"te",)),
    Accepted("9110-10.1.4 TE that Connection does not name", get(b"TE: trailers"), gone=(b"te", b"connection")),
    Accepted(
        "9110-7.8 Upgrade is made anew for the replica",
        get(b"upgrade: websocket", b"Connection: keep-alive, upgrade", b"Sec-WebSocket-Version: 13"),
        fields=(b"Sec-WebSocket-Version: 13", b"Upgrade: websocket", b"Connection: Upgrade"),
    ),
    Accepted(
        "9110-7.8 any protocol may be asked for, in the client's order",
        get(b"Connection: Upgrade, TE", b"Upgrade: foo/2, h2c", b"Upgrade: bar", b"TE: trailers"),
        fields=(b"TE: trailers", b"Upgrade: foo/2, bar", b"Connection: TE, Upgrade"),
    ),
    Accepted(
        "9113-3.1 h2c is never passed on",
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
        gone=(b"upgrade", b"http2-settings", b"connection"),
    ),
    Accepted("9113-3.1 nor HTTP/2.0", get(b"Connection: Upgrade", b"Upgrade: HTTP/2.0"), gone=(b"upgrade",)),
    Accepted("2817-3 nor TLS", get(b"Connection: Upgrade", b"Upgrade: TLS/1.2, H2C"), gone=(b"upgrade",)),
    Accepted("9110-7.8 Upgrade that Connection does not name", get(b"Upgrade: websocket"), gone=(b"upgrade",)),
    Accepted("9110-7.8 an option without the field", get(b"Connection: upgrade"), gone=(b"upgrade", b"connection")),
    Accepted("9110-7.8 what is no protocol", get(b"Connection: upgrade", b"Upgrade: a b, /1"), gone=(b"upgrade",)),
    Accepted(
        "9110-7.8 Upgrade is ignored in HTTP/1.0",
        get(b"Connection: upgrade", b"Upgrade: websocket", start=b"GET / HTTP/1.0"),
        keep_alive=False,
        gone=(b"upgrade", b"connection"),
    ),
    Accepted(
        "9110-11.7.2 Proxy-Authorization is this hop's",
        get(b"Proxy-Authorization: Basic eA=="),
        gone=(b"proxy-authorization",),
    ),
    Accepted(
        "9110-7.6.2 Max-Forwards is one less",
        get(b"max-forwards: 5", start=b"OPTIONS /x HTTP/1.1"),
        b"/x",
        fields=(b"max-forwards: 4",),
    ),
    Accepted(
        "9110-7.6.2 the last hop",
        get(b"Max-Forwards: 1", start=b"OPTIONS * HTTP/1.1"),
        b"*",
        fields=(b"Max-Forwards: 0",),
    ),
    Accepted(
        "9110-7.6.2 more than any path has",
        get(b"Max-Forwards: 123456789", start=b"OPTIONS * HTTP/1.1"),
        b"*",
        fields=(b"Max-Forwards: 255",),
    ),
    Accepted("9110-7.6.2 Max-Forwards means nothing to GET", get(b"Max-Forwards: 0"), fields=(b"Max-Forwards: 0",)),
    Accepted(
        "9110-10.1.1 Expect goes on",
        get(b"Expect: 100-continue", b"Content-Length: 1"),
        body_length=1,
        fields=(b"Expect: 100-continue",),
    ),
    Accepted("9110-10.1.1 Expect in any case", get(b"Expect: 100-Continue", b"Content-Length: 1"), body_length=1),
    Accepted(
        "9110-10.1.1 Expect asks for nothing without content",
        get(b"Expect: 100-continue"),
        gone=(b"expect",),
    ),
    Accepted(
        "9110-10.1.1 Expect is ignored in HTTP/1.0",
        get(b"Expect: 100-continue", start=b"GET / HTTP/1.0"),
        keep_alive=False,
        gone=(b"expect",),
    ),
    Accepted(
        "the client's X-Forwarded-* are replaced",
        get(b"X-Forwarded-For: 1", b"X-FORWARDED-PROTO: x", b"x-forwarded-host: b"),
        gone=(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"),
    ),
    Accepted(
        "all of X-Forwarded-* is for proxies to say",
        get(b"X-Forwarded-Port: 1", b"X-Forwarded-Prefix: /a", b"x-forwarded-tls-client-cert: c", b"X-Forwarded: kept"),
        fields=(b"X-Forwarded: kept",),
        gone=(b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-tls-client-cert"),
    ),
    Accepted(
        "3875-4.1.18 nor is X-Forwarded-* another name with _ for -",
        get(b"X_Forwarded_Prefix: /a", b"X-Forwarded_Port: 1", b"x-forwarded-a_b: c", b"X-Forwarded_: d"),
        gone=(b"x_forwarded_prefix", b"x-forwarded_port", b"x-forwarded-a_b", b"x-forwarded_"),
    ),
    Accepted("a request id that no log can take is replaced", get(b'X-Request-Id: "'), gone=(b"x-request-id",)),
    Accepted("two request ids are none", get(b"X-Request-Id: a", b"X-Request-Id: b"), gone=(b"x-request-id",)),
    # What an intermediary has no business with
    Accepted(
        "9110-5.1 fields that nobody here knows go on as they came",
        get(
            b"Authorization: Basic eA==", b"Cookie: a=b; c=d", b"Range: bytes=0-1", b'If-None-Match: W/"x"', b"X-New: 1"
        ),
        fields=(
            b"Authorization: Basic eA==",
            b"Cookie: a=b; c=d",
            b"Range: bytes=0-1",
            b'If-None-Match: W/"x"',
            b"X-New: 1",
        ),
    ),
    Accepted(
        "9110-7.7 no-transform finds nothing to do",
        get(b"Cache-Control: no-transform"),
        fields=(b"Cache-Control: no-transform",),
    ),
    Accepted(
        "9110-12.5.3 what content the client takes", get(b"Accept-Encoding: gzip"), fields=(b"Accept-Encoding: gzip",)
    ),
    Accepted(
        "9110-7.6.1 a client's own field may be nominated, whatever it is",
        get(b"Connection: Cookie", b"Cookie: a"),
        gone=(b"cookie",),
    ),
    Accepted(
        "9110-7.6.1 nominating X-Forwarded-For hides nobody", get(b"Connection: X-Forwarded-For"), gone=(b"connection",)
    ),
    Accepted("9110-7.6.1 a nominated field that is not there", get(b"Connection: X-Hop"), gone=(b"connection",)),
    Accepted("9112-3.2.2 absolute-form with a port", b"GET http://a:80/ HTTP/1.1\r\nHost: a:80\r\n\r\n", host=b"a:80"),
    Accepted(
        "9112-3.2.2 absolute-form with an IPv6 literal",
        b"GET http://[::1]/x HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        b"/x",
        b"[::1]",
    ),
    Accepted("9110-9.3.1 a GET in chunks", get(CODING), body_length=CHUNKED),
    Accepted("9110-8.6 a length of zero", get(b"Content-Length: 0"), fields=(b"Content-Length: 0",)),
    # Older versions
    Accepted(
        "9112-9.3 HTTP/1.0 with a body",
        get(b"Content-Length: 5", start=b"POST / HTTP/1.0"),
        body_length=5,
        keep_alive=False,
    ),
    Accepted(
        "9112-9.3 HTTP/1.0 with close and keep-alive",
        get(b"Connection: close, keep-alive", start=b"GET / HTTP/1.0"),
        keep_alive=False,
    ),
    Accepted("9112-3.2 HTTP/1.0 needs no Host", b"GET / HTTP/1.0\r\n\r\n", host=b"", keep_alive=False),
    Accepted("9112-3.2.2 absolute-form in HTTP/1.0", b"GET http://a/ HTTP/1.0\r\n\r\n", keep_alive=False),
)

CONNECTING = (
    Accepted("9112-3.2.3 authority-form", connect(b"a.example:443"), b"a.example:443", b"a.example:443", 0, False),
    Accepted("9112-3.2.3 an IPv6 literal", connect(b"[::1]:443"), b"[::1]:443", b"[::1]:443", 0, False),
    Accepted("9112-3.2 a Host in another case", connect(b"a:443", host=b"A:443"), b"a:443", b"a:443", 0, False),
    Accepted(
        "9112-3.2 CONNECT in HTTP/1.0 needs no Host", b"CONNECT a:443 HTTP/1.0\r\n\r\n", b"a:443", b"a:443", 0, False
    ),
    Accepted(
        "9110-11.7.2 credentials for the replica, which is a proxy",
        connect(b"a:443", b"Proxy-Authorization: Basic eA==", b"Proxy-Connection: keep-alive", b"Content-Length: 0"),
        b"a:443",
        b"a:443",
        0,
        False,
        fields=(b"Proxy-Authorization: Basic eA==", b"Content-Length: 0"),
        gone=(b"proxy-connection",),
    ),
    Accepted(
        "9110-7.8 CONNECT and Upgrade are not asked for at once",
        connect(b"a:443", b"Connection: upgrade", b"Upgrade: websocket"),
        b"a:443",
        b"a:443",
        0,
        False,
        gone=(b"upgrade",),
    ),
)
"""Accepted where a service takes CONNECT; elsewhere it is a 405."""


REFUSED = (
    # The request line
    Refused("9112-3 HTTP/0.9", b"GET /\r\n\r\n"),
    Refused("9112-3 an empty request line", b"\r\n\r\n"),
    Refused("9112-3 two spaces", start(b"GET  / HTTP/1.1")),
    Refused("9112-3 a tab for a space", start(b"GET\t/ HTTP/1.1")),
    Refused("9112-3 white space in front", start(b" GET / HTTP/1.1")),
    Refused("9112-3 white space behind", start(b"GET / HTTP/1.1 ")),
    Refused("9112-3 white space within the target", start(b"GET /a b HTTP/1.1")),
    Refused("9110-9.1 a method that is no token", start(b"G@T / HTTP/1.1")),
    Refused("9110-9.1 a method longer than any", start(b"A" * 33 + b" / HTTP/1.1")),
    Refused("9112-2.3 the version's name is case-sensitive", start(b"GET / http/1.1")),
    Refused("9112-2.3 a version of two digits", start(b"GET / HTTP/1.10")),
    Refused("9112-2.3 no minor version", start(b"GET / HTTP/1")),
    # 9110-2.5 asks to treat a higher minor version as 1.1. None exists or will: what says so is probing.
    Refused("9110-15.6.6 HTTP/1.2", start(b"GET / HTTP/1.2"), 505),
    Refused("9110-15.6.6 HTTP/2.0 in the form of 1.1", start(b"GET / HTTP/2.0"), 505),
    Refused("9113-3.4 the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\n", 505),
    Refused("9110-15.5.15 a target that is too long", start(b"GET /" + b"a" * TARGET_BYTES_MAX + b" HTTP/1.1"), 414),
    Refused("9112-3 no method", start(b" / HTTP/1.1")),
    Refused("9112-3 no target", start(b"GET HTTP/1.1")),
    Refused("9112-3 NUL in the method", start(b"G\x00T / HTTP/1.1")),
    # Targets
    Refused("9112-3.2 a relative target", start(b"GET a HTTP/1.1")),
    Refused("9112-3.2 a fragment", start(b"GET /#a HTTP/1.1")),
    Refused("9112-3.2 a fragment behind a query", start(b"GET /?a#b HTTP/1.1")),
    Refused("3986-2 a backslash in a path", start(b"GET /a\\b HTTP/1.1")),
    Refused("3986-2.1 half an escape in a path", start(b"GET /%4 HTTP/1.1")),
    Refused("3986-2.1 an escape that is not hexadecimal", start(b"GET /%zz HTTP/1.1")),
    Refused("3986-2 angle brackets", start(b"GET /<a> HTTP/1.1")),
    Refused("3986-2 a quotation mark in a query", start(b'GET /?" HTTP/1.1')),
    Refused("3986-2 bytes beyond ASCII", start(b"GET /\xc3\xa4 HTTP/1.1")),
    Refused("3986-2 NUL in the target", start(b"GET /\x00 HTTP/1.1")),
    Refused("3986-2 DEL in the target", start(b"GET /\x7f HTTP/1.1")),
    Refused("9112-3.2.3 authority-form without CONNECT", start(b"GET a:80 HTTP/1.1")),
    Refused("9112-3.2.4 asterisk-form without OPTIONS", start(b"GET * HTTP/1.1")),
    Refused("9110-4.2.4 userinfo in the target", start(b"GET http://u:p@a/ HTTP/1.1")),
    Refused("9110-4.2.1 an empty host in the target", start(b"GET http:///a HTTP/1.1")),
    Refused("9110-4.2.1 a malformed authority", start(b"GET http://a:x/ HTTP/1.1")),
    Refused(
        "3986-3.2.3 a port beyond all in the target and in Host",
        b"GET http://a:65536/ HTTP/1.1\r\nHost: a:65536\r\n\r\n",
    ),
    Refused("9112-3.2.2 a scheme without an authority", start(b"GET http:/a HTTP/1.1")),
    Refused("9112-3.2.2 a scheme alone", start(b"GET http: HTTP/1.1")),
    Refused("9112-3.2.2 another scheme", start(b"GET ftp://a/ HTTP/1.1")),
    Refused("9112-3.2.2 a fragment in absolute-form", start(b"GET http://a/#b HTTP/1.1")),
    # 9112-3.2.2 has a proxy ignore Host here; but 3.2 has every client send them identical: only attacks differ.
    Refused("9112-3.2 Host contradicts the target", start(b"GET http://b/ HTTP/1.1")),
    Refused("9112-3.2.3 CONNECT without a port", connect(b"a")),
    Refused("9112-3.2.3 CONNECT with an empty port", connect(b"a:")),
    Refused("9110-9.3.6 CONNECT to port 0", connect(b"a:0")),
    Refused("9110-9.3.6 CONNECT to a port beyond all", connect(b"a:65536")),
    Refused("9112-3.2.3 CONNECT with a scheme", connect(b"http://a:443")),
    Refused("9112-3.2.3 CONNECT in origin-form", connect(b"/", host=b"a:443")),
    Refused("9112-3.2.3 CONNECT with userinfo", connect(b"u@a:443")),
    Refused("9112-3.2.3 CONNECT with a path", connect(b"a:443/")),
    Refused("9112-3.2 CONNECT and Host differ", connect(b"a:443", host=b"b:443")),
    Refused("9112-3.2 CONNECT and the port of Host differ", connect(b"a:443", host=b"a")),
    Refused("9110-9.3.6 CONNECT with a body", connect(b"a:443", b"Content-Length: 5")),
    Refused("9110-9.3.6 CONNECT with chunks", connect(b"a:443", b"Transfer-Encoding: chunked")),
    Refused("9110-9.3.8 TRACE", start(b"TRACE / HTTP/1.1"), 405),
    Refused("9110-7.6.2 TRACE, even as the last hop", get(b"Max-Forwards: 0", start=b"TRACE / HTTP/1.1"), 405),
    # OPTIONS that ends here is answered, which is no refusal; but it is not forwarded either.
    Refused("9110-7.6.2 OPTIONS ends here", get(b"Max-Forwards: 0", start=b"OPTIONS / HTTP/1.1"), 200),
    Refused("9110-7.6.2 OPTIONS of the server ends here", get(b"Max-Forwards: 00", start=b"OPTIONS * HTTP/1.1"), 200),
    Refused("9110-7.6.2 Max-Forwards is a number", get(b"Max-Forwards: -1", start=b"OPTIONS / HTTP/1.1")),
    Refused("9110-7.6.2 Max-Forwards says something", get(b"Max-Forwards:", start=b"OPTIONS / HTTP/1.1")),
    Refused("9110-7.6.2 two Max-Forwards", get(b"Max-Forwards: 0", b"Max-Forwards: 5", start=b"OPTIONS / HTTP/1.1")),
    Refused("3986-7.3 an escaped NUL in a path", start(b"GET /a%00b HTTP/1.1")),
    # Host
    Refused("9112-3.2 no Host", b"GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    Refused("9112-3.2 two Hosts", get(b"Host: b")),
    Refused("9112-3.2 the same Host twice", get(b"hOST: a")),
    Refused("9110-4.2.1 an empty Host", host(b"")),
    Refused("9110-4.2.1 a blank Host", host(b" \t")),
    Refused("9112-3.2 userinfo in Host", host(b" u@a")),
    Refused("9112-3.2 a comma in Host", host(b" a,b")),
    Refused("9112-3.2 a space in Host", host(b" a b")),
    Refused("9112-3.2 a path in Host", host(b" a/b")),
    Refused("9112-3.2 a query in Host", host(b" a?b")),
    Refused("9112-3.2 a scheme in Host", host(b" http://a")),
    Refused("3986-3.2.3 a port beyond all", host(b" a:65536")),
    Refused("3986-3.2.3 a port that wraps round to 80", host(b" a:65616")),
    Refused("3986-3.2.3 a port beyond all with an IPv6 literal", host(b" [::1]:99999")),
    Refused("3986-3.2.3 a port with too many zeros before it", host(b" a:000080")),
    Refused("3986-3.2.2 an escape in Host: DNS has none", host(b" a%2eb")),
    Refused("3986-3.2.2 a host of more than 255 characters", host(b" " + b"a" * 256)),
    Refused("3986-3.2.3 a port that is no number", host(b" a:b")),
    Refused("3986-3.2.3 a port of six digits", host(b" a:123456")),
    Refused("3986-3.2.3 two ports", host(b" a:1:2")),
    Refused("3986-3.2.2 IPv6 without brackets", host(b" ::1")),
    Refused("3986-3.2.2 an open bracket", host(b" [::1")),
    Refused("3986-3.2.2 brackets round nothing", host(b" []")),
    Refused("3986-3.2.2 IPv4 in brackets", host(b" [1.2.3.4]")),
    Refused("3986-3.2.2 two gaps", host(b" [1::2::3]")),
    Refused("3986-3.2.2 nine groups", host(b" [1:2:3:4:5:6:7:8:9]")),
    Refused("6874-1 a zone of IPv6 means nothing to others", host(b" [fe80::1%25eth0]")),
    # Field lines
    Refused("9112-5.1 a space before the colon", get(b"X : y")),
    Refused("9112-5.1 a tab before the colon", get(b"X\t: y")),
    Refused("9112-5.1 a space before the colon of Host", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    Refused("9112-5.1 a space before the colon of a length", get(b"Content-Length : 5")),
    Refused("9112-5.2 a folded line", get(b"X: y", b" z")),
    Refused("9112-5.2 a line folded with a tab", get(b"X: y", b"\tz")),
    Refused("9112-2.2 white space before the first field", b"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"),
    Refused("9112-5 no colon", get(b"X")),
    Refused("9112-5 no name", get(b": y")),
    Refused("9110-5.1 a name that is no token", get(b"X(y): z")),
    Refused("9110-5.1 NUL in a name", get(b"X\x00: y")),
    Refused("9110-5.1 a name beyond ASCII", get(b"\xc3\xa4: y")),
    Refused("9110-5.5 NUL in a value", get(b"X: \x00")),
    Refused("9110-5.5 a control character in a value", get(b"X: \x1b[0m")),
    Refused("9110-5.5 DEL in a value", get(b"X: \x7f")),
    Refused("9110-5.5 a vertical tab round a value", get(b"Content-Length: \x0b5")),
    Refused("9112-2.2 a bare CR in a value", get(b"X: y\rZ: z")),
    Refused("9112-2.2 a bare CR before CRLF", get(b"X: y\r")),
    Refused("9112-2.2 a bare LF between fields", get(b"X: y\nZ: z")),
    Refused("9112-2.2 a bare LF behind the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    Refused("6585-5 one field more than are served", get(*[b"X: y"] * FIELDS_MAX), 431),
    # Framing
    Refused("9112-6.3 Content-Length and Transfer-Encoding", get(b"Content-Length: 5", b"Transfer-Encoding: chunked")),
    Refused("9112-6.3 the same, the other way round", get(b"Transfer-Encoding: chunked", b"Content-Length: 5")),
    Refused("9112-6.3 a length of zero beside chunked", get(CODING, b"Content-Length: 0")),
    Refused("9112-6.3 an empty length beside chunked", get(CODING, b"Content-Length:")),
    Refused("9112-6.1 chunked in HTTP/1.0", get(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0")),
    Refused("9112-6.3 two different lengths", get(b"Content-Length: 5", b"Content-Length: 6")),
    # 9112-6.3 rule 5 lets a recipient take equal lengths as one; no client at large sends them.
    Refused("9112-6.3 the same length twice", get(b"Content-Length: 5", b"Content-Length: 5")),
    Refused("9112-6.3 a list of equal lengths", get(b"Content-Length: 5, 5")),
    Refused("9110-8.6 a list with an empty element", get(b"Content-Length: 5,")),
    Refused("9110-8.6 an empty element in front", get(b"Content-Length: ,5")),
    Refused("9110-8.6 two numbers", get(b"Content-Length: 5 5")),
    Refused("9110-8.6 an underscore between digits", get(b"Content-Length: 1_0")),
    Refused("9110-8.6 an empty length and a length", get(b"Content-Length:", b"Content-Length: 5")),
    Refused("9110-8.6 a signed length", get(b"Content-Length: +5")),
    Refused("9110-8.6 a negative length", get(b"Content-Length: -5")),
    Refused("9110-8.6 a hexadecimal length", get(b"Content-Length: 0x5")),
    Refused("9110-8.6 a length with a fraction", get(b"Content-Length: 5.0")),
    Refused("9110-8.6 an empty length", get(b"Content-Length:")),
    Refused("9110-8.6 a length beyond 18 digits", get(b"Content-Length: 1000000000000000000")),
    Refused("9110-8.6 digits that are not ASCII", get(b"Content-Length: \xb2")),
    Refused("9112-6.1 a coding that is not served, and chunked", get(b"Transfer-Encoding: gzip, chunked"), 501),
    Refused("9112-6.1 the same on two lines", get(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"), 501),
    Refused("9112-6.3 chunked is not the last coding", get(b"Transfer-Encoding: chunked, gzip")),
    Refused("9112-6.3 no chunked at all", get(b"Transfer-Encoding: gzip")),
    Refused("9112-6.3 identity is no coding any more", get(b"Transfer-Encoding: identity")),
    Refused("9112-6.1 chunked twice", get(b"Transfer-Encoding: chunked, chunked")),
    Refused("9112-6.1 chunked twice on two lines", get(b"Transfer-Encoding: chunked", b"transfer-encoding: chunked")),
    Refused("9112-7.1 chunked has no parameters", get(b"Transfer-Encoding: chunked;a=b")),
    Refused("9112-6.1 a control character before chunked", get(b"Transfer-Encoding: \x0bchunked")),
    Refused("9112-6.1 something like chunked", get(b"Transfer-Encoding: xchunked")),
    Refused("9112-6.1 an empty coding", get(b"Transfer-Encoding:")),
    Refused("9112-6.1 an empty element beside chunked", get(b"Transfer-Encoding: ,chunked")),
    # Connection and Expect
    Refused("9110-7.6.1 Connection must not name Host", get(b"Connection: host")),
    Refused("9110-7.6.1 Connection must not name a length", get(b"Connection: Content-Length", b"Content-Length: 5")),
    Refused("9110-7.6.1 Connection must not name the framing", get(b"Connection: close, transfer-encoding")),
    Refused("9110-7.6.1 Connection must not name Cache-Control", get(b"Connection: cache-control")),
    Refused("9110-7.6.1 Connection must not name Date", get(b"Connection: Date")),
    Refused("9110-7.6.1 Connection must not name Trailer", get(b"Connection: trailer", CODING)),
    Refused("9110-7.6.1 an option that is no token", get(b"Connection: a b")),
    Refused("9110-10.1.1 an expectation nobody knows", get(b"Expect: a"), 417),
    Refused("9110-10.1.1 an expectation beside 100-continue", get(b"Expect: 100-continue, a"), 417),
)
