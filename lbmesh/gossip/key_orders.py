"""What an operator may do with the ring, and what is refused because a member would be left behind."""

from dataclasses import dataclass

from lbmesh.gossip.identity import KeyRing, key_id, member_id
from lbmesh.gossip.keys import Keys
from lbmesh.gossip.members import Members
from lbmesh.gossip.ring import RingWord, Standing
from lbmesh.model.member import MemberState


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to an order: whether it stands, and why. `key`: the id it is about; `members`: who stands in the way,
    or (`done`) who may be left behind.
    """

    done: bool
    what: str
    key: str = ""
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberKeys:
    """What a member says of its ring; nothing (`primary` "") when it is of an older release or has just come.
    `volatile`: its key file cannot be written.
    """

    name: str
    state: MemberState
    primary: str
    held: tuple[str, ...]
    volatile: bool


@dataclass(frozen=True, slots=True)
class RingPicture:
    """The ring as this node knows it. `wanted`: what the newest order wants to be primary. `keys`: the ids of
    all that are held by this node or a member that has not left.
    """

    primary: str
    wanted: str
    keys: tuple[str, ...]
    members: tuple[MemberKeys, ...]


class KeyOrders:
    """Gives orders in this node's name."""

    def __init__(self, name: str, keys: Keys, members: Members) -> None:
        self._name = name
        self._author = member_id(name)
        self._keys = keys
        self._ring = keys.ring
        self._members = members

    def picture(self) -> RingPicture:
        """Who holds what."""
        told = [self._member_keys(name) for name in sorted(self._members.entries)]
        here = [one for one in told if one.state is not MemberState.LEFT]
        known = {identifier for one in here for identifier in one.held} | {one.hex() for one in self._ring.held()}
        return RingPicture(self._ring.primary.hex(), self._ring.wanted.hex(), tuple(sorted(known)), tuple(told))

    def _member_keys(self, name: str) -> MemberKeys:
        state = self._members.entries[name].state
        word = self._word(name)
        if word is None:
            return MemberKeys(name, state, "", (), volatile=False)
        held = tuple(note.identifier.hex() for note in word.notes if note.standing is Standing.HELD)
        return MemberKeys(name, state, word.primary.hex(), held, word.volatile)

    def _word(self, name: str) -> RingWord | None:
        return self._ring.word() if name == self._name else self._keys.words.get(name)

    def install(self, key: bytes) -> Said:
        """Have all members take the key in. One that all have been told of is not told of again."""
        identifier = key_id(key)
        shown = identifier.hex()
        if self._ring.is_spent:
            return _spent(shown)
        if not self._ring.install(self._ring.next_stamp(self._author), key):
            return Said(False, "the ring is full: remove a key that is not in use, then install again", shown)
        self._keys.unsettle()
        return Said(True, f"key {shown} is on its way to all members", shown)

    def install_held(self, identifier: str) -> Said:
        """The same for a key that this node already holds."""
        key = self._find(identifier)
        return self.install(key) if key is not None else self._unknown(identifier)

    def use(self, identifier: str) -> Said:
        """Have all members seal under the key; refused while a live member lacks it."""
        key = self._find(identifier)
        if key is None or not self._ring.holds(key_id(key)):
            return self._unknown(identifier)
        chosen = key_id(key)
        lacking = self._keys.lacking(chosen)
        if lacking:
            return Said(False, f"lacked by {_listed(lacking)}: wait until all live members hold it, or install it "
                        "again", identifier, tuple(lacking))  # fmt: skip
        if self._ring.is_spent:
            return _spent(identifier)
        users = {one.primary for one in self.picture().members if one.state.is_live}
        if self._ring.wanted != chosen or users != {chosen.hex()}:
            self._ring.want(chosen, self._ring.next_stamp(self._author))
            self._keys.unsettle()
        left = self._left_behind(chosen)
        return Said(True, f"key {identifier} becomes primary", identifier, left)

    def remove(self, identifier: str, *, force: bool) -> Said:
        """Have all members give up the key; refused while it is in use, or somebody may come back with it alone."""
        chosen = _parsed(identifier)
        told = self.picture()
        if chosen is None or identifier not in told.keys:
            return self._unknown(identifier)
        if chosen in (self._ring.primary, self._ring.wanted):
            return Said(False, "it is the primary key: use another first", identifier, (self._name,))
        live = [one for one in told.members if one.state.is_live]
        users = tuple(one.name for one in live if one.primary in (identifier, ""))
        if users:
            return Said(
                False, f"{_listed(users)} may still seal under it: wait until all use another key", identifier, users
            )
        lacking = tuple(self._keys.lacking(self._ring.primary))
        if lacking:
            return Said(
                False,
                f"{_listed(lacking)} may lack the primary key, and need this one to be heard: install the primary key "
                "again, and wait until all live members hold it",
                identifier,
                lacking,
            )
        left = self._left_behind(self._ring.primary)
        if left and not force:
            return Said(
                False,
                f"{_listed(left)} would come back without the primary key: bring it back first, write the new key to "
                "its key file, or force the removal",
                identifier,
                left,
            )
        if self._ring.is_spent:
            return _spent(identifier)
        self._ring.remove(chosen, self._ring.next_stamp(self._author))
        self._keys.unsettle()
        return Said(True, f"key {identifier} leaves all rings", identifier, left)

    def _left_behind(self, primary: bytes) -> tuple[str, ...]:
        """Members that are down, or hold keys in memory only: after a restart they might lack this key."""
        told = self.picture()
        shown = primary.hex()
        return tuple(
            one.name
            for one in told.members
            if (one.state is MemberState.DOWN and shown not in one.held)
            or (one.state is not MemberState.LEFT and one.volatile)
        )

    def follow_file(self, file: KeyRing) -> tuple[str, ...]:
        """Do what an operator's change of the key file asks for: install what came, give up here what went, use what
        stands first.
        """
        problems = []
        wanted = {key_id(key): key for key in file.keys}
        for identifier, key in wanted.items():
            if not self._ring.holds(identifier):
                said = self.install(key)
                problems += [] if said.done else [f"gossip key {said.key}: {said.what}"]
        for identifier in self._ring.held():
            if identifier not in wanted and self._ring.holds(identifier):
                problems += self._decline(identifier, stays=file.primary)
        if file.primary != self._ring.wanted and self._ring.holds(file.primary):
            self._ring.want(file.primary, self._ring.next_stamp(self._author))
        self._keys.store_again()
        return tuple(problems)

    def _decline(self, identifier: bytes, *, stays: bytes) -> list[str]:
        shown = identifier.hex()
        if identifier == self._ring.primary:
            lacking = _listed(self._keys.lacking(stays)) or "this node, as yet"
            return [f"gossip key {shown} stays: it is primary until all hold {stays.hex()}; lacked by {lacking}"]
        users = [name for name, word in self._keys.words.items() if word.primary == identifier and self._is_live(name)]
        if users:
            return [f"gossip key {shown} stays: {_listed(users)} seals under it"]
        self._ring.decline(identifier)
        return []

    def _is_live(self, name: str) -> bool:
        entry = self._members.entries.get(name)
        return entry is not None and entry.state.is_live

    def _find(self, identifier: str) -> bytes | None:
        parsed = _parsed(identifier)
        return self._ring.find(parsed) if parsed is not None else None

    def _unknown(self, identifier: str) -> Said:
        held = ", ".join(each.hex() for each in self._ring.held())
        return Said(False, f'no key "{identifier[:16]}" is held here; there are {held}', identifier)


def _spent(identifier: str) -> Said:
    return Said(
        False,
        "an order with the highest possible number is known, and none can follow it: somebody else has the key; write "
        "a new one to the key files of all nodes, and restart them all at once",
        identifier,
    )


def _parsed(identifier: str) -> bytes | None:
    try:
        return bytes.fromhex(identifier)
    except ValueError:
        return None


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
