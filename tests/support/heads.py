"""Request and response heads for property tests: plain ones, odd ones, and both with a few bytes changed."""

from hypothesis import strategies as st

from lbmesh.http1.fields import HOP_BY_HOP

METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH")
ODD_METHODS = (b"OPTIONS", b"CONNECT", b"TRACE", b"get", b"QUERY", b"M-SEARCH", b"G@T", b"", b"A" * 33)

TARGETS = (
    b"/",
    b"/a",
    b"/a/b.html",
    b"/a//b",
    b"/../a",
    b"/%41%2f",
    b"/?",
    b"/?a=b&c=%20",
    b"/?a[]={1}|`^",
    b"/;v=1,2",
    b"/~me/@x:y!$&'()*+=",
    b"/?%",
    b"/?%zz",
    b"/?%00",
    b"/" + b"long/" * 60,
)
ODD_TARGETS = (
    b"*",
    b"a",
    b"",
    b"//",
    b"/%",
    b"/%4",
    b"/%zz",
    b"/a%00b",
    b"/#",
    b"/a#b",
    b"/?#",
    b"/<>",
    b'/"',
    b"/\\",
    b"/?\\",
    b"/\xc3\xa4",
    b"/ ",
    b"/[",
    b"/|",
    b"http://a.example",
    b"http://A.example/x?y",
    b"https://a.example:8080?q",
    b"http://u@a.example/",
    b"http:///",
    b"ftp://a/",
    b"a.example:80",
)

HOSTS = (
    b"a.example",
    b"A.Example:8080",
    b"127.0.0.1",
    b"[::1]:80",
    b"[2001:db8::1.2.3.4]",
    b"a_b-c.~",
    b"a:",
    b"a.",
    b"a:65535",
)
ODD_HOSTS = (
    b"",
    b"a b",
    b"a,b",
    b"u@a",
    b"a/b",
    b"a:b",
    b"a:123456",
    b"a:65536",
    b"[::1]:99999",
    b"[::1",
    b"[:::]",
    b"[1.2]",
    b"a%41",
    b"a" * 256,
    b"a\tb",
    b"[::1%1]",
)

VERSIONS = (b"HTTP/1.1",)
ODD_VERSIONS = (b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"")

NAMES = (
    b"Accept",
    b"user-agent",
    b"COOKIE",
    b"X-Custom",
    b"x-forwarded",
    b"Cookie2",
    b"Via",
    b"0",
    b"!#$%&'*+-.^_`|~",
    b"Trail",
    b"Keep",
    b"Ex",
    b"Proxy",
    b"upgrade-insecure-requests",
    b"Content-Type",
    b"Transfer",
    b"Hosts",
    b"connection2",
)
VALUES = (
    b" x",
    b"x",
    b"",
    b" ",
    b"\t",
    b" a, b",
    b"  a \t b  ",
    b" \xff\x80",
    b' "quoted\\""',
    b" a:b",
    b" 0",
    b" close",
)
ODD_VALUES = (b" \x00", b"\x01", b" a\x7f", b" \x0b", b" a\rb", b" a\nb", b" \r\n x", b"\x1f")

