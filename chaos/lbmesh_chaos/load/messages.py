"""Reads HTTP/1.1 messages as they come in, for the load's two ends. Pure: bytes in, whole messages out.

What it cannot read it reports as malformed and never guesses: a load client that resynchronises would hide mixed-up
bytes. The framing is RFC 9112 §6.3's.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

HEAD_BYTES_MAX = 65_536
BODY_BYTES_MAX = 1 << 22

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[^\r\n]*\bclose\b", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,7})[ \t]*(?:;[^\r\n]*)?\r\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: |\r\n)")
_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")


class MalformedError(Exception):
    """What came is no HTTP/1.1."""


class _State(Enum):
    HEAD = auto()
    COUNTED = auto()
    SIZE = auto()
    CHUNK = auto()
    TRAILER = auto()
    TO_END = auto()


@dataclass(slots=True)
class Message:
    """`head`: with its blank line. `status`: of a response, else 0. `method`, `target`: of a request, else b"".
    `closes`: the connection ends with it.
    """

    head: bytes
    status: int = 0
    method: bytes = b""
    target: bytes = b""
    closes: bool = False
    body: bytes = b""

    def field(self, name: str) -> str:
        """The value of a field; "" when it is not there."""
        found = re.search(rb"\r\n%b:[ \t]*([^\r\n]*?)[ \t]*\r\n" % re.escape(name.encode()), self.head, re.IGNORECASE)
        return found[1].decode("latin-1") if found else ""


class MessageReader:
    """Of one connection. `responses`: what comes are answers, to requests that were not HEAD."""

    __slots__ = ("_data", "_left", "_message", "_pieces", "_responses", "_state")

    def __init__(self, *, responses: bool) -> None:
        self._responses = responses
        self._data = b""
        self._pieces: list[bytes] = []
        self._left = 0
        self._message: Message | None = None
        self._state = _State.HEAD

    @property
    def idle(self) -> bool:
        """Nothing of a message has come."""
        return self._state is _State.HEAD and not self._data

    @property
    def begun(self) -> Message | None:
        """The message whose head is here and whose body is not; its `body` is empty."""
        return self._message

    def feed(self, data: bytes) -> Message | None:
        """A whole message, once it is here; what came behind it waits for the next call. Raises MalformedError."""
        self._data = self._data + data if self._data else data
        while True:
            match self._state:
                case _State.HEAD:
                    going = self._read_head()
                case _State.COUNTED | _State.CHUNK:
                    going = self._read_counted()
                case _State.SIZE:
                    going = self._read_size()
                case _State.TRAILER:
                    going = self._read_trailer()
                case _State.TO_END:
                    self._pieces.append(self._data)
                    self._data, going = b"", False
            if self._state is _State.HEAD and self._message is not None:
                return self._finish()
            if not going:
                return None

    def end(self) -> Message | None:
        """The sender ended the connection: the message that this completes, if any does."""
        return self._finish() if self._state is _State.TO_END else None

    def _finish(self) -> Message:
        message = self._message
        assert message is not None
        message.body = b"".join(self._pieces)
        if len(message.body) > BODY_BYTES_MAX:
            raise MalformedError("a body too large for this load")
        self._message, self._state = None, _State.HEAD
        self._pieces.clear()
        return message

    def _read_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > HEAD_BYTES_MAX:
                raise MalformedError("a head without an end")
            return False
        head, self._data = self._data[: end + 4], self._data[end + 4 :]
        message = _parse_response(head) if self._responses else _parse_request(head)
        if message.status // 100 == 1:
            return bool(self._data)
        self._message = message
        length = _LENGTH.search(head)
        if _CHUNKED.search(head):
            self._state = _State.SIZE
        elif message.status in (204, 304):
            self._state = _State.HEAD
        elif length:
            self._left = int(length[1])
            self._state = _State.COUNTED if self._left else _State.HEAD
        elif self._responses:
            self._state, message.closes = _State.TO_END, True
        return True

    def _read_counted(self) -> bool:
        taken = self._data[: self._left]
        if not taken:
            return False
        self._pieces.append(taken)
        self._left -= len(taken)
        self._data = self._data[len(taken) :]
        if not self._left:
            self._state = _State.HEAD if self._state is _State.COUNTED else _State.SIZE
        return True

    def _read_size(self) -> bool:
        data = self._data
        if self._pieces:  # the line end of the chunk before
            if len(data) < 2:
                return False
            if data[:2] != b"\r\n":
                raise MalformedError("a chunk without its end")
        start = 2 if self._pieces else 0
        found = _CHUNK_SIZE.match(data, start)
        if found is None:
            if b"\n" in data[start:] or len(data) > 1024:
                raise MalformedError("a chunk size that is none")
            return False
        self._data, self._left = data[found.end() :], int(found[1], 16)
        self._state = _State.CHUNK if self._left else _State.TRAILER
        return True

    def _read_trailer(self) -> bool:
        if self._data.startswith(b"\r\n"):
            self._data, self._state = self._data[2:], _State.HEAD
            return True
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > HEAD_BYTES_MAX:
                raise MalformedError("a trailer without an end")
            return False
        self._data, self._state = self._data[end + 4 :], _State.HEAD
        return True


def _parse_response(head: bytes) -> Message:
    found = _STATUS_LINE.match(head)
    if found is None:
        raise MalformedError("no status line")
    return Message(head, status=int(found[2]), closes=found[1] == b"0" or _CLOSE.search(head) is not None)


def _parse_request(head: bytes) -> Message:
    found = _REQUEST_LINE.match(head)
    if found is None:
        raise MalformedError("no request line")
    return Message(head, method=found[1], target=found[2], closes=_CLOSE.search(head) is not None)
