"""What a node does with its ring while others lag behind."""

import random

from lbmesh.gossip.codec import MemberFacts, encode_member
from lbmesh.gossip.identity import Identity, KeyRing, key_id
from lbmesh.gossip.keys import Keys
from lbmesh.gossip.limits import GossipTiming
from lbmesh.gossip.members import Members
from lbmesh.gossip.ring import KeyNote, RingWord, Stamp, Standing
from lbmesh.gossip.ring_codec import encode_ring
from lbmesh.model.address import Address

OLD, NEW = b"o" * 32, b"n" * 32
OLD_ID, NEW_ID = key_id(OLD), key_id(NEW)
ORDER = Stamp(7, 7)
HERE = Address("10.0.0.1", 7946)


def address(name: str) -> Address:
    return Address(f"10.0.1.{len(name)}", 7946)


def ring_of(*names: str, keys: tuple[bytes, ...] = (OLD, NEW)) -> Keys:
    members = Members(Identity("here", "a", HERE, 1, b"s" * 32), 0.0)
    for name in names:
        members.learn(0.0, name, 1, encode_member(MemberFacts("b", address(name), b"p" * 32)))
    return Keys(KeyRing(keys), members, GossipTiming(), random.Random(1), lambda _now, _value: None)


def word(*held: bytes, primary: bytes = OLD_ID, wanted: bytes = OLD_ID, order: Stamp = Stamp(0, 0)) -> bytes:  # noqa: B008
    notes = tuple(KeyNote(each, Stamp(0, 0), Standing.HELD) for each in held)
    return encode_ring(RingWord(primary, wanted, order, False, notes))


def test_nobody_seals_under_the_wanted_key_before_every_live_member_says_it_holds_it() -> None:
    keys = ring_of("x", "yy")
    keys.learn("x", word(OLD_ID, NEW_ID, wanted=NEW_ID, order=ORDER))
    keys.settle(1.0)
    assert keys.ring.primary == OLD_ID, "yy has not said anything"
    keys.learn("yy", word(OLD_ID))
    keys.settle(2.0)
    assert keys.ring.primary == OLD_ID
    keys.learn("yy", word(OLD_ID, NEW_ID))
    keys.restarted("yy")
    keys.settle(3.0)
    assert keys.ring.primary == OLD_ID, "what yy said before it restarted is no promise"
    keys.learn("yy", word(OLD_ID, NEW_ID))
    keys.settle(4.0)
    assert keys.ring.primary == NEW_ID


def test_each_is_spoken_to_under_a_key_that_it_holds() -> None:
    keys = ring_of("x", "yy", "zzz", keys=(NEW, OLD))
    keys.learn("x", word(OLD_ID, NEW_ID))
    keys.learn("yy", word(OLD_ID))
    keys.settle(1.0)
    stranger = Address("10.9.9.9", 1)
    assert keys.key_for(address("x")) == NEW_ID
    assert keys.key_for(address("yy")) == OLD_ID
    assert keys.key_for(address("zzz")) == NEW_ID, "nothing is known of it"
    keys.heard(address("zzz"), OLD_ID)
    keys.heard(stranger, OLD_ID)
    assert keys.key_for(address("zzz")) == keys.key_for(stranger) == OLD_ID
    keys.heard(address("x"), OLD_ID)
    assert keys.key_for(address("x")) == NEW_ID, "its word counts more"
    keys.restarted("x")
    assert keys.key_for(address("x")) == OLD_ID, "but not that of an earlier start"


def test_a_gibberish_word_changes_nothing() -> None:
    keys = ring_of("x")
    keys.learn("x", word(OLD_ID, NEW_ID))
    keys.learn("x", b"gibberish")
    assert keys.words["x"].holds(NEW_ID)
