"""Chunk framing (RFC 9112 §7.1), validated as it passes: the bytes go on as they came, or not at all.

Chunk extensions alone are taken out: they are meant for one connection (§7.1.1), and servers differ in how they read
odd ones. The last chunk goes on together with the trailers, once all are there and in order: cheroot takes a message
that is cut off between them for whole, and would act on one that is refused here.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from lbmesh.http1.fields import may_be_trailer
from lbmesh.http1.grammar import TOKEN_CLASS, VALUE_CLASS
from lbmesh.model.limits import CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;" + VALUE_CLASS + rb"*)?\r\n")
_TRAILER_LINE = re.compile(rb"(" + TOKEN_CLASS + rb"+):" + VALUE_CLASS + rb"*\r\n")


class _Phase(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Scan:
    """What one piece of input holds: `consumed` bytes of it belong to the body and are well formed.

    `payload`: the data within them, as slices (start, end) of the piece. `extensions`: what is not to go on, as slices
    too. `fault`: why the rest is malformed, "" when it is not. A piece may be consumed only in part: the rest is an
    unfinished line, to be fed again with more.
    """

    consumed: int
    done: bool
    payload: tuple[tuple[int, int], ...]
    extensions: tuple[tuple[int, int], ...] = ()
    fault: str = ""


class ChunkScanner:
    """Follows the framing of one chunked body over any split of its bytes."""

    __slots__ = ("_phase", "_remaining", "_trailers_checked")

    def __init__(self) -> None:
        self._phase = _Phase.SIZE
        self._remaining = 0
        self._trailers_checked = 0

    def scan(self, data: bytes) -> Scan:
        """Follow the framing through `data`. After `done` or a `fault` the scanner is spent."""
        position = 0
        payload: list[tuple[int, int]] = []
        extensions: list[tuple[int, int]] = []
        fault = ""
        while self._phase is not _Phase.DONE and not fault:
            before = position
            match self._phase:
                case _Phase.SIZE:
                    position = _whole_chunks(data, position, payload, extensions)
                    position, fault = self._size_line(data, position, extensions)
                case _Phase.DATA:
                    end = min(len(data), position + self._remaining)
                    if end > position:
                        payload.append((position, end))
                    self._remaining -= end - position
                    position = end
                    if not self._remaining:
                        self._phase = _Phase.DATA_END
                case _Phase.DATA_END:
                    position, fault = self._data_end(data, position)
            if position == before:
                break
        return Scan(position, self._phase is _Phase.DONE, tuple(payload), tuple(extensions), fault)

    def _size_line(self, data: bytes, position: int, extensions: list[tuple[int, int]]) -> tuple[int, str]:
        match = _SIZE_LINE.match(data, position)
        if match is None:
            end = data.find(b"\n", position)
            if end >= 0 or len(data) - position > CHUNK_LINE_BYTES_MAX:
                return position, "a malformed chunk size line (RFC 9112 section 7.1)"
            return position, ""
        if match.end() - position > CHUNK_LINE_BYTES_MAX:
            return position, f"a chunk size line of more than {CHUNK_LINE_BYTES_MAX} bytes"
        size = int(match[1], 16)
        if size:
            end = match.end()
            self._phase = _Phase.DATA
            self._remaining = size
        else:
            end, fault = self._trailers_end(data, match.end())
            if end < 0:
                return position, fault
            self._phase = _Phase.DONE
        if match.end(1) + 2 != match.end():
            extensions.append((match.end(1), match.end() - 2))
        return end, ""

    def _data_end(self, data: bytes, position: int) -> tuple[int, str]:
        ending = data[position : position + 2]
        if ending == b"\r\n":
            self._phase = _Phase.SIZE
            return position + 2, ""
        return position, "" if ending in (b"", b"\r") else "chunk data longer than its size (RFC 9112 section 7.1)"

    def _trailers_end(self, data: bytes, start: int) -> tuple[int, str]:
        """Where the trailer section that begins at `start` ends, behind its empty line; -1 and why when it does not.

        Lines that were in order are not looked at again when the section comes back with more.
        """
        while True:
            position = start + self._trailers_checked
            end = data.find(b"\n", position)
            if (end + 1 if end >= 0 else len(data)) - start > TRAILER_BYTES_MAX:
                return -1, f"trailers of more than {TRAILER_BYTES_MAX} bytes"
            if end < 0:
                return -1, ""
            if data[position : end + 1] == b"\r\n":
                return end + 1, ""
            match = _TRAILER_LINE.match(data, position, end + 1)
            if match is None:
                return -1, "a malformed trailer line (RFC 9112 section 7.1.2)"
            if not may_be_trailer(match[1]):
                return -1, f"{match[1].decode()} as a trailer (RFC 9110 section 6.5.1)"
            self._trailers_checked = end + 1 - start


def _whole_chunks(data: bytes, position: int, payload: list[tuple[int, int]], extensions: list[tuple[int, int]]) -> int:
    """Where the chunks end that lie in `data` whole; their slices go to `payload` and `extensions`.

    One tight loop, because a hostile body is nothing but tiny chunks. What it leaves is judged line by line.
    """
    while match := _SIZE_LINE.match(data, position):
        start = match.end()
        end = start + int(match[1], 16)
        if end == start or start - position > CHUNK_LINE_BYTES_MAX or data[end : end + 2] != b"\r\n":
            break
        if match.end(1) + 2 != start:
            extensions.append((match.end(1), start - 2))
        payload.append((start, end))
        position = end + 2
    return position