LENGTHS = (b"Content-Length: 5", b"content-length:0", b"CONTENT-LENGTH: 007", b"Content-Length: 999999999999999999")
CODINGS = (b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked")
CONNECTIONS = (b"Connection: keep-alive", b"connection:Keep-Alive", b"Connection: close")
FORWARDED = (
    b"X-Forwarded-For: 1.2.3.4",
    b"x-forwarded-proto:https",
    b"X-FORWARDED-HOST: h",
    b"X-Forwarded-Host: h",
    b"X-Forwarded-Prefix: /a",
    b"X-Forwarded-Tls-Client-Cert: x",
    b"X-Forwarded-: x",
    b"X-Forwarded-2: x",
)
IDS = (b"X-Request-Id: abc-1", b"x-request-id:f/+=~")
KEEP_ALIVES = (b"Keep-Alive: timeout=5", b"keep-alive:")
ODD_LINES = (
    b"Content-Length: +5",
    b"Content-Length: 5, 5",
    b"Content-Length: ",
    b"Content-Length: 0x5",
    b"Content-Length: -1",
    b"Content-Length: 1234567890123456789",
    b"Content-Length:  5",
    b"Content-Length: 5 ",
    b"Content-Length: 5\x0b",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked;a=b",
    b"Transfer-Encoding: CHUNKED",
    b"Transfer-Encoding:",
    b"Connection: host",
    b"Connection: X-Custom",
    b"Connection: keep-alive, Upgrade",
    b"Connection: close, te",
    b"Connection: Close",
    b"Connection: a b",
    b"Connection:",
    b"Connection: x-request-id",
    b"Connection: expect",
    b"Connection: upgrade\r\nUpgrade: websocket",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, foo/1\r\nHTTP2-Settings: AAA",
    b"Connection: te\r\nTE: trailers",
    b"Upgrade: websocket",
    b"Max-Forwards: 1",
    b"Expect: 100-continue",
    b"expect: x",
    b"Keep-Alive : 5",
    b"X-Request-Id: a b",
    b"X-Request-Id:",
    b"X-Request-Id: " + b"a" * 129,
    b"No colon",
    b": no name",
    b" folded",
    b"\tfolded",
    b"Space : x",
    b"N\xc3\xa4me: x",
    b"",
    b"Host : a",
    b"Host\x00: a",
    b"X-Forwarded-For : x",
)


def _lines(names: tuple[bytes, ...], values: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    return st.builds(lambda name, value: name + b":" + value, st.sampled_from(names), st.sampled_from(values))


_TEXT = st.binary(max_size=12).map(lambda raw: bytes(0x20 + byte % 0x5F for byte in raw))
PLAIN_LINE = _lines(NAMES, VALUES) | st.builds(lambda name, text: name + b":" + text, st.sampled_from(NAMES), _TEXT)
ODD_LINE = st.sampled_from(ODD_LINES) | _lines(NAMES, ODD_VALUES)
TOUCHED_LINE = st.builds(
    lambda name, capital, value: (name.title() if capital else name) + b":" + value,
    st.sampled_from(
        sorted(HOP_BY_HOP | {b"expect", b"trailer", b"x-request-id", b"x-forwarded-for", b"content-length"})
    ),
    st.booleans(),
    st.sampled_from(VALUES),
)
"""Fields that an intermediary must not pass over, with values that mean little."""


@st.composite
def _field_lines(draw: st.DrawFn, required: bytes, own: tuple[tuple[bytes, ...], ...], deviation: str) -> list[bytes]:
    """Field lines in any order, some that an intermediary touches among them, and what the deviation asks for.

    `own`: groups of lines beside framing and connection, of which one each may stand in such a head.
    """
    lines = [required] if deviation != "missing" else []
    lines += draw(st.lists(PLAIN_LINE, max_size=4))
    framing = draw(st.sampled_from((LENGTHS, CODINGS, None)))
    groups = [group for group in (CONNECTIONS, *own) if draw(st.booleans())]
    lines += [draw(st.sampled_from(group)) for group in ([framing, *groups] if framing else groups)]
    match deviation:
        case "line":
            lines.append(draw(ODD_LINE))
        case "touched":
            lines.append(draw(TOUCHED_LINE))
        case "twice" if lines:
            lines.append(draw(st.sampled_from(lines)))
        case "framing":
            lines += [draw(st.sampled_from(LENGTHS)), draw(st.sampled_from(LENGTHS + CODINGS))]
        case _:
            pass
    return draw(st.permutations(lines))


@st.composite
def _mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """One to three bytes or short runs put in, taken out, replaced or repeated."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(whole)))
        length = draw(st.sampled_from((0, 1, 1, 2, 5)))
        piece = draw(
            st.sampled_from(
                (
                    b"",
                    b"\r",
                    b"\n",
                    b"\r\n",
                    b" ",
                    b"\t",
                    b":",
                    b",",
                    b"\x00",
                    b"\x7f",
                    b"\x80",
                    b"a",
                    b"0",
                    b"%",
                    b"#",
                    b"?",
                    b"\\",
                    whole[at : at + length] * 2,
                )
            )
        )
        whole = whole[:at] + piece + whole[at + length :]
    return whole


LINE_DEVIATIONS = ("line", "line", "touched", "touched", "twice", "framing", "missing")
REQUEST_DEVIATIONS = (*LINE_DEVIATIONS, "method", "target", "version", "host")
RESPONSE_DEVIATIONS = (*LINE_DEVIATIONS, "status line", "status line")


def _deviation(odd: tuple[str, ...]) -> st.SearchStrategy[str]:
    """What is the matter with a head: nothing in half of all, some bytes in a fifth, one thing in three tenths."""
    none, bytes_changed, one_thing = [st.just("")], [st.just("bytes")], [st.sampled_from(odd)]
    return st.sampled_from(5 * none + 2 * bytes_changed + 3 * one_thing).flatmap(lambda kind: kind)


BODY = st.sampled_from((b"", b"", b"hello", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"))


@st.composite
def request_data(draw: st.DrawFn) -> bytes:
    """The bytes of one request head and a little more."""
    deviation = draw(_deviation(REQUEST_DEVIATIONS))
    method = draw(st.sampled_from(METHODS if deviation != "method" else ODD_METHODS))
    target = draw(st.sampled_from(TARGETS if deviation != "target" else ODD_TARGETS))
    version = draw(st.sampled_from(VERSIONS if deviation != "version" else ODD_VERSIONS))
    host = draw(st.sampled_from(HOSTS if deviation != "host" else ODD_HOSTS))
    colon = draw(st.sampled_from((b"Host: ", b"host:", b"HOST: ")))
    lines = draw(_field_lines(colon + host, (FORWARDED, FORWARDED, IDS), deviation))
    data = b"\r\n".join([b"%b %b %b" % (method, target, version), *lines]) + b"\r\n\r\n" + draw(BODY)
    return draw(_mutated(data)) if deviation == "bytes" else data


STATUS_LINES = (
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 404 Not Found",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 500 ",
    b"HTTP/1.1 599 \xff\tx",
    b"HTTP/1.1 301 Moved",
)
ODD_STATUS_LINES = (
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 200",
    b"HTTP/1.1 100 Continue",
    b"HTTP/1.1 101 Switching",
    b"HTTP/1.1 103 Hints",
    b"HTTP/1.1 600 X",
    b"HTTP/1.1 20 X",
    b"HTTP/2 200 OK",
    b"HTTP/1.1  200 OK",
    b"HTTP/1.1 200 a\x00b",
    b"ICY 200 OK",
)


@st.composite
def response_data(draw: st.DrawFn) -> bytes:
    """The bytes of one response head and a little more."""
    deviation = draw(_deviation(RESPONSE_DEVIATIONS))
    start = draw(st.sampled_from(STATUS_LINES if deviation != "status line" else ODD_STATUS_LINES))
    lines = draw(_field_lines(b"Server: x", (KEEP_ALIVES,), deviation))
    data = b"\r\n".join([start, *lines]) + b"\r\n\r\n" + draw(BODY)
    return draw(_mutated(data)) if deviation == "bytes" else data
