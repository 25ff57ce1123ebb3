"""Chunked bodies for property tests: well-formed ones with what they hold, and others."""

from typing import NamedTuple

from hypothesis import strategies as st

EXTENSIONS = (b"", b"", b"", b";a", b" ;a=b", b'; a="b\xff"', b"\t;")
TRAILERS = (b"X-Sum: 1\r\n", b"x:\r\n", b"Y:\tz \r\n")
ODD_LINES = (
    b"\r\n",
    b"\n",
    b"5\n",
    b"-5\r\n",
    b"+5\r\n",
    b"0x5\r\n",
    b"5 \r\n",
    b" 5\r\n",
    b"5\r",
    b"5;\n",
    b"5;\x00\r\n",
    b"5 5\r\n",
    b"g\r\n",
    b"1" * 16 + b"\r\n",
    b"5;" + b"a" * 300 + b"\r\n",
    b"a" * 300,
    b"0\n\r\n",
    b"0\r\nX : y\r\n",
    b"0\r\n X\r\n",
    b"0\r\nX\r\n",
    b"0\r\nX: \x00\r\n",
    b"0\r\nX: y\n\r\n",
    b"0\r\nX: " + b"y" * 9000 + b"\r\n",
    b"0\r\n\r",
    b"0\r\n\n",
)


class WholeBody(NamedTuple):
    """A well-formed chunked body. `plain`: the same without its extensions. `payload`: the data in it."""

    body: bytes
    plain: bytes
    payload: bytes


@st.composite
def whole_bodies(draw: st.DrawFn) -> WholeBody:
    """Any number of chunks, extensions and trailers."""
    body = plain = payload = b""
    for chunk in (*draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4)), b""):
        size = draw(st.sampled_from((b"%x", b"%X", b"00%x"))) % len(chunk)
        data = chunk + b"\r\n" if chunk else b""
        body += size + draw(st.sampled_from(EXTENSIONS)) + b"\r\n" + data
        plain += size + b"\r\n" + data
        payload += chunk
    end = b"".join(draw(st.lists(st.sampled_from(TRAILERS), max_size=2))) + b"\r\n"
    return WholeBody(body + end, plain + end, payload)


@st.composite
def any_bodies(draw: st.DrawFn) -> bytes:
    """A well-formed body, one with an odd line somewhere, or one cut off or continued."""
    body = draw(whole_bodies()).body
    at = draw(st.integers(0, len(body)))
    odd = draw(st.sampled_from((b"", *ODD_LINES)))
    return draw(st.sampled_from((body, body[:at], body[:at] + odd + body[at:], odd + body, body + odd)))
