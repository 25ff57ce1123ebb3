"""The Date line of what goes out (RFC 9110 §6.6.1): made once a second, not once a response."""

from collections.abc import Callable
from email.utils import formatdate
from typing import Protocol


class Dated(Protocol):
    """Something that remembers a head with our Date in it."""

    def forget_date(self) -> None:
        """The second is over."""


class HttpClock:
    """`line`: "Date: …" with its CRLF, at most a second or so old."""

    __slots__ = ("_dated", "_wall_clock", "line")

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        """`wall_clock`: seconds since 1970."""
        self._wall_clock = wall_clock
        self._dated: list[Dated] = []
        self.line = b""
        self.tick()

    def tick(self) -> None:
        """Once a second."""
        self.line = b"Date: %b\r\n" % formatdate(self._wall_clock(), usegmt=True).encode()
        dated, self._dated = self._dated, []
        for one in dated:
            one.forget_date()

    def forget_later(self, dated: Dated) -> None:
        """Have it forget when the next second begins; once for each time it remembers."""
        self._dated.append(dated)
