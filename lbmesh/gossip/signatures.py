"""Who wrote the gossip's own rows: each is signed by its owner, so that nobody else can say its goodbye or its edges.

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
from lbmesh.gossip.records import MEMBER_KEY, OwnerRecords, is_internal

_STAMP = struct.Struct(">IIIB")


class Signer:
    """Signs for one start of this node."""

    def __init__(self, identity: Identity) -> None:
        self._name = identity.name
        self._key = Ed25519PrivateKey.from_private_bytes(identity.secret)

    def sign(self, incarnation: Incarnation, key: str, sequence: int, body: bytes) -> bytes:
        """64 bytes (RFC 8032)."""
        return self._key.sign(_statement(self._name, incarnation, key, sequence, body))


class Authors:
    """The key that each owner signs with in its incarnation, learned with its first own row."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[Incarnation, Ed25519PublicKey]] = {}

    def authentic(self, batch: Rows, owner: OwnerRecords | None) -> tuple[Rows, int]:
        """The batch without rows that their owner did not sign, and how many of these are forged: where the owner's key
        is not known yet, nobody can tell, and they will be asked for again. A batch that lost some claims nothing
        about its range.
        """
        if not any(is_internal(row.key) for row in batch.rows):
            return batch, 0
        verdicts = [self._is_genuine(batch, row, owner) for row in batch.rows]
        kept = tuple(row for row, genuine in zip(batch.rows, verdicts, strict=True) if genuine)
        if len(kept) == len(batch.rows):
            return batch, 0
        return replace(batch, base=0, upto=0, horizon=0, rows=kept), verdicts.count(False)

    def forget(self, name: str) -> None:
        """The owner is no longer known."""
        self._keys.pop(name, None)

    def _is_genuine(self, batch: Rows, row: WireRow, owner: OwnerRecords | None) -> bool | None:
        """True too for what is no news; None when nobody can tell."""
        stored = owner.rows.get(row.key) if owner and owner.incarnation == batch.incarnation else None
        if not is_internal(row.key) or (stored is not None and stored.sequence >= row.sequence):
            return True
        if row.value is None or len(row.value) <= SIGNATURE_BYTES:
            return False
        body, signature = row.value[:-SIGNATURE_BYTES], row.value[-SIGNATURE_BYTES:]
        key = self._key_of(batch, row, body)
        if key is None:
            return False if row.key == MEMBER_KEY else None
        try:
            key.verify(signature, _statement(batch.owner, batch.incarnation, row.key, row.sequence, body))
        except InvalidSignature:
            return False
        self._keys[batch.owner] = batch.incarnation, key
        return True

    def _key_of(self, batch: Rows, row: WireRow, body: bytes) -> Ed25519PublicKey | None:
        known = self._keys.get(batch.owner)
        if known is not None and known[0] == batch.incarnation:
            return known[1]
        facts = decode_member(body) if row.key == MEMBER_KEY else None
        if facts is None or incarnation_of(0, session_of(facts.public_key)).tag != batch.incarnation.tag:
            return None
        return Ed25519PublicKey.from_public_bytes(facts.public_key)


def _statement(name: str, incarnation: Incarnation, key: str, sequence: int, body: bytes) -> bytes:
    owner = name.encode()
    stamp = _STAMP.pack(incarnation.epoch, incarnation.tag, sequence, len(owner))
    return b"lbmesh row 1\0" + stamp + owner + key.encode() + b"\0" + body
