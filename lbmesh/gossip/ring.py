"""The key ring of one node: which keys it holds, and the operators' orders that it knows of.

Each order (install this key, use it, remove it) has a stamp, and of two orders about the same thing the higher stamp
wins; so all members come to the same ring whatever the order in which they hear of them, and no order counts twice.
Keys read from the key file have the stamp zero: they are no order, and spread nowhere.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from lbmesh.gossip.identity import KeyRing, key_id
from lbmesh.gossip.limits import KEY_NOTES_MAX, KEYS_MAX, ORDER_MAX


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """When an order was given: one above all that its author had seen. `author`: member id, which breaks ties."""

    counter: int
    author: int


NO_ORDER = Stamp(0, 0)


class Standing(IntEnum):
    """HELD: the member opens datagrams under the key. REMOVED: an operator took it out of all rings. DECLINED: it
    was taken out of this member's key file only.
    """

    HELD = 0
    REMOVED = 1
    DECLINED = 2


@dataclass(frozen=True, slots=True)
class KeyNote:
    """What a member says of one key."""

    identifier: bytes
    stamp: Stamp
    standing: Standing


@dataclass(frozen=True, slots=True)
class RingWord:
    """What a member says of its ring, without any key. `primary`: the id it seals under. `wanted` with `order`: what
    the newest `use` it knows of asks for. `volatile`: its key file cannot be written.
    """

    primary: bytes
    wanted: bytes
    order: Stamp
    volatile: bool
    notes: tuple[KeyNote, ...]

    def holds(self, identifier: bytes) -> bool:
        """Does it open datagrams under this key, now and after a restart?"""
        return any(note.identifier == identifier and note.standing is Standing.HELD for note in self.notes)

    def answers(self, identifier: bytes, stamp: Stamp) -> bool:
        """Has it taken note of this order, one way or the other?"""
        return any(note.identifier == identifier and note.stamp >= stamp for note in self.notes)


@dataclass(slots=True)
class _Entry:
    """One key. `key` None: known of, not held. `stored`: in the key file, as far as that can be written.
    `needed_s`: when somebody last needed a removed key.
    """

    key: bytes | None
    stamp: Stamp
    standing: Standing
    stored: bool
    needed_s: float = float("-inf")


class Ring:
    """The keys by their ids, with what was ordered of each."""

    def __init__(self, start: KeyRing) -> None:
        self._entries = {key_id(key): _Entry(key, NO_ORDER, Standing.HELD, stored=True) for key in start.keys}
        self.primary = start.primary
        """The id of the key that seals."""

        self.is_single = len(self._entries) == 1
        """True while one key only is held. Asked for each datagram, so it is kept."""

        self.wanted = self.primary
        self.order = NO_ORDER
        self.volatile = False

    # What is there.

    def find(self, identifier: bytes) -> bytes | None:
        """The key with this id, which may be a removed one that somebody still needs; None when not held."""
        entry = self._entries.get(identifier)
        return entry.key if entry else None

    def holds(self, identifier: bytes) -> bool:
        """Is the key held, and to stay?"""
        entry = self._entries.get(identifier)
        return entry is not None and entry.key is not None and entry.standing is Standing.HELD

    def held(self) -> list[bytes]:
        """Ids of all keys that open, removed ones that somebody still needs among them; newest order first."""
        found = [(entry.stamp, identifier) for identifier, entry in self._entries.items() if entry.key is not None]
        return [identifier for _, identifier in sorted(found, reverse=True)]

    def _count(self) -> int:
        count = sum(entry.key is not None for entry in self._entries.values())
        self.is_single = count == 1
        return count

    def removed(self) -> list[bytes]:
        """Ids of removed keys that still open."""
        return [
            identifier
            for identifier, entry in self._entries.items()
            if entry.key is not None and entry.standing is Standing.REMOVED
        ]

    def gifts(self) -> Iterator[tuple[bytes, Stamp, bytes]]:
        """(id, stamp, key) of what an order installed, once it is in the key file: whoever lacks it is to have it."""
        for identifier, entry in self._entries.items():
            if entry.key is not None and entry.stored and entry.standing is Standing.HELD and entry.stamp > NO_ORDER:
                yield identifier, entry.stamp, entry.key

    def to_store(self) -> tuple[bytes, ...]:
        """What the key file is to hold, the primary key first."""
        stays = {identifier: entry.key for identifier, entry in self._entries.items() if self._stays(identifier)}
        first = stays.pop(self.primary)
        return tuple(key for key in (first, *stays.values()) if key is not None)

    def _stays(self, identifier: bytes) -> bool:
        return identifier == self.primary or self.holds(identifier)

    def word(self) -> RingWord:
        """What to tell the others. A key that is not yet in the file is no promise, so nothing is said of it."""
        notes = [
            KeyNote(identifier, entry.stamp, entry.standing)
            for identifier, entry in self._entries.items()
            if entry.stored or entry.standing is not Standing.HELD
        ]
        newest = sorted(notes, key=lambda note: (note.standing is Standing.HELD, note.stamp), reverse=True)
        kept = sorted(newest[:KEY_NOTES_MAX], key=lambda note: note.identifier)
        return RingWord(self.primary, self.wanted, self.order, self.volatile, tuple(kept))

    # Orders.

    def next_stamp(self, author: int) -> Stamp:
        """A stamp above all that are known here, while there is one: see `is_spent`."""
        return Stamp(min(self._newest() + 1, ORDER_MAX), author)

    @property
    def is_spent(self) -> bool:
        """Has somebody given an order with the last counter there is? No other can stand above it."""
        return self._newest() == ORDER_MAX

    def _newest(self) -> int:
        return max(self.order.counter, *(entry.stamp.counter for entry in self._entries.values()))

    def install(self, stamp: Stamp, key: bytes) -> bool:
        """Take a key in, unless a newer order says otherwise or the ring is full. True when that changed anything."""
        identifier = key_id(key)
        entry = self._entries.get(identifier)
        if entry is not None and entry.stamp >= stamp:
            return False
        if entry is not None and entry.key is not None:
            changed = entry.standing is not Standing.HELD
            entry.stamp, entry.standing = stamp, Standing.HELD
            entry.stored = entry.stored and not changed
            return True
        if self._count() >= KEYS_MAX:
            return False
        self._entries[identifier] = _Entry(key, stamp, Standing.HELD, stored=False)
        self._count()
        return True

    def hear(self, note: KeyNote) -> bool:
        """Take a member's word of an order. True when it was news."""
        entry = self._entries.get(note.identifier)
        if entry is not None and entry.stamp >= note.stamp:
            return False
        match note.standing:
            case Standing.HELD if entry is not None and entry.key is not None:
                return self.install(note.stamp, entry.key)
            case Standing.REMOVED:
                self._remove(note.identifier, note.stamp)
                return True
            case _:
                return False

    def _remove(self, identifier: bytes, stamp: Stamp) -> None:
        entry = self._entries.get(identifier)
        if entry is None:
            self._entries[identifier] = _Entry(None, stamp, Standing.REMOVED, stored=True)
        else:
            entry.stamp, entry.standing, entry.needed_s = stamp, Standing.REMOVED, float("-inf")
        self._forget_oldest()

    def remove(self, identifier: bytes, stamp: Stamp) -> None:
        """Take a key out of all rings. It opens until `expire` finds that nobody needs it."""
        self._remove(identifier, stamp)

    def decline(self, identifier: bytes) -> None:
        """Give up a key here only, until a newer order installs it."""
        entry = self._entries[identifier]
        entry.key, entry.standing = None, Standing.DECLINED
        self._forget_oldest()

    def want(self, identifier: bytes, order: Stamp) -> bool:
        """A `use` was ordered. True when it is the newest."""
        if order <= self.order:
            return False
        self.wanted, self.order = identifier, order
        return True

    def use(self, identifier: bytes) -> None:
        """Seal under this key, which must be held, from now on."""
        assert self.find(identifier) is not None
        self.primary = identifier

    def stored(self, keys: Iterable[bytes], *, volatile: bool) -> None:
        """These keys are in the key file now; or (`volatile`) it cannot be written, and memory is all there is."""
        self.volatile = volatile
        for key in keys:
            entry = self._entries.get(key_id(key))
            if entry is not None:
                entry.stored = True

    def expire(self, now: float, linger_s: float, is_needed: Callable[[bytes], bool]) -> list[bytes]:
        """Drop removed keys that nobody has needed for a while, so that what is still on its way opens. Returns
        their ids.
        """
        dropped = []
        for identifier in self.removed():
            entry = self._entries[identifier]
            if identifier == self.primary or entry.needed_s == float("-inf") or is_needed(identifier):
                entry.needed_s = now
            elif now - entry.needed_s >= linger_s:
                entry.key = None
                dropped.append(identifier)
        if dropped:
            self._forget_oldest()
        return dropped

    def _forget_oldest(self) -> None:
        self._count()
        gone = sorted((entry.stamp, identifier) for identifier, entry in self._entries.items() if entry.key is None)
        for _, identifier in gone[: max(0, len(gone) - (KEY_NOTES_MAX - KEYS_MAX))]:
            del self._entries[identifier]
