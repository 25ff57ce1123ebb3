"""Messages to bytes and back: a kind byte, a length, a body. docs/WIRE.md is the reference."""

import struct
from dataclasses import dataclass
from typing import assert_never

from lbmesh.gossip.identity import KEY_BYTES, Incarnation
from lbmesh.gossip.limits import (
    DIGEST_ENTRIES_MAX,
    HOST_BYTES_MAX,
    KEY_BYTES_MAX,
    KEYS_MAX,
    NAME_BYTES_MAX,
    PUBLIC_KEY_BYTES,
    VALUE_BYTES_MAX,
    ZONE_BYTES_MAX,
)
from lbmesh.gossip.messages import (
    Conflict,
    Digest,
    DigestEntry,
    GivenKey,
    KeyGift,
    Message,
    More,
    Ping,
    Pong,
    Rows,
    WireRow,
)
from lbmesh.gossip.ring import Stamp
from lbmesh.model.address import Address, means_the_same_everywhere

_FRAME = struct.Struct(">BH")
_NONCE = struct.Struct(">Q")
_LONE_NONCE = struct.Struct(">BHQ")
"""A ping or a pong with its frame: alone in nine of ten datagrams of a mesh at rest, so it has a path of its own."""

_ROWS = struct.Struct(">IIIIIB")
_ROW = struct.Struct(">IH")
_DIGEST = struct.Struct(">BQQB")
_ENTRY = struct.Struct(">QIIII")
_MEMBER = struct.Struct(">BH")
_EDGE = struct.Struct(">QB")
_PORT = struct.Struct(">H")
_GIVEN_KEY = struct.Struct(f">IQ{KEY_BYTES}s")
_KIND_PING, _KIND_PONG, _KIND_ROWS, _KIND_DIGEST, _KIND_CONFLICT, _KIND_KEYS, _KIND_MORE = 1, 2, 3, 4, 5, 6, 7
_TOMBSTONE = 0xFFFF
ROWS_FRAME_BYTES = _FRAME.size + _ROWS.size + 1
"""What a Rows message costs beyond its owner's name and its rows."""


def row_bytes(row: WireRow) -> int:
    """The size of a row on the wire."""
    return 1 + len(row.key.encode()) + _ROW.size + len(row.value or b"")


def encode(message: Message) -> bytes:
    """One framed message."""
    match message:
        case Ping(nonce):
            return _LONE_NONCE.pack(_KIND_PING, _NONCE.size, nonce)
        case Pong(nonce):
            return _LONE_NONCE.pack(_KIND_PONG, _NONCE.size, nonce)
        case Rows(owner, incarnation, base, upto, horizon, rows):
            numbers = _ROWS.pack(incarnation.epoch, incarnation.tag, base, upto, horizon, len(rows))
            return _frame(_KIND_ROWS, _text(owner) + numbers + b"".join(map(_encode_row, rows)))
        case Digest(answered, first, last, entries):
            head = _DIGEST.pack(answered, first, last, len(entries))
            return _frame(_KIND_DIGEST, head + b"".join(map(_encode_entry, entries)))
        case Conflict(address):
            return _frame(_KIND_CONFLICT, _PORT.pack(address.port) + _text(address.host))
        case KeyGift(keys):
            given = (_GIVEN_KEY.pack(one.stamp.counter, one.stamp.author, one.key) for one in keys)
            return _frame(_KIND_KEYS, bytes((len(keys),)) + b"".join(given))
        case More(more):
            return _frame(_KIND_MORE, bytes((more,)))
        case _:
            assert_never(message)


def decode(payload: bytes) -> tuple[Message, ...] | None:
    """All messages of a payload; None when any of it is malformed. Kinds of a later version are skipped."""
    if len(payload) == _LONE_NONCE.size:
        kind, length, nonce = _LONE_NONCE.unpack(payload)
        if length == _NONCE.size and kind in (_KIND_PING, _KIND_PONG):
            return (Ping(nonce) if kind == _KIND_PING else Pong(nonce),)
    messages: list[Message] = []
    reader = _Reader(payload)
    try:
        while not reader.at_end:
            kind, length = reader.unpack(_FRAME)
            body = _Reader(reader.take(length))
            message = _decode_body(kind, body)
            if message is not None:
                if not body.at_end:
                    return None
                messages.append(message)
    except ValueError:
        return None
    return tuple(messages)


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """What a member says of itself. `public_key`: 32 bytes, what its own rows are signed with. `left`: goodbye."""

    zone: str
    address: Address
    public_key: bytes
    left: bool = False


def encode_member(facts: MemberFacts) -> bytes:
    """The body of a member's own row."""
    address = facts.address
    return facts.public_key + _MEMBER.pack(facts.left, address.port) + _text(facts.zone) + _text(address.host)


