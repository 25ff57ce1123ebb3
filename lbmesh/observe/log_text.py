"""Pieces of access log lines, made so that a request pays little for them."""

from collections.abc import Callable
from time import gmtime, strftime


class TimeText:
    """The wall-clock time as RFC 3339 text with milliseconds, made once a batch rather than once a line."""

    __slots__ = ("_clock", "_second", "_second_text", "_stale", "_text")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = -1
        self._second_text = b""
        self._text = b""
        self._stale = True

    def expire(self) -> None:
        """A new batch begins: the next `get` reads the clock."""
        self._stale = True

    def get(self) -> bytes:
        """For example b"2026-01-31T12:00:00.250Z"."""
        if self._stale:
            self._stale = False
            now = self._clock()
            second = int(now)
            if second != self._second:
                self._second = second
                self._second_text = _second_text(second)
            self._text = b"%b%03dZ" % (self._second_text, int((now - second) * 1000))
        return self._text


def _second_text(second: int) -> bytes:
    return strftime("%Y-%m-%dT%H:%M:%S.", gmtime(second)).encode()


def json_fragment(text: bytes) -> bytes:
    """Bytes of a head as the inside of a JSON string: quotes, backslashes, controls and non-ASCII escaped."""
    if text.isascii() and text.isalnum():
        return text
    return b"".join(_JSON_BYTES[byte] for byte in text)


_JSON_BYTES = tuple(
    b"\\" + bytes([byte]) if byte in b'"\\' else bytes([byte]) if 0x20 <= byte < 0x7F else b"\\u%04x" % byte
    for byte in range(256)
)
