"""Heads that are almost right and as long as heads may be: what a pattern that tries again and again would choke on."""

from collections.abc import Iterator

REQUEST_START = b"GET / HTTP/1.1\r\nHost: a\r\n"
RESPONSE_START = b"HTTP/1.1 200 OK\r\nServer: a\r\n"


def _filled(before: bytes, unit: bytes, after: bytes, size: int) -> bytes:
    """`unit` as often as makes about `size` bytes."""
    return before + unit * max(1, (size - len(before) - len(after)) // len(unit)) + after


def hostile_lines(start: bytes, size: int) -> Iterator[tuple[str, bytes]]:
    """Heads of about `size` bytes that begin with `start` and are wrong only at the end, by name."""
    end = b"\r\n\r\n"
    for name, unit in (
        ("short lines", b"a: b\r\n"),
        ("lines that are nearly touched ones", b"Connectiom: close\r\nContent-Lengti: 5\r\nx-request-ie: 5\r\n"),
        ("touched lines", b"Connection: keep-alive\r\n"),
        ("forwarding fields", b"X-Forwarded-For: 1\r\n"),
        ("empty values", b"X:\r\n"),
    ):
        yield name, _filled(start, unit, b"X: \x00" + end, size)
        yield f"{name}, 120 of them", start + unit * 120 + b"X: \x00" + end
    for name, unit in (("blanks", b" "), ("tabs", b"\t"), ("words", b"a "), ("obs-text", b"\xff"), ("colons", b":")):
        yield f"a value of {name}", _filled(start + b"X:", unit, b"\x00" + end, size)
        yield f"a value of {name} behind a word", _filled(start + b"X: a", unit, b"b\x00" + end, size)
        yield f"a valid value of {name}", _filled(start + b"X: a", unit, b"b" + end, size)
        yield f"a valid value of nothing but {name}", _filled(start + b"X:", unit, end, size)
    yield "a long name", _filled(start, b"a", b" : b" + end, size)
    yield "a list of Connection options", _filled(start + b"Connection: ", b"a,", b"a b" + end, size)
    yield "a list of codings", _filled(start + b"Transfer-Encoding: ", b"chunked,", b"x" + end, size)
    yield "a long length", _filled(start + b"Content-Length: ", b"1", end, size)
    yield "no end", _filled(start, b"a: b\r\n", b"", size)


def hostile_requests(size: int) -> Iterator[tuple[str, bytes]]:
    """Request heads of about `size` bytes, by name."""
    yield from hostile_lines(REQUEST_START, size)
    end = b" HTTP/1.1\r\nHost: a\r\n\r\n"
    for name, unit in (("escapes", b"%41"), ("slashes", b"/"), ("question marks", b"?"), ("dots", b"/..")):
        yield f"a target of {name}", _filled(b"GET /", unit, b"\x7f" + end, size)
    yield "an absolute target", _filled(b"GET http://", b"a.", b"@a/" + end, size)
    yield "an absolute target with a port", _filled(b"GET http://a:", b"1", b"/" + end, size)
    host = b"GET / HTTP/1.1\r\nHost: "
    for name, unit in (("dots", b"."), ("labels", b"a."), ("colons", b":"), ("brackets", b"["), ("groups", b"1:")):
        yield f"a host of {name}", _filled(host, unit, b"\x00\r\n\r\n", size)
        yield f"a literal of {name}", _filled(host + b"[", unit, b"]\r\n\r\n", size)


def hostile_responses(size: int) -> Iterator[tuple[str, bytes]]:
    """Response heads of about `size` bytes, by name."""
    yield from hostile_lines(RESPONSE_START, size)
    yield "a long reason phrase", _filled(b"HTTP/1.1 200 ", b"a ", b"\x00\r\n\r\n", size)