def decode_member(body: bytes) -> MemberFacts | None:
    """The facts, or None when malformed."""
    reader = _Reader(body)
    try:
        public_key = reader.take(PUBLIC_KEY_BYTES)
        left, port = reader.unpack(_MEMBER)
        zone, host = reader.text(ZONE_BYTES_MAX), reader.text(HOST_BYTES_MAX)
    except ValueError:
        return None
    if not reader.at_end or not zone or not port or left > 1 or not means_the_same_everywhere(host):
        return None
    return MemberFacts(zone, Address(host, port), public_key, bool(left))


def encode_edges(*, isolated: bool, broken: dict[int, bool]) -> bytes:
    """The value of an observer's edges: {member id: broken}. An edge not listed was not yet tested."""
    return bytes((isolated,)) + b"".join(_EDGE.pack(target, flag) for target, flag in sorted(broken.items()))


def decode_edges(value: bytes) -> tuple[bool, dict[int, bool]] | None:
    """(isolated, {member id: broken}), or None when malformed."""
    if not value or (len(value) - 1) % _EDGE.size or value[0] > 1:
        return None
    return bool(value[0]), {target: bool(flag) for target, flag in _EDGE.iter_unpack(value[1:])}


class _Reader:
    """A cursor over hostile bytes. Everything it raises is a ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise ValueError("truncated")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        return layout.unpack(self.take(layout.size))

    def text(self, bytes_max: int) -> str:
        (length,) = self.take(1)
        if length > bytes_max:
            raise ValueError("text too long")
        text = self.take(length).decode()
        if not text.isprintable():
            raise ValueError("text that would write to a terminal what nobody should")
        return text


def _decode_body(kind: int, body: _Reader) -> Message | None:
    match kind:
        case 1:
            return Ping(*body.unpack(_NONCE))
        case 2:
            return Pong(*body.unpack(_NONCE))
        case 3:
            return _decode_rows(body)
        case 4:
            return _decode_digest(body)
        case 5:
            return _decode_conflict(body)
        case 6:
            return _decode_keys(body)
        case 7:
            return _decode_more(body)
        case _:
            return None


def _decode_rows(body: _Reader) -> Rows:
    owner = body.text(NAME_BYTES_MAX)
    epoch, tag, base, upto, horizon, count = body.unpack(_ROWS)
    rows = tuple(_decode_row(body) for _ in range(count))
    sequences = [row.sequence for row in rows]
    if not owner or base > upto or sequences != sorted(set(sequences)):
        raise ValueError("rows out of order")
    if horizon > upto or (horizon and base == upto):
        raise ValueError("a horizon beyond what is told")
    if base < upto and sequences and not base < sequences[0] <= sequences[-1] <= upto:
        raise ValueError("rows outside their range")
    return Rows(owner, Incarnation(epoch, tag), base, upto, horizon, rows)


def _decode_row(body: _Reader) -> WireRow:
    key = body.text(KEY_BYTES_MAX)
    sequence, length = body.unpack(_ROW)
    if not key or not sequence:
        raise ValueError("a row without key or sequence")
    if length == _TOMBSTONE:
        return WireRow(key, sequence, None)
    if length > VALUE_BYTES_MAX:
        raise ValueError("value too long")
    return WireRow(key, sequence, body.take(length))


def _decode_digest(body: _Reader) -> Digest:
    answered, first, last, count = body.unpack(_DIGEST)
    if count > DIGEST_ENTRIES_MAX or answered > 1:
        raise ValueError("digest too long")
    entries = []
    for _ in range(count):
        owner_id, epoch, tag, floor, beat = body.unpack(_ENTRY)
        entries.append(DigestEntry(owner_id, Incarnation(epoch, tag), floor, beat))
    return Digest(bool(answered), first, last, tuple(entries))


def _decode_conflict(body: _Reader) -> Conflict:
    (port,) = body.unpack(_PORT)
    host = body.text(HOST_BYTES_MAX)
    if not port or not means_the_same_everywhere(host):
        raise ValueError("no address")
    return Conflict(Address(host, port))


def _decode_keys(body: _Reader) -> KeyGift:
    (count,) = body.take(1)
    if count > KEYS_MAX:
        raise ValueError("more keys than a ring holds")
    given = []
    for _ in range(count):
        counter, author, key = _GIVEN_KEY.unpack(body.take(_GIVEN_KEY.size))
        given.append(GivenKey(Stamp(counter, author), key))
    return KeyGift(tuple(given))


def _decode_more(body: _Reader) -> More:
    (more,) = body.take(1)
    if more > 1:
        raise ValueError("neither more nor all")
    return More(bool(more))


def _frame(kind: int, body: bytes) -> bytes:
    return _FRAME.pack(kind, len(body)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded


def _encode_row(row: WireRow) -> bytes:
    if row.value is None:
        return _text(row.key) + _ROW.pack(row.sequence, _TOMBSTONE)
    return _text(row.key) + _ROW.pack(row.sequence, len(row.value)) + row.value


def _encode_entry(entry: DigestEntry) -> bytes:
    incarnation = entry.incarnation
    return _ENTRY.pack(entry.owner_id, incarnation.epoch, incarnation.tag, entry.floor, entry.beat)
