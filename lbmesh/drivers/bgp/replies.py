"""What BIRD says on its control socket (BIRD 2 programmer's documentation, 2.9 "Command line interface"). Pure.

Lines are `NNNN text` for the last of a reply, `NNNN-text` for others, and ` text` for one more under the code before
it; `+text` is the log, which a client may ask to see. Codes: 0 for done, 1 for rows of tables, 2 for their heads, 8 for
what cannot be done, 9 for what is not understood.
"""

from dataclasses import dataclass

from lbmesh.drivers.bgp.limits import LINE_BYTES_MAX, REPLY_BYTES_MAX

_FAULTS = 8000
_CODE_DIGITS = 4


class NotBirdError(Exception):
    """What came is nothing that BIRD 2 says, or has no end. The text says what."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a reply, under its code."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; at least one line."""

    lines: tuple[Line, ...]

    @property
    def code(self) -> int:
        """How it ended."""
        return self.lines[-1].code

    @property
    def is_fault(self) -> bool:
        """Could the command not be carried out?"""
        return self.code >= _FAULTS

    @property
    def text(self) -> str:
        """What it ended with."""
        return self.lines[-1].text.strip()

    def under(self, code: int) -> tuple[str, ...]:
        """The lines under this code."""
        return tuple(line.text for line in self.lines if line.code == code)


class ReplyReader:
    """Bytes in, replies out, however they are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[Line] = []
        self._bytes = 0

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that end with these bytes. Raises NotBirdError; nothing can be read after that."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        replies = [reply for line in whole if (reply := self._take(line)) is not None]
        if len(self._rest) > LINE_BYTES_MAX:
            raise NotBirdError(f"a line of more than {LINE_BYTES_MAX} bytes")
        return replies

    def _take(self, line: bytes) -> Reply | None:
        if line.startswith(b"+"):
            return None
        self._bytes += len(line)
        if self._bytes > REPLY_BYTES_MAX:
            raise NotBirdError(f"an answer of more than {REPLY_BYTES_MAX} bytes")
        if line.startswith(b" ") and self._lines:
            self._lines.append(Line(self._lines[-1].code, _text(line[1:])))
            return None
        digits, mark = line[:_CODE_DIGITS], line[_CODE_DIGITS : _CODE_DIGITS + 1]
        if len(digits) < _CODE_DIGITS or not digits.isdigit() or mark not in (b" ", b"-"):
            raise NotBirdError(f'"{_text(line[:60])}"')
        self._lines.append(Line(int(digits), _text(line[_CODE_DIGITS + 1 :])))
        if mark == b"-":
            return None
        reply, self._lines, self._bytes = Reply(tuple(self._lines)), [], 0
        return reply


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")
