"""Fields and cookies as they stand in a head, and never a part of another one."""

import pytest

from lbmesh.http1.message import NO_HEAD, RequestHead
from lbmesh.routing.request_fields import cookie_reader, header_reader


def head(*lines: bytes, target: bytes = b"/") -> RequestHead:
    start = b"GET %b HTTP/1.1\r\n" % target
    return NO_HEAD._replace(target=target, head=start + b"".join(line + b"\r\n" for line in lines))


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ((b"X-User: ann",), b"ann"),
        ((b"x-user:ann",), b"ann"),
        ((b"X-USER: \t ann b \t",), b"ann b"),
        ((b"X-User: ann", b"X-User: bob"), b"ann, bob"),
        ((b"X-User:",), b""),
        ((b"X-Users: ann",), None),
        ((b"AX-User: ann",), None),
        ((b"Other: X-User: ann",), None),
        ((), None),
    ],
)
def test_headers(lines: tuple[bytes, ...], value: bytes | None) -> None:
    assert header_reader("X-User")(head(b"Host: a", *lines, b"Accept: */*")) == value


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ((b"Cookie: session=1",), b"1"),
        ((b"cookie: a=b; session=1; c=d",), b"1"),
        ((b"Cookie: a=b;session=1",), b"1"),
        ((b"Cookie: a=b", b"Cookie: session=2"), b"2"),
        ((b"Cookie: session=1; session=2",), b"1"),
        ((b"Cookie: mysession=1",), None),
        ((b"Cookie: session.id=1",), None),
        ((b"Cookie: session=",), b""),
        ((b"Cookie: session",), None),
        ((b"X-Cookie: session=1",), None),
        ((b"X: 1; session=1", b"Cookie: a=b"), None),
        ((b"Cookie: sess.ion=1",), None),
    ],
)
def test_cookies(lines: tuple[bytes, ...], value: bytes | None) -> None:
    assert cookie_reader("session")(head(b"Host: a", *lines, b"Accept: */*")) == value


def test_a_cookies_name_is_no_pattern() -> None:
    assert cookie_reader("a.b")(head(b"Cookie: axb=1")) is None
    assert cookie_reader("a.b")(head(b"Cookie: a.b=1")) == b"1"


def test_the_start_line_is_no_field() -> None:
    assert cookie_reader("a")(head(target=b"/?Cookie:%20a=1")) is None


def test_a_long_cookie_field_takes_no_time() -> None:
    """Linear: 32 KiB of near misses, which a pattern that tries again from each would take minutes for."""
    assert cookie_reader("session")(head(b"Cookie: " + b"session ;" * 3500)) is None
