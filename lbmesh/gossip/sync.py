"""Spreading rows: dirty ones are pushed, and digests find and repair what a push missed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lbmesh.gossip.codec import ROWS_FRAME_BYTES, encode, row_bytes
from lbmesh.gossip.identity import Incarnation, member_id
from lbmesh.gossip.limits import (
    DELTA_DATAGRAMS_MAX,
    DIGEST_DATAGRAMS_MAX,
    DIGEST_ENTRIES_MAX,
    PUSH_DATAGRAMS_MAX,
)
from lbmesh.gossip.messages import ID_MAX, Digest, DigestEntry, Rows, WireRow
from lbmesh.gossip.records import OwnerRecords, Records

_ROWS_IN_MESSAGE_MAX = 255


def pack(frames: Iterable[bytes], room: int) -> Iterator[bytes]:
    """Join frames to payloads of at most `room` bytes, in order."""
    payload = b""
    for frame in frames:
        if payload and len(payload) + len(frame) > room:
            yield payload
            payload = b""
        payload += frame
    if payload:
        yield payload


@dataclass(frozen=True, slots=True)
class DigestAnswer:
    """What a digest calls for: `frames` to send back, owners whose beat it advanced, and a claim to this
    node's own name by an incarnation that outranks it. `overtaken`: up to where the peer knows rows of this node that
    it never wrote; 0 when all is well.
    """

    frames: tuple[bytes, ...]
    heard: tuple[str, ...]
    claim: DigestEntry | None
    overtaken: int = 0


class Sync:
    """What is still to be told, and the answers to what others tell."""

    def __init__(self, records: Records, room: int, push_rounds: int) -> None:
        self._records = records
        self._room = room
        self._push_rounds = push_rounds
        self._dirty: dict[tuple[str, str], int] = {}
        self._digest_from = 0

    def mark(self, owner: str, keys: Iterable[str]) -> None:
        """Push these rows in the next rounds. A set by subject, so that it cannot outgrow the rows."""
        for key in keys:
            self._dirty[owner, key] = self._push_rounds

    @property
    def is_dirty(self) -> bool:
        """True while rows wait to be pushed."""
        return bool(self._dirty)

    def push(self) -> list[bytes]:
        """The payloads of one push round; each goes to every peer of the round."""
        by_owner: dict[str, list[WireRow]] = {}
        for owner, key in self._dirty:
            known = self._records.owners.get(owner)
            stored = known.rows.get(key) if known else None
            if stored is not None:
                by_owner.setdefault(owner, []).append(WireRow(key, stored.sequence, stored.value))
        batches = [
            batch
            for owner, rows in by_owner.items()
            for batch in self._batches(self._records.owners[owner], sorted(rows, key=lambda row: row.sequence))
        ]
        payloads = list(pack(map(encode, batches), self._room))[:PUSH_DATAGRAMS_MAX]
        self._count_down(batches, sum(map(len, payloads)))
        return payloads

    def _count_down(self, batches: list[Rows], sent_bytes: int) -> None:
        for owner, key in [subject for subject in self._dirty if not self._exists(subject)]:
            del self._dirty[owner, key]
        for batch in batches:
            sent_bytes -= len(encode(batch))
            if sent_bytes < 0:
                return
            for row in batch.rows:
                rounds = self._dirty.pop((batch.owner, row.key)) - 1
                if rounds:
                    self._dirty[batch.owner, row.key] = rounds

    def _exists(self, subject: tuple[str, str]) -> bool:
        owner = self._records.owners.get(subject[0])
        return owner is not None and subject[1] in owner.rows

    def _batches(self, owner: OwnerRecords, rows: list[WireRow]) -> Iterator[Rows]:
        room = self._room - ROWS_FRAME_BYTES - len(owner.name.encode())
        taken: list[WireRow] = []
        size = 0
        for row in rows:
            if taken and (size + row_bytes(row) > room or len(taken) == _ROWS_IN_MESSAGE_MAX):
                yield Rows(owner.name, owner.incarnation, 0, 0, 0, tuple(taken))
                taken, size = [], 0
            taken.append(row)
            size += row_bytes(row)
        if taken:
            yield Rows(owner.name, owner.incarnation, 0, 0, 0, tuple(taken))

    def delta(self, owner: OwnerRecords, floor: int) -> Iterator[Rows]:
        """All rows between a peer's floor and ours, each batch saying which range it covers."""
        rows = [row for row in owner.after(floor) if row.sequence <= owner.floor]
        batches = list(self._batches(owner, rows)) or [Rows(owner.name, owner.incarnation, 0, 0, 0, ())]
        base = floor
        for index, batch in enumerate(batches):
            last = index == len(batches) - 1
            upto = owner.floor if last else batch.rows[-1].sequence
            yield Rows(owner.name, owner.incarnation, base, upto, owner.horizon if last else 0, batch.rows)
            base = upto

    def digests(self) -> list[Digest]:
        """This second's digests: all owners when they are few, else the next slice of them."""
        identifiers = sorted(self._records.ids)
        slices = [
            identifiers[start : start + DIGEST_ENTRIES_MAX] for start in range(0, len(identifiers), DIGEST_ENTRIES_MAX)
        ]
        digests = []
        for index in range(min(len(slices), DIGEST_DATAGRAMS_MAX)):
            position = (self._digest_from + index) % len(slices)
            first = slices[position][0] if position else 0
            last = slices[position + 1][0] - 1 if position + 1 < len(slices) else ID_MAX
            digests.append(Digest(False, first, last, tuple(map(self._entry, slices[position]))))
        self._digest_from = (self._digest_from + len(digests)) % len(slices)
        return digests

    def _entry(self, identifier: int) -> DigestEntry:
        owner = self._records.owners[self._records.ids[identifier]]
        return DigestEntry(identifier, owner.incarnation, owner.floor, owner.beat)

    def inquiry(self, name: str) -> Digest:
        """Tells what is known of one owner, and so asks for the rest, or says that a later start of it is known."""
        identifier = member_id(name)
        known = name in self._records.owners
        entry = self._entry(identifier) if known else DigestEntry(identifier, Incarnation(0, 0), 0, 0)
        return Digest(True, 0, 0, (entry,))

    def answer(self, digest: Digest) -> DigestAnswer:
        """Compare a peer's digest with what is known here: send what it lacks, ask for what we lack."""
        theirs = {entry.owner_id: entry for entry in digest.entries}
        deltas: list[bytes] = []
        wanted: list[DigestEntry] = []
        heard: list[str] = []
        claim = None
        overtaken = 0
        for identifier in self._compared(digest, theirs):
            entry, name = theirs.get(identifier), self._records.ids.get(identifier)
            if name is None:
                wanted.append(DigestEntry(identifier, Incarnation(0, 0), 0, 0))
                continue
            owner = self._records.owners[name]
            if entry is not None and entry.incarnation > owner.incarnation:
                if owner is self._records.own:
                    claim = entry
                else:
                    wanted.append(DigestEntry(identifier, owner.incarnation, owner.floor, owner.beat))
                continue
            same = entry is not None and entry.incarnation == owner.incarnation
            if entry is not None and same:
                if entry.beat > owner.beat and owner is not self._records.own:
                    owner.beat = entry.beat
                    heard.append(name)
                if entry.floor > owner.floor:
                    if owner is self._records.own:
                        overtaken = entry.floor
                    else:
                        wanted.append(self._entry(identifier))
            floor = entry.floor if entry is not None and same else 0
            if owner.floor > floor and len(deltas) < DELTA_DATAGRAMS_MAX:
                deltas += map(encode, self.delta(owner, floor))
        frames = list(pack(deltas, self._room))[:DELTA_DATAGRAMS_MAX]
        if wanted and not digest.answered:
            frames.append(encode(Digest(True, 0, 0, tuple(wanted[:DIGEST_ENTRIES_MAX]))))
        return DigestAnswer(tuple(frames), tuple(heard), claim, overtaken)

    def _compared(self, digest: Digest, theirs: dict[int, DigestEntry]) -> list[int]:
        if digest.answered:
            return sorted(theirs)
        ours = {identifier for identifier in self._records.ids if digest.first <= identifier <= digest.last}
        return sorted(ours | theirs.keys())
