"""Who wrote a signed row: its owner alone, so that nobody else can say its goodbye, tell of its edges or give its vote.

A start's session is a hash of its public key, and an incarnation carries the first four bytes of it: a key proves
itself, with nothing to agree on before. Whoever holds a key of the ring can still speak as a member of its own making;
what it cannot do is to speak as one that others know.
"""

import struct
from dataclasses import replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from lbmesh.gossip.codec import decode_member
from lbmesh.gossip.identity import Identity, Incarnation, incarnation_of, session_of
from lbmesh.gossip.limits import SIGNATURE_BYTES
from lbmesh.gossip.messages import Rows, WireRow
from lbmesh.gossip.records import MEMBER_KEY, OwnerRecords, is_signed

_STAMP = struct.Struct(">IIIB")


class Signer:
    """Signs for one start of this node."""

    def __init__(self, identity: Identity) -> None:
        self._name = identity.name
        self._key = Ed25519PrivateKey.from_private_bytes(identity.secret)

    def sign(self, incarnation: Incarnation, key: str, sequence: int, body: bytes) -> bytes:
        """64 bytes (RFC 8032)."""
        return self._key.sign(_statement(self._name, incarnation, key, sequence, body))


def authentic(batch: Rows, owner: OwnerRecords | None) -> tuple[Rows, int, Ed25519PublicKey | None]:
    """The batch without rows that their owner did not sign; how many of these are forged; and the key that the others
    are signed with. Where that is not known yet, nobody can tell, and they will be asked for again. A batch that lost
    some claims nothing about its range. `owner`: what is known of it, if anything.
    """
    if not any(is_signed(row.key) for row in batch.rows):
        return batch, 0, None
    known = owner if owner and owner.incarnation == batch.incarnation else None
    key = known.public_key if known else None
    key = key or next((found for row in batch.rows if (found := _introduced(batch, row))), None)
    verdicts = [_is_genuine(batch, row, known, key) for row in batch.rows]
    kept = tuple(row for row, genuine in zip(batch.rows, verdicts, strict=True) if genuine)
    if not any(is_signed(row.key) for row in kept):
        key = None
    if len(kept) < len(batch.rows):
        batch = replace(batch, base=0, upto=0, horizon=0, rows=kept)
    return batch, verdicts.count(False), key


def _introduced(batch: Rows, row: WireRow) -> Ed25519PublicKey | None:
    """The key that a member's own row names, if it is the one that its incarnation stands for."""
    if row.key != MEMBER_KEY or row.value is None:
        return None
    facts = decode_member(row.value[:-SIGNATURE_BYTES])
    if facts is None or incarnation_of(0, session_of(facts.public_key)).tag != batch.incarnation.tag:
        return None
    return Ed25519PublicKey.from_public_bytes(facts.public_key)


def _is_genuine(batch: Rows, row: WireRow, known: OwnerRecords | None, key: Ed25519PublicKey | None) -> bool | None:
    """True too for what is no news; None when nobody can tell."""
    stored = known.rows.get(row.key) if known else None
    if not is_signed(row.key) or (stored is not None and stored.sequence >= row.sequence):
        return True
    if row.value is None or len(row.value) < SIGNATURE_BYTES:
        return False
    if key is None:
        return False if row.key == MEMBER_KEY else None
    body, signature = row.value[:-SIGNATURE_BYTES], row.value[-SIGNATURE_BYTES:]
    try:
        key.verify(signature, _statement(batch.owner, batch.incarnation, row.key, row.sequence, body))
    except InvalidSignature:
        return False
    return True


def _statement(name: str, incarnation: Incarnation, key: str, sequence: int, body: bytes) -> bytes:
    owner = name.encode()
    stamp = _STAMP.pack(incarnation.epoch, incarnation.tag, sequence, len(owner))
    return b"lbmesh row 1\0" + stamp + owner + key.encode() + b"\0" + body
