"""What members say of their rings, in bytes; docs/WIRE.md is the reference. Keys themselves ride in frames."""

import struct

from lbmesh.gossip.limits import KEY_NOTES_MAX
from lbmesh.gossip.ring import KeyNote, RingWord, Stamp, Standing

_HEAD = struct.Struct(">B4s4sIQB")
_NOTE = struct.Struct(">4sIQB")
_STANDINGS = frozenset(Standing)


def encode_ring(word: RingWord) -> bytes:
    """The value of a member's `_keys` row."""
    order = word.order
    head = _HEAD.pack(word.volatile, word.primary, word.wanted, order.counter, order.author, len(word.notes))
    return head + b"".join(
        _NOTE.pack(note.identifier, note.stamp.counter, note.stamp.author, note.standing) for note in word.notes
    )


def decode_ring(value: bytes) -> RingWord | None:
    """A member's word, or None when malformed. What a later release adds at its end is left unread."""
    if len(value) < _HEAD.size:
        return None
    volatile, primary, wanted, counter, author, count = _HEAD.unpack_from(value)
    if volatile > 1 or count > KEY_NOTES_MAX or len(value) < _HEAD.size + count * _NOTE.size:
        return None
    notes = []
    for index in range(count):
        identifier, stamp, by, standing = _NOTE.unpack_from(value, _HEAD.size + index * _NOTE.size)
        if standing not in _STANDINGS:
            return None
        notes.append(KeyNote(identifier, Stamp(stamp, by), Standing(standing)))
    return RingWord(primary, wanted, Stamp(counter, author), bool(volatile), tuple(notes))
