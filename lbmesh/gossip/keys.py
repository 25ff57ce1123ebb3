"""The ring among the members: what each says of its own, under which key to speak to whom, and who lacks what.

A new key is first written to the key file, then told of; whoever holds it gives it to those that do not say they hold
it, again and again. All seal under it only when every live member says so, and a removed key opens for as long as
a live member has nothing else. So no datagram between live members comes under a key that its receiver lacks.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator

from lbmesh.gossip.codec import encode
from lbmesh.gossip.identity import KeyRing, Rng, key_id
from lbmesh.gossip.limits import KEY_SOURCES_MAX, GossipTiming
from lbmesh.gossip.members import Entry, Members
from lbmesh.gossip.messages import GivenKey, KeyGift
from lbmesh.gossip.ring import NO_ORDER, Ring, RingWord
from lbmesh.gossip.ring_codec import decode_ring, encode_ring
from lbmesh.model.address import Address

_GIVERS = 4
"""Of those that hold a key, about so many give it to a member that lacks it in each interval."""

_NEVER = float("inf")


class Keys:
    """This node's ring, and what is known of the others'. `say` publishes this node's own word of it."""

    def __init__(
        self, start: KeyRing, members: Members, timing: GossipTiming, rng: Rng, say: Callable[[float, bytes], None]
    ) -> None:
        self.ring = Ring(start)
        self.words: dict[str, RingWord] = {}
        self._members = members
        self._timing = timing
        self._rng = rng
        self._say = say
        self._restarted: set[str] = set()
        self._heard_under: OrderedDict[Address, bytes] = OrderedDict()
        self._choices: dict[Address, bytes] | None = None
        self._asked_to_store: tuple[bytes, ...] | None = self.ring.to_store()
        self._unsettled = True
        self._due_s = _NEVER
        self._gifts_s = float("-inf")
        self._dialled = 0

    # What comes in.

    def learn(self, name: str, value: bytes) -> None:
        """Take a member's word of its ring, and the orders in it. Malformed words change nothing."""
        word = decode_ring(value)
        if word is None:
            return
        self.words[name] = word
        self._restarted.discard(name)
        for note in word.notes:
            self.ring.hear(note)
        self.ring.want(word.wanted, word.order)
        self.unsettle()

    def restarted(self, name: str) -> None:
        """The member started anew: what it said holds only until it says something new."""
        self._restarted.add(name)
        self.unsettle()

    def forget(self, name: str) -> None:
        """The member is no longer known."""
        self.words.pop(name, None)
        self._restarted.discard(name)

    def take(self, gift: KeyGift) -> None:
        """Take the keys that a member found lacking here."""
        for given in gift.keys:
            if given.stamp > NO_ORDER and self.ring.install(given.stamp, given.key):
                self.unsettle()

    def heard(self, source: Address, identifier: bytes) -> None:
        """An authentic datagram came from there under this key."""
        if self.ring.is_single:
            return
        self._heard_under[source] = identifier
        self._heard_under.move_to_end(source)
        if len(self._heard_under) > KEY_SOURCES_MAX:
            self._heard_under.popitem(last=False)

    def stored(self, keys: tuple[bytes, ...], *, volatile: bool) -> None:
        """The key file holds these keys now; `volatile`: it cannot be written."""
        self.ring.stored(keys, volatile=volatile)
        self.unsettle()

    def unsettle(self) -> None:
        """Something has changed that the ring depends on."""
        self._unsettled = True
        self._choices = None

    # Under which key to speak.

    def key_for(self, address: Address) -> bytes:
        """The id of the key to seal under for this address: the primary one, unless whoever is there lacks it."""
        ring = self.ring
        if ring.is_single:
            return ring.primary
        if self._choices is None:
            self._choices = dict(self._choose())
        chosen = self._choices.get(address) or self._heard_under.get(address)
        return chosen if chosen is not None and ring.find(chosen) else ring.primary

    def _choose(self) -> Iterator[tuple[Address, bytes]]:
        for name, word in self.words.items():
            entry = self._members.entries.get(name)
            if entry is None or (name in self._restarted and entry.address in self._heard_under):
                continue
            yield entry.address, self._common(word) or self.ring.primary

    def _common(self, word: RingWord) -> bytes | None:
        """A key that the member holds, too: the primary one if possible, else the newest."""
        ring = self.ring
        if word.holds(ring.primary) or word.primary == ring.primary:
            return ring.primary
        return next((each for each in ring.held() if word.holds(each) or word.primary == each), None)

    def next_dialled(self) -> bytes:
        """For the seeds of a node that is alone: each key in turn, as the mesh may know but one of them."""
        held = self.ring.held()
        self._dialled += 1
        return held[self._dialled % len(held)]

    # What goes out.

    def settle(self, now: float) -> list[tuple[Address, bytes]]:
        """Use what can be used, drop what nobody needs, say so. Returns (address, frame): keys for live members that
        lack them.
        """
        if now < self.deadline_s():
            return []
        self._unsettled = False
        ring = self.ring
        if ring.wanted != ring.primary and ring.holds(ring.wanted) and not self.lacking(ring.wanted):
            ring.use(ring.wanted)
            self._choices = None
        if ring.removed() and ring.expire(now, self._timing.key_linger_s, self._is_needed):
            self._choices = None
        self._say(now, encode_ring(ring.word()))
        lacking = list(self._lack_gifts())
        gifts = []
        if lacking and now >= self._gifts_s:
            self._gifts_s = now + self._timing.key_interval_s
            gifts = list(self._give(lacking))
        self._due_s = self._gifts_s if lacking else _NEVER
        if ring.removed():
            self._due_s = min(self._due_s, now + self._timing.key_interval_s)
        return gifts

    def to_store(self) -> tuple[bytes, ...] | None:
        """What the key file is to hold from now on; None when that has been said."""
        keys = self.ring.to_store()
        if keys == self._asked_to_store:
            return None
        self._asked_to_store = keys
        return keys

    def store_again(self) -> None:
        """Somebody else has written the key file: it is to hold what the ring holds."""
        self._asked_to_store = None
        self.unsettle()

    def deadline_s(self) -> float:
        """When `settle` is due."""
        return float("-inf") if self._unsettled else self._due_s

    def _give(self, lacking: list[tuple[Entry, tuple[GivenKey, ...]]]) -> Iterator[tuple[Address, bytes]]:
        givers = {
            each: 1 + sum(word.answers(each, stamp) for word in self.words.values())
            for each, stamp, _ in self.ring.gifts()
        }
        for entry, lacked in lacking:
            few = min(givers[key_id(given.key)] for given in lacked)
            if self._rng.random() * few < _GIVERS:
                yield entry.address, encode(KeyGift(lacked))

    def _lack_gifts(self) -> Iterator[tuple[Entry, tuple[GivenKey, ...]]]:
        """Live members, and the keys they have taken no note of. Who says nothing at all is of an older release."""
        known = tuple(self.ring.gifts())
        for entry in self._members.live_peers() if known else ():
            word = self.words.get(entry.name)
            lacked = tuple(GivenKey(stamp, key) for each, stamp, key in known if word and not word.answers(each, stamp))
            if lacked:
                yield entry, lacked

    def lacking(self, identifier: bytes) -> list[str]:
        """Live members that do not say they hold the key."""
        return [
            entry.name
            for entry in self._members.live_peers()
            if (word := self.words.get(entry.name)) is None
            or entry.name in self._restarted
            or not word.holds(identifier)
        ]

    def _is_needed(self, identifier: bytes) -> bool:
        """Does a live member seal under it, or share no other with this node?"""
        words = [self.words.get(entry.name) for entry in self._members.live_peers()]
        return any(
            word is None or word.primary == identifier or self._common(word) in (identifier, None) for word in words
        )
