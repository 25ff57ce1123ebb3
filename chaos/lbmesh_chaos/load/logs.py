"""The two logs that the tally is made from: JSON lines, one a request, whole lines only.

A client's: its order first, then [flow, number, sent, ended, word, attempts] for each request that ended, `sent` null
when not a byte went out and `word` "ok" or why not, and behind these how often it had been carried out, if the origin's
answer said so; {"starved": [from, until]}; and {"ended": at} last, if it came so far. A replica's: {"replica": name,
"zone": name} first, then [id, at, peer, note] for each request it carried out, written *before* it answers. `note`: ""
or what was wrong with the request's own body. Times are monotonic, in seconds, which all processes of a machine share.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from lbmesh_chaos.load.order import Order

_HeaderT = TypeVar("_HeaderT")
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class LogWriter:
    """Lines gathered until `flush`. Raises OSError where the disk does not take them."""

    def __init__(self, path: Path, header: Any) -> None:
        self._descriptor = os.open(path, _FLAGS, 0o644)
        if not _ends_whole(path):
            os.write(self._descriptor, b"\n")
        self._lines: list[bytes] = []
        self._encode = msgspec.json.Encoder().encode
        self.add(header)
        self.flush()

    def add(self, row: Any) -> None:
        """One line, at the next flush."""
        self._lines.append(self._encode(row))

    def flush(self) -> None:
        """In one call to the kernel: what a process wrote outlives it, however it dies."""
        if self._lines:
            data = b"\n".join(self._lines) + b"\n"
            self._lines.clear()
            while data:
                data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """After a last flush."""
        try:
            self.flush()
        finally:
            os.close(self._descriptor)


def _ends_whole(path: Path) -> bool:
    """False when the writer before this one was killed in the middle of a line."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read() in (b"", b"\n")


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One request of a client. `flow`: its index in the order. `told`: how often the origin's own answer said that it
    had been carried out; 0: it said nothing.
    """

    flow: int
    number: int
    sent_s: float | None
    ended_s: float
    word: str
    attempts: int
    told: int = 0


@dataclass(frozen=True, slots=True)
class StarvedRow:
    """A stretch in which this client did not run."""

    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class ExecutedRow:
    """One request that a replica carried out."""

    identity: str
    at_s: float
    peer: str
    note: str


class ReplicaHeader(msgspec.Struct, frozen=True):
    """The first line of a replica's log."""

    replica: str
    zone: str


class LogError(Exception):
    """A log that is not one. The message names the file and the line."""


def read_client_log(path: Path) -> tuple[Order, Iterator[ClientRow | StarvedRow]]:
    """Raises LogError, at once or while the rows are read."""
    lines = _lines(path)
    order = _first(path, lines, Order)
    return order, _client_rows(path, lines)


def read_replica_log(path: Path) -> tuple[ReplicaHeader, Iterator[ExecutedRow]]:
    """Raises LogError, at once or while the rows are read. A replica that was started again wrote its header again."""
    lines = _lines(path)
    header = _first(path, lines, ReplicaHeader)
    return header, _replica_rows(path, lines)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines with their numbers. A last one without its end was cut off by its writer's death."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield number, line


def _first(path: Path, lines: Iterator[tuple[int, bytes]], wanted: type[_HeaderT]) -> _HeaderT:
    for _, line in lines:
        try:
            return msgspec.json.decode(line, type=wanted)
        except msgspec.MsgspecError as error:
            raise LogError(f"{path}, line 1: {error}") from error
    raise LogError(f"{path}: empty; its process never got so far as to write its first line")


def _client_rows(path: Path, lines: Iterator[tuple[int, bytes]]) -> Iterator[ClientRow | StarvedRow]:
    for at, row in _decoded(path, lines):
        match row:
            case [int(flow), int(number), (float() | None) as sent_s, float(ended_s), str(word), int(attempts)]:
                yield ClientRow(flow, number, sent_s, ended_s, word, attempts)
            case [int(flow), int(number), float(sent_s), float(ended_s), str(word), int(attempts), int(told)]:
                yield ClientRow(flow, number, sent_s, ended_s, word, attempts, told)
            case {"starved": [float(from_s), float(until_s)]}:
                yield StarvedRow(from_s, until_s)
            case {"ended": float()}:
                return
            case other:
                raise LogError(f"{path}, line {at}: {other!r} is no row of a client")


def _replica_rows(path: Path, lines: Iterator[tuple[int, bytes]]) -> Iterator[ExecutedRow]:
    for at, row in _decoded(path, lines):
        match row:
            case [str(identity), float(at_s), str(peer), str(note)]:
                yield ExecutedRow(identity, at_s, peer, note)
            case {"replica": str()}:
                continue
            case other:
                raise LogError(f"{path}, line {at}: {other!r} is no row of a replica")


def _decoded(path: Path, lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, Any]]:
    """A line that is none may stand only before a header: there a writer was killed, and started again."""
    decode = msgspec.json.Decoder().decode
    broken: int | None = None
    for at, line in lines:
        try:
            row = decode(line)
        except msgspec.DecodeError:
            row = None
        if broken is not None and not isinstance(row, dict):
            raise LogError(f"{path}, line {broken}: no JSON")
        broken = at if row is None else None
        if row is not None:
            yield at, row
    if broken is not None:
        raise LogError(f"{path}, line {broken}: no JSON")
