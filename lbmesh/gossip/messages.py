"""What members say to each other."""

from dataclasses import dataclass

from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.ring import Stamp
from lbmesh.model.address import Address


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for the nonce back."""

    nonce: int


@dataclass(frozen=True, slots=True)
class Pong:
    """Gives the nonce back: the path works both ways, now."""

    nonce: int


@dataclass(frozen=True, slots=True)
class WireRow:
    """One row of an owner. `value` None is a tombstone: the owner withdrew the row."""

    key: str
    sequence: int
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one owner, by ascending sequence. When `base` < `upto`, they are *all* its rows with
    base < sequence ≤ upto; else they claim nothing about what lies between.

    `horizon`: rows with this sequence or a lower one no longer exist; 0 says nothing.
    """

    owner: str
    incarnation: Incarnation
    base: int
    upto: int
    horizon: int
    rows: tuple[WireRow, ...]


@dataclass(frozen=True, slots=True)
class DigestEntry:
    """How far the sender knows an owner: everything up to `floor`. `beat` is the owner's heartbeat."""

    owner_id: int
    incarnation: Incarnation
    floor: int
    beat: int


@dataclass(frozen=True, slots=True)
class Digest:
    """All owners the sender knows with first ≤ id ≤ last. With `answered`, which asks back for what an earlier
    digest offered, only those listed: the receiver may send rows, but no digest.
    """

    answered: bool
    first: int
    last: int
    entries: tuple[DigestEntry, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Tells a member that another node, at `address`, speaks in its name."""

    address: Address


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key that an order installed."""

    stamp: Stamp
    key: bytes


@dataclass(frozen=True, slots=True)
class KeyGift:
    """Keys that the receiver was found to lack."""

    keys: tuple[GivenKey, ...]


@dataclass(frozen=True, slots=True)
class More:
    """Ends the answer to a digest by stream: `more` may be had by asking again. With a datagram it says that datagrams
    do not hold all that the receiver lacks: it may open a stream.
    """

    more: bool


Message = Ping | Pong | Rows | Digest | Conflict | KeyGift | More
ID_MAX = 2**64 - 1
