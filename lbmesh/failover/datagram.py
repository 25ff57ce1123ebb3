"""The heartbeat datagram: fixed in size, sealed with keyed BLAKE2b (RFC 7693). docs/WIRE.md has the layout.

`hashlib` alone, because the sentinel must stay light. What it says is no secret; that it was said now, by whom, is what
the seal proves: the key belongs to one start of the sender and one of the receiver, and the counter only rises.
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass

VERSION = 1
SESSION_BYTES = 16
KEY_ID_BYTES = 4
SILENT_MAX = 8
"""Silent partners that one heartbeat can name: a node has fewer."""

LEAVING, DRAINING, PARTNER, ASKS = 1, 2, 4, 8
"""Flags. PARTNER: the receiver is one of the sender's. ASKS: answer at once."""

_SILENT_BYTES = 4
_SEAL_BYTES = 16
_BODY = struct.Struct(f">B{KEY_ID_BYTES}s{SESSION_BYTES}sQBHHBB{SILENT_MAX * _SILENT_BYTES}s")
DATAGRAM_BYTES = _BODY.size + _SEAL_BYTES
_AGE_MAX_MS = 0xFFFF
_COUNT_MAX = 0xFF
_NOBODY = bytes(_SILENT_BYTES)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One heartbeat. `silent`: the first four bytes of the sessions that the sender has heard nothing of."""

    key_id: bytes
    session: bytes
    counter: int
    flags: int
    agent_age_ms: int
    forwarder_age_ms: int
    forwarders: int
    hung: int
    silent: tuple[bytes, ...]


def pair_key(ring_key: bytes, sender: bytes, receiver: bytes) -> bytes:
    """The 32-byte key for what `sender` sends to `receiver`, both given by their sessions."""
    return hashlib.blake2b(sender + receiver, digest_size=32, key=ring_key, person=b"lbmesh heartbeat").digest()


def short(session: bytes) -> bytes:
    """A session as heartbeats name it."""
    return session[:_SILENT_BYTES]


def milliseconds(seconds: float) -> int:
    """An age as heartbeats carry it; the largest stands for anything longer."""
    return min(_AGE_MAX_MS, max(0, round(seconds * 1000)))


def seal(heartbeat: Heartbeat, key: bytes) -> bytes:
    """The datagram."""
    body = _BODY.pack(
        VERSION,
        heartbeat.key_id,
        heartbeat.session,
        heartbeat.counter,
        heartbeat.flags,
        heartbeat.agent_age_ms,
        heartbeat.forwarder_age_ms,
        min(_COUNT_MAX, heartbeat.forwarders),
        min(_COUNT_MAX, heartbeat.hung),
        b"".join(heartbeat.silent[:SILENT_MAX]),
    )
    return body + _tag(body, key)


def claimed(datagram: bytes) -> tuple[bytes, bytes] | str:
    """(session, key id) that a datagram claims, unproven; or why it is no heartbeat."""
    if len(datagram) != DATAGRAM_BYTES:
        return "version" if datagram and datagram[0] != VERSION else "length"
    if datagram[0] != VERSION:
        return "version"
    _, key_id, session, *_ = _BODY.unpack_from(datagram)
    return session, key_id


def unseal(datagram: bytes, key: bytes) -> Heartbeat | None:
    """What it says; None when it was not sealed with this key. To be called with what `claimed` let pass."""
    body = datagram[: _BODY.size]
    if not hmac.compare_digest(_tag(body, key), datagram[_BODY.size :]):
        return None
    _, key_id, session, counter, flags, agent_ms, forwarder_ms, forwarders, hung, names = _BODY.unpack(body)
    parts = (names[start : start + _SILENT_BYTES] for start in range(0, len(names), _SILENT_BYTES))
    silent = tuple(part for part in parts if part != _NOBODY)
    return Heartbeat(key_id, session, counter, flags, agent_ms, forwarder_ms, forwarders, hung, silent)


def _tag(body: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_SEAL_BYTES, key=key).digest()
