"""Rows with one writer each, and how two nodes' knowledge of them merges.

A row's version is (incarnation, sequence); per key the highest wins, so merging is commutative, associative
and idempotent. An owner numbers all its rows with one counter; `floor` is the sequence up to which an owner is
known without gaps, which makes "what do you lack?" one number per owner.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lbmesh.gossip.identity import Incarnation, member_id
from lbmesh.gossip.limits import (
    MEMBERS_MAX,
    ROWS_MAX,
    ROWS_PER_OWNER_MAX,
    SEQUENCE_MAX,
    SIGNATURE_BYTES,
    SPANS_MAX,
    TOMBSTONES_MAX,
)
from lbmesh.gossip.messages import Rows, WireRow

MEMBER_KEY = "_member"
EDGES_KEY = "_edges"
KEYS_KEY = "_keys"
_INTERNAL_ROWS_MAX = 8

SIGNED = "!"
"""Begins the keys of other rooms' signed rows: what a peer does at once, and could not take back."""

Sign = Callable[[Incarnation, str, int, bytes], bytes]
"""(incarnation, key, sequence, body) to a signature."""


@dataclass(frozen=True, slots=True)
class Row:
    """A live row. `value`: without the signature of a signed one. `received_s`: this node's monotonic time when this
    value of it came in.
    """

    owner: str
    key: str
    value: bytes
    received_s: float


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a row. `value`: as on the wire; None is a tombstone."""

    sequence: int
    value: bytes | None
    received_s: float

    def body(self, key: str) -> bytes | None:
        """What it says, without the signature of a signed row; None when it is withdrawn: a signed row by a body of no
        bytes, since a tombstone has no room for a signature.
        """
        if self.value is None or not is_signed(key):
            return self.value
        return self.value[:-SIGNATURE_BYTES] or None


@dataclass(slots=True)
class OwnerRecords:
    """All that is known of one owner's rows, in its newest incarnation.

    `spans`: {base: upto}, ranges known beyond the first gap, so that what a lost datagram leaves open need not
    be told again after it. `pending`: (upto, horizon), to be obeyed once everything up to there is known. `public_key`:
    what its signed rows are signed with; None until the first of them came.
    """

    name: str
    incarnation: Incarnation
    floor: int = 0
    horizon: int = 0
    beat: int = 0
    rows: dict[str, Stored] = field(default_factory=dict)
    spans: dict[int, int] = field(default_factory=dict)
    pending: tuple[int, int] = (0, 0)
    public_key: Ed25519PublicKey | None = None

    def reset(self, incarnation: Incarnation) -> list[str]:
        """The owner started anew: its earlier rows are void. Returns their keys."""
        gone = [key for key, stored in self.rows.items() if stored.body(key) is not None]
        self.incarnation, self.floor, self.horizon, self.beat = incarnation, 0, 0, 0
        self.pending, self.public_key = (0, 0), None
        self.spans.clear()
        self.rows.clear()
        return gone

    def body(self, key: str) -> bytes | None:
        """What the row says; None when it is absent or withdrawn."""
        stored = self.rows.get(key)
        return stored.body(key) if stored else None

    def merge(self, now: float, batch: Rows, *, room: int) -> list[str]:
        """Take what is newer. Returns the keys that changed; keys beyond `room` rows are left out, and then
        nothing is claimed about the batch's range.
        """
        changed: list[str] = []
        complete = True
        for row in batch.rows:
            stored = self.rows.get(row.key)
            if row.sequence <= self.horizon or (stored is not None and stored.sequence >= row.sequence):
                continue
            if stored is None and len(self.rows) >= room:
                complete = False
                continue
            newer = Stored(row.sequence, row.value, now)
            if stored is not None and stored.body(row.key) == newer.body(row.key):
                newer = replace(newer, received_s=stored.received_s)
            self.rows[row.key] = newer
            changed.append(row.key)
            self._cover(row.sequence - 1, row.sequence)
        if complete:
            self._cover(batch.base, batch.upto)
            self.pending = max(self.pending, (batch.upto, batch.horizon)) if batch.horizon else self.pending
        return changed + self._prune()

    def _cover(self, base: int, upto: int) -> None:
        """All rows with base < sequence ≤ upto are known: raise the floor, or remember it for later."""
        if base > self.floor:
            if len(self.spans) < SPANS_MAX or base in self.spans:
                self.spans[base] = max(upto, self.spans.get(base, 0))
            return
        self.floor = max(self.floor, upto)
        while reached := [base for base in self.spans if base <= self.floor]:
            self.floor = max(self.floor, *(self.spans.pop(base) for base in reached))

    def _prune(self) -> list[str]:
        upto, horizon = self.pending
        if horizon <= self.horizon or self.floor < upto:
            return []
        self.horizon = horizon
        gone = [key for key, stored in self.rows.items() if stored.sequence <= self.horizon]
        return [key for key in gone if self.rows.pop(key).body(key) is not None]

    def after(self, floor: int) -> list[WireRow]:
        """Rows with a higher sequence, ascending."""
        newer = [(stored.sequence, key, stored.value) for key, stored in self.rows.items() if stored.sequence > floor]
        return [WireRow(key, sequence, value) for sequence, key, value in sorted(newer, key=lambda row: row[0])]

    def put(self, now: float, key: str, value: bytes | None) -> None:
        """The owner itself writes a row."""
        self.floor += 1
        self.rows[key] = Stored(self.floor, value, now)


class Records:
    """Every owner's rows, within bounds."""

    def __init__(self, name: str, incarnation: Incarnation, sign: Sign) -> None:
        self._sign = sign
        self.own = OwnerRecords(name, incarnation)
        self.owners: dict[str, OwnerRecords] = {name: self.own}
        self.ids: dict[int, str] = {member_id(name): name}
        self._row_count = 0

    def owner(self, name: str, incarnation: Incarnation) -> OwnerRecords | None:
        """The owner's records, created when unknown; None when the table is full."""
        known = self.owners.get(name)
        if known is None:
            identifier = member_id(name)
            if len(self.owners) >= MEMBERS_MAX or identifier in self.ids:
                return None
            known = self.owners[name] = OwnerRecords(name, incarnation)
            self.ids[identifier] = name
        return known

    def forget(self, name: str) -> None:
        """Drop an owner, to make room."""
        self._row_count -= len(self.owners.pop(name).rows)
        del self.ids[member_id(name)]

    def restart(self, owner: OwnerRecords, incarnation: Incarnation) -> list[str]:
        """The owner speaks in a newer incarnation. Returns the keys that are gone."""
        self._row_count -= len(owner.rows)
        return owner.reset(incarnation)

    def merge(self, now: float, owner: OwnerRecords, batch: Rows) -> list[str]:
        """Merge a peer's batch of the owner's current incarnation. Returns the keys that changed; see `refused`."""
        before = len(owner.rows)
        bound = ROWS_PER_OWNER_MAX + TOMBSTONES_MAX + _INTERNAL_ROWS_MAX
        changed = owner.merge(now, batch, room=min(bound, before + ROWS_MAX - self._row_count))
        self._row_count += len(owner.rows) - before
        return changed

    def refused(self, owner: OwnerRecords, batch: Rows) -> int:
        """How many rows of a batch that was merged found no room."""
        return sum(1 for row in batch.rows if row.sequence > owner.horizon and row.key not in owner.rows)

    def write(self, now: float, key: str, value: bytes | None) -> list[str]:
        """Write an own row. Returns the keys that others must hear of: nothing when the value is the same."""
        if self.own.body(key) == value:
            return []
        self._put(now, key, value)
        if value is None and self._own_tombstones() > TOMBSTONES_MAX:
            return self._restate(now, self.own.floor)
        return [key]

    def _put(self, now: float, key: str, value: bytes | None) -> None:
        if is_signed(key):
            body = value or b""
            value = body + self._sign(self.own.incarnation, key, self.own.floor + 1, body)
        self._row_count += key not in self.own.rows
        self.own.put(now, key, value)

    def _restate(self, now: float, horizon: int) -> list[str]:
        """Give all living rows new sequences above the horizon, so that everything up to it can be forgotten.
        Returns their keys.
        """
        own = self.own
        living = {key: own.body(key) for key in own.rows}
        self._row_count -= len(own.rows)
        own.rows.clear()
        own.floor = own.horizon = horizon
        for key, value in living.items():
            if value is not None:
                self._put(now, key, value)
        return list(own.rows)

    def overtake(self, now: float, floor: int) -> list[str]:
        """Peers know rows of this node, up to `floor`, that it never wrote: speak on above them, which voids them; in
        the next epoch when they leave too few sequences. Returns the keys that others must hear of.
        """
        if floor <= self.own.floor:
            return []
        if floor < SEQUENCE_MAX // 2:
            return self._restate(now, floor)
        own = self.own.incarnation
        return self.raise_epoch(now, Incarnation(own.epoch + 1, own.tag)) if own.epoch + 1 < SEQUENCE_MAX else []

    def raise_epoch(self, now: float, incarnation: Incarnation) -> list[str]:
        """Speak on in a higher epoch: all living rows are written again under it. Returns their keys."""
        self.own.incarnation, self.own.beat = incarnation, 0
        return self._restate(now, 0)

    def own_row_count(self) -> int:
        """Living rows of this node, its internal ones not counted."""
        return sum(1 for key, row in self.own.rows.items() if row.body(key) is not None and not is_internal(key))

    def _own_tombstones(self) -> int:
        return sum(1 for key, stored in self.own.rows.items() if stored.body(key) is None)

    def row(self, owner: str, key: str) -> Row | None:
        """One living row; None when absent, withdrawn or internal."""
        known = self.owners.get(owner)
        stored = known.rows.get(key) if known else None
        body = stored.body(key) if stored else None
        if stored is None or body is None or is_internal(key):
            return None
        return Row(owner, key, body, stored.received_s)

    def live_rows(self, owners: Iterator[str], key_prefix: str) -> Iterator[Row]:
        """Living rows of these owners whose key begins with the prefix, internal ones left out."""
        for name in owners:
            known = self.owners.get(name)
            for key, stored in known.rows.items() if known else ():
                if key.startswith(key_prefix) and not is_internal(key):
                    body = stored.body(key)
                    if body is not None:
                        yield Row(name, key, body, stored.received_s)


def is_internal(key: str) -> bool:
    """True for the gossip's own rows."""
    return key.startswith("_")


def is_signed(key: str) -> bool:
    """True for rows that count only with their owner's signature: the gossip's own, and those that others chose to."""
    return key.startswith(("_", SIGNED))
