"""Sealing and opening datagrams: AES-GCM under a key that belongs to one start of one sender.

The key is HKDF(ring key, sender, 128 random bits of this start), so a cloned image or a reused counter can
never repeat a nonce under the same key. docs/WIRE.md has the layout.
"""

import struct
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lbmesh.gossip.identity import KEY_BYTES, HeldKeys, Identity, Incarnation, incarnation_of
from lbmesh.gossip.limits import DATAGRAM_BYTES_MAX, NAME_BYTES_MAX
from lbmesh.gossip.sessions import Session, Sessions

WIRE_VERSION = 1
_HEADER = struct.Struct(">B4s16sIQB")
_TAG_BYTES = 16


class Rejection(StrEnum):
    """Why a datagram changed nothing."""

    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    VERSION = "version"
    UNKNOWN_KEY = "unknown_key"
    FORGED = "forged"
    REPLAYED = "replayed"
    MALFORMED = "malformed"
    SELF = "self"
    UNPROVEN = "unproven"
    STALE_IDENTITY = "stale_identity"
    EPOCH_JUMP = "epoch_jump"
    FULL = "full"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Opened:
    """An authentic datagram, not seen before: who sent it, under which key, and its payload in clear."""

    sender: str
    session: Session
    incarnation: Incarnation
    key_id: bytes
    payload: bytes


def sealed_room(name: str) -> int:
    """Bytes of payload that fit a datagram from this sender."""
    return DATAGRAM_BYTES_MAX - _HEADER.size - len(name.encode()) - _TAG_BYTES


class Sealer:
    """Seals what this node sends. The counter is the nonce: it is never reset within a session."""

    def __init__(self, identity: Identity, keys: HeldKeys) -> None:
        self._keys = keys
        self._name = identity.name.encode()
        self._session = identity.session
        self._ciphers: dict[bytes, AESGCM] = {}
        self._counter = 0

    def seal(self, epoch: int, payload: bytes, key_id: bytes | None = None) -> bytes:
        """The datagram, under the key with this id, or the primary one. `payload` is at most `sealed_room()` bytes."""
        self._counter += 1
        key_id = key_id or self._keys.primary
        header = _HEADER.pack(WIRE_VERSION, key_id, self._session, epoch, self._counter, len(self._name))
        clear = header + self._name
        return clear + self._cipher(key_id).encrypt(_nonce(self._counter), payload, clear)

    def _cipher(self, key_id: bytes) -> AESGCM:
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            key = self._keys.find(key_id)
            assert key is not None
            self._ciphers = {known: cipher for known, cipher in self._ciphers.items() if self._keys.find(known)}
            cipher = self._ciphers[key_id] = _cipher(key, self._name, self._session)
        return cipher


class Opener:
    """Opens what arrives. Nothing is remembered of a datagram until it has proved authentic."""

    def __init__(self, keys: HeldKeys, sessions: Sessions) -> None:
        self._keys = keys
        self._sessions = sessions

    def open(self, datagram: bytes) -> Opened | Rejection:
        """The datagram's content, or why it is refused. Never raises."""
        if len(datagram) > DATAGRAM_BYTES_MAX:
            return Rejection.TOO_LARGE
        if not datagram:
            return Rejection.TRUNCATED
        if datagram[0] != WIRE_VERSION:
            return Rejection.VERSION
        if len(datagram) < _HEADER.size + 1 + _TAG_BYTES:
            return Rejection.TRUNCATED
        _, key_id, session_id, epoch, counter, name_length = _HEADER.unpack_from(datagram)
        clear_bytes = _HEADER.size + name_length
        if not 1 <= name_length <= NAME_BYTES_MAX or len(datagram) < clear_bytes + _TAG_BYTES:
            return Rejection.TRUNCATED
        name = datagram[_HEADER.size : clear_bytes]
        session = self._sessions.find((name, session_id)) or Session((name, session_id))
        if session.window.seen(counter):
            return Rejection.REPLAYED
        payload = self._decrypt(session, key_id, counter, datagram, clear_bytes)
        if isinstance(payload, Rejection):
            return payload
        session.window.mark(counter)
        self._sessions.remember(session)
        try:
            sender = name.decode()
        except UnicodeDecodeError:
            return Rejection.MALFORMED
        if not sender.isprintable():
            return Rejection.MALFORMED
        return Opened(sender, session, incarnation_of(epoch, session_id), key_id, payload)

    def _decrypt(self, session: Session, key_id: bytes, counter: int, datagram: bytes, clear: int) -> bytes | Rejection:
        key = self._keys.find(key_id)
        if key is None:
            session.ciphers.pop(key_id, None)
            return Rejection.UNKNOWN_KEY
        cipher = session.ciphers.get(key_id) or _cipher(key, *session.key)
        try:
            payload = cipher.decrypt(_nonce(counter), datagram[clear:], datagram[:clear])
        except InvalidTag:
            return Rejection.FORGED
        if key_id not in session.ciphers:
            session.ciphers = {known: one for known, one in session.ciphers.items() if self._keys.find(known)}
            session.ciphers[key_id] = cipher
        return payload

    def __len__(self) -> int:
        return len(self._sessions)


def _cipher(key: bytes, name: bytes, session: bytes) -> AESGCM:
    derivation = HKDF(SHA256(), KEY_BYTES, salt=session, info=b"lbmesh gossip 1\0" + name)
    return AESGCM(derivation.derive(key))


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12, "big")
