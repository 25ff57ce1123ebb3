"""Who speaks: identities, their incarnations, the ring's keys."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lbmesh.gossip.limits import KEYS_MAX, NAME_BYTES_MAX, SEQUENCE_MAX, ZONE_BYTES_MAX
from lbmesh.model.address import Address

_T = TypeVar("_T")
KEY_BYTES = 32
KEY_ID_BYTES = 4
SESSION_BYTES = 16
SECRET_BYTES = 32


class Rng(Protocol):
    """The randomness gossip needs; `random.Random` satisfies it."""

    def random(self) -> float:
        """A float in [0, 1)."""

    def getrandbits(self, k: int, /) -> int:
        """`k` random bits."""

    def sample(self, population: Sequence[_T], k: int) -> list[_T]:
        """`k` different elements."""


@dataclass(frozen=True, slots=True, order=True)
class Incarnation:
    """One start of one node. `epoch` rises with each start; `tag`, from the session, breaks ties between
    nodes that share a name and an epoch, so that all members choose the same one.
    """

    epoch: int
    tag: int


@dataclass(frozen=True, slots=True)
class Identity:
    """This node. `epoch`: persisted counter that must rise with every start of the process that gossips;
    `secret`: 32 random bytes, new with every start; the session is a hash of the public key that belongs to it. Raises
    ValueError when a field is out of bounds.
    """

    name: str
    zone: str
    address: Address
    epoch: int
    secret: bytes = field(repr=False)
    session: bytes = field(init=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.encode()) <= NAME_BYTES_MAX:
            raise ValueError(f'node name "{self.name}" must be 1 to {NAME_BYTES_MAX} bytes: choose a shorter one')
        if not 1 <= len(self.zone.encode()) <= ZONE_BYTES_MAX:
            raise ValueError(f'zone "{self.zone}" must be 1 to {ZONE_BYTES_MAX} bytes: choose a shorter one')
        if not self.address.is_literal:
            raise ValueError(f'"{self.address}" is a name: others need an IP address, so resolve it before advertising')
        if len(self.secret) != SECRET_BYTES:
            raise ValueError(f"a secret is {SECRET_BYTES} random bytes, not {len(self.secret)}")
        if not 0 <= self.epoch < SEQUENCE_MAX:
            raise ValueError(f"epoch {self.epoch} is out of range: it counts starts, from 0 to {SEQUENCE_MAX - 1}")
        object.__setattr__(self, "session", session_of(public_key_of(self.secret)))

    @property
    def incarnation(self) -> Incarnation:
        """This start of this node."""
        return incarnation_of(self.epoch, self.session)


def public_key_of(secret: bytes) -> bytes:
    """The public half of a start's key pair, 32 bytes (RFC 8032)."""
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def session_of(public_key: bytes) -> bytes:
    """The session of the start that holds this key: what speaks in it can prove that it does."""
    return hashlib.blake2b(public_key, digest_size=SESSION_BYTES, person=b"lbmesh session").digest()


def incarnation_of(epoch: int, session: bytes) -> Incarnation:
    """The incarnation that a datagram's epoch and session stand for."""
    return Incarnation(epoch, int.from_bytes(session[:4], "big"))


@lru_cache(maxsize=4096)
def member_id(name: str) -> int:
    """A member's 64-bit short name in digests and edge lists."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


class HeldKeys(Protocol):
    """The keys that a node holds now, by their ids."""

    @property
    def primary(self) -> bytes:
        """The id of the key that seals."""

    def find(self, identifier: bytes, /) -> bytes | None:
        """The key with this id; None when it is not held."""


class KeyRing:
    """The 32-byte keys that a node starts with: the first seals, any opens. Raises ValueError for none, for more than
    a ring holds, or a wrong length.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("the key ring is empty: write at least one line of 64 hex digits to the key file")
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a gossip key is {KEY_BYTES} bytes: write lines of {2 * KEY_BYTES} hex digits")
        if len(set(keys)) > KEYS_MAX:
            raise ValueError(f"the key ring holds at most {KEYS_MAX} keys: remove lines from the key file")
        self.keys = tuple(keys)
        self.primary = key_id(keys[0])
        self._keys = {key_id(key): key for key in keys}

    def find(self, identifier: bytes) -> bytes | None:
        """The key with this id, or None."""
        return self._keys.get(identifier)


def key_id(key: bytes) -> bytes:
    """Four bytes that name a key on the wire without giving anything of it away."""
    return hashlib.blake2b(key, digest_size=KEY_ID_BYTES, person=b"lbmesh key id").digest()
