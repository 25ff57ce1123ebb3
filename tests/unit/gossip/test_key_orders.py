"""What an operator is refused because a member would be left behind."""

import random

from lbmesh.gossip.codec import MemberFacts, encode_member
from lbmesh.gossip.identity import Identity, KeyRing
from lbmesh.gossip.key_orders import KeyOrders, Said
from lbmesh.gossip.keys import Keys
from lbmesh.gossip.limits import GossipTiming
from lbmesh.gossip.members import Members
from tests.unit.gossip.test_keys import HERE, NEW, NEW_ID, OLD, OLD_ID, address, word


def orders(*names: str) -> tuple[Keys, KeyOrders]:
    """Of a node that seals under the new key and holds the old one, among live members that do so too."""
    members = Members(Identity("here", "a", HERE, 1, b"s" * 32), 0.0)
    keys = Keys(KeyRing((NEW, OLD)), members, GossipTiming(), random.Random(1), lambda _now, _value: None)
    for name in names:
        members.learn(0.0, name, 1, encode_member(MemberFacts("b", address(name), b"p" * 32)))
        keys.learn(name, word(OLD_ID, NEW_ID, primary=NEW_ID, wanted=NEW_ID))
    return keys, KeyOrders("here", keys, members)


def remove_old(given: KeyOrders) -> Said:
    return given.remove(OLD_ID.hex(), force=True)


def test_a_key_that_nobody_needs_is_removed() -> None:
    keys, given = orders("x", "yy")
    assert remove_old(given).done
    assert not keys.ring.holds(OLD_ID)


def test_no_key_is_removed_while_a_live_member_lacks_the_primary_one() -> None:
    """It may seal under it and yet not hold it for good: its key file does not have it."""
    keys, given = orders("x", "yy")
    keys.learn("yy", word(OLD_ID, primary=NEW_ID, wanted=NEW_ID))
    said = remove_old(given)
    assert (said.done, said.members) == (False, ("yy",))
    assert "yy may lack the primary key" in said.what
    assert keys.ring.holds(OLD_ID)
    keys.learn("yy", word(OLD_ID, NEW_ID, primary=NEW_ID, wanted=NEW_ID))
    assert remove_old(given).done


def test_what_a_member_held_before_it_started_anew_is_no_promise() -> None:
    keys, given = orders("x", "yy")
    keys.restarted("x")
    said = remove_old(given)
    assert (said.done, said.members) == (False, ("x",))
