"""Spreading rows: dirty ones are pushed, and digests find and repair what a push missed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from lbmesh.gossip.codec import ROWS_FRAME_BYTES, encode, row_bytes
from lbmesh.gossip.identity import Incarnation, member_id
from lbmesh.gossip.limits import (
    DELTA_DATAGRAMS_MAX,
    DIGEST_DATAGRAMS_MAX,
    DIGEST_ENTRIES_MAX,
    PUSH_DATAGRAMS_MAX,
    ROWS_PER_OWNER_MAX,
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
    """What a digest calls for: `frames` to send back, and a claim to this node's own name by an incarnation that
    outranks it. `overtaken`: up to where the peer knows rows of this node that
    it never wrote; 0 when all is well. `is_cut`: the peer lacks more than fitted.
    """

    frames: tuple[bytes, ...]
    claim: DigestEntry | None
    overtaken: int = 0
    is_cut: bool = False


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

    def forget(self, owner: str) -> None:
        """The owner is no longer known."""
        self._dirty = {subject: rounds for subject, rounds in self._dirty.items() if subject[0] != owner}

    @property
    def is_dirty(self) -> bool:
        """True while rows wait to be pushed."""
        return bool(self._dirty)

    def push(self) -> list[bytes]:
        """The payloads of one push round, for every peer of the round. What does not fit waits for the next."""
        by_owner: dict[str, list[WireRow]] = {}
        gone, size, room = [], 0, PUSH_DATAGRAMS_MAX * self._room
        for owner, key in self._dirty:
            known = self._records.owners.get(owner)
            stored = known.rows.get(key) if known else None
            if stored is None:
                gone.append((owner, key))
                continue
            row = WireRow(key, stored.sequence, stored.value)
            by_owner.setdefault(owner, []).append(row)
            size += row_bytes(row)
            if size >= room:
                break
        for subject in gone:
            del self._dirty[subject]
        batches = [
            batch
            for owner, rows in by_owner.items()
            for batch in self._batches(self._records.owners[owner], sorted(rows, key=lambda row: row.sequence))
        ]
        payloads = list(pack(map(encode, batches), self._room))[:PUSH_DATAGRAMS_MAX]
        self._count_down(batches, sum(map(len, payloads)))
        return payloads

    def _count_down(self, batches: list[Rows], sent_bytes: int) -> None:
        for batch in batches:
            sent_bytes -= len(encode(batch))
            if sent_bytes < 0:
                return
            for row in batch.rows:
                rounds = self._dirty.pop((batch.owner, row.key)) - 1
                if rounds:
                    self._dirty[batch.owner, row.key] = rounds

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

    def delta(self, owner: OwnerRecords, floor: int, batches_max: int = ROWS_PER_OWNER_MAX) -> Iterator[Rows]:
        """The rows between a peer's floor and ours, each batch saying which range it covers; one batch more than
        `batches_max` at most, which shows that there are more.
        """
        rows = [row for row in owner.after(floor) if row.sequence <= owner.floor]
        some = list(islice(self._batches(owner, rows), batches_max + 2))
        is_whole = len(some) < batches_max + 2
        batches = some[: batches_max + 1] or [Rows(owner.name, owner.incarnation, 0, 0, 0, ())]
        base = floor
        for index, batch in enumerate(batches):
            last = is_whole and index == len(batches) - 1
            upto = owner.floor if last else batch.rows[-1].sequence
            yield Rows(owner.name, owner.incarnation, base, upto, owner.horizon if last else 0, batch.rows)
            base = upto

    def digests(self) -> list[Digest]:
        """This second's digests: all owners when they are few, else the next slice of them."""
        slices = self._slices()
        count = min(len(slices), DIGEST_DATAGRAMS_MAX)
        chosen = [slices[(self._digest_from + index) % len(slices)] for index in range(count)]
        self._digest_from = (self._digest_from + count) % len(slices)
        return [self._digest(*one) for one in chosen]

    def all_digests(self) -> list[Digest]:
        """The digests of all owners, however many."""
        return [self._digest(*one) for one in self._slices()]

    def renewed(self, digest: Digest) -> Digest:
        """The same range as it is known by now, cut where more owners have become known than one digest lists."""
        ids = sorted(each for each in self._records.ids if digest.first <= each <= digest.last)
        last = ids[DIGEST_ENTRIES_MAX] - 1 if len(ids) > DIGEST_ENTRIES_MAX else digest.last
        return self._digest(digest.first, last, ids[:DIGEST_ENTRIES_MAX])

    def _slices(self) -> list[tuple[int, int, list[int]]]:
        """(first id, last id, the ids known between them) of ranges that together hold all ids there can be."""
        ids = sorted(self._records.ids)
        starts = range(0, len(ids), DIGEST_ENTRIES_MAX)
        firsts = [ids[start] if start else 0 for start in starts]
        lasts = [first - 1 for first in firsts[1:]] + [ID_MAX]
        parts = [ids[start : start + DIGEST_ENTRIES_MAX] for start in starts]
        return list(zip(firsts, lasts, parts, strict=True))

    def _digest(self, first: int, last: int, ids: list[int]) -> Digest:
        return Digest(False, first, last, tuple(map(self._entry, ids)))

    def _entry(self, identifier: int) -> DigestEntry:
        owner = self._records.owners[self._records.ids[identifier]]
        return DigestEntry(identifier, owner.incarnation, owner.floor, owner.beat)

    def inquiry(self, name: str) -> Digest:
        """Tells what is known of one owner, and so asks for the rest, or says that a later start of it is known."""
        identifier = member_id(name)
        known = name in self._records.owners
        entry = self._entry(identifier) if known else DigestEntry(identifier, Incarnation(0, 0), 0, 0)
        return Digest(True, 0, 0, (entry,))

    def answer(self, digest: Digest, units_max: int = DELTA_DATAGRAMS_MAX) -> DigestAnswer:
        """Compare a peer's digest with what is known here: send what it lacks, as far as that fits `units_max`
        datagrams, and ask for what we lack.
        """
        theirs = {entry.owner_id: entry for entry in digest.entries}
        deltas: list[bytes] = []
        size = 0
        wanted: list[DigestEntry] = []
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
                if entry.floor > owner.floor:
                    if owner is self._records.own:
                        overtaken = entry.floor
                    else:
                        wanted.append(self._entry(identifier))
            floor = entry.floor if entry is not None and same else 0
            if owner.floor > floor and size <= units_max * self._room:
                told = [encode(batch) for batch in self.delta(owner, floor, units_max)]
                deltas += told
                size += sum(map(len, told))
        frames = list(pack(deltas, self._room))
        is_cut, frames = len(frames) > units_max, frames[:units_max]
        if wanted and not digest.answered:
            frames.append(encode(Digest(True, 0, 0, tuple(wanted[:DIGEST_ENTRIES_MAX]))))
        return DigestAnswer(tuple(frames), claim, overtaken, is_cut)

    def _compared(self, digest: Digest, theirs: dict[int, DigestEntry]) -> list[int]:
        if digest.answered:
            return sorted(theirs)
        ours = {identifier for identifier in self._records.ids if digest.first <= identifier <= digest.last}
        return sorted(ours | theirs.keys())
