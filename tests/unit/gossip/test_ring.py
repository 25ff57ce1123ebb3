"""The ring by itself: orders come in any order, any number of times, and all members end with the same ring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.gossip.codec import decode, encode
from lbmesh.gossip.identity import KeyRing, key_id
from lbmesh.gossip.limits import KEY_NOTES_MAX, KEYS_MAX, VALUE_BYTES_MAX
from lbmesh.gossip.messages import GivenKey, KeyGift
from lbmesh.gossip.ring import NO_ORDER, KeyNote, Ring, RingWord, Stamp, Standing
from lbmesh.gossip.ring_codec import decode_ring, encode_ring

FIRST = b"k" * 32
KEYS = [bytes((number,)) * 32 for number in range(6)]
LINGER_S = 5.0

stamps = st.builds(Stamp, st.integers(1, 2**32 - 1), st.integers(0, 2**64 - 1))
identifiers = st.binary(min_size=4, max_size=4)
notes = st.builds(KeyNote, identifiers, stamps, st.sampled_from(Standing))
words = st.builds(
    RingWord, identifiers, identifiers, stamps, st.booleans(), st.lists(notes, max_size=KEY_NOTES_MAX).map(tuple)
)
orders = st.tuples(
    st.sampled_from(["install", "remove", "use"]), st.sampled_from(KEYS), st.integers(1, 5), st.integers(0, 3)
)


def given_to(ring: Ring, order: tuple[str, bytes, int, int]) -> None:
    kind, key, counter, author = order
    stamp = Stamp(counter, author)
    match kind:
        case "install":
            ring.install(stamp, key)
        case "remove":
            ring.hear(KeyNote(key_id(key), stamp, Standing.REMOVED))
        case _:
            ring.want(key_id(key), stamp)


def settled(ring: Ring) -> tuple[object, ...]:
    word = ring.word()
    return word.wanted, word.order, {(note.identifier, note.stamp, note.standing) for note in word.notes}


def one_order_a_stamp(orders: list[tuple[str, bytes, int, int]]) -> dict[tuple[int, int], tuple[str, bytes, int, int]]:
    """An author never gives two orders the same stamp."""
    return {order[2:]: order for order in orders}


@given(st.data(), st.lists(orders, max_size=12))
def test_all_members_come_to_the_same_ring(data: st.DataObject, orders: list[tuple[str, bytes, int, int]]) -> None:
    orders = list(one_order_a_stamp(orders).values())
    told = data.draw(st.permutations(orders + orders))
    first, second = Ring(KeyRing((FIRST,))), Ring(KeyRing((FIRST,)))
    for ring, sequence in ((first, orders), (second, told)):
        for order in sequence:
            given_to(ring, order)
        ring.stored(KEYS, volatile=False)
    assert settled(first) == settled(second)


@given(st.lists(orders, max_size=40))
def test_a_ring_is_bounded_and_always_holds_its_primary_key(orders: list[tuple[str, bytes, int, int]]) -> None:
    ring = Ring(KeyRing((FIRST,)))
    for index, order in enumerate(orders):
        given_to(ring, order)
        ring.expire(10.0 * index, LINGER_S, lambda _: False)
        assert ring.find(ring.primary)
        assert 1 <= len(ring.to_store()) <= KEYS_MAX
        assert key_id(ring.to_store()[0]) == ring.primary
    for number in range(2 * KEY_NOTES_MAX):
        key = bytes((200, number)) * 16
        ring.install(Stamp(10 + number, 1), key)
        assert len(ring.held()) <= KEYS_MAX
        ring.hear(KeyNote(key_id(key), Stamp(1000 + number, 1), Standing.REMOVED))
        ring.expire(1e6 * (number + 1), LINGER_S, lambda _: False)
        ring.expire(1e6 * (number + 1) + LINGER_S, LINGER_S, lambda _: False)
        assert len(ring.word().notes) <= KEY_NOTES_MAX
        assert len(encode_ring(ring.word())) <= VALUE_BYTES_MAX


def test_a_full_ring_takes_no_key_until_one_goes() -> None:
    ring = Ring(KeyRing([bytes((number,)) * 32 for number in range(KEYS_MAX)]))
    assert not ring.install(Stamp(1, 1), FIRST)
    ring.remove(key_id(bytes((3,)) * 32), Stamp(2, 1))
    ring.expire(0.0, LINGER_S, lambda _: False)
    assert ring.expire(LINGER_S, LINGER_S, lambda _: False) == [key_id(bytes((3,)) * 32)]
    assert ring.install(Stamp(3, 1), FIRST)
    with pytest.raises(ValueError, match="at most 8"):
        KeyRing([bytes((number,)) * 32 for number in range(KEYS_MAX + 1)])


def test_a_removed_key_opens_until_nobody_has_needed_it_for_a_while() -> None:
    ring = Ring(KeyRing((KEYS[0], FIRST)))
    old = key_id(FIRST)
    ring.remove(old, Stamp(1, 1))
    assert not ring.holds(old)
    assert ring.to_store() == (KEYS[0],)
    assert ring.expire(0.0, LINGER_S, lambda _: True) == []
    assert ring.expire(100.0, LINGER_S, lambda _: True) == []
    assert ring.expire(104.9, LINGER_S, lambda _: False) == []
    assert ring.find(old) == FIRST
    assert ring.expire(105.0, LINGER_S, lambda _: False) == [old]
    assert ring.find(old) is None
    assert not ring.install(NO_ORDER, FIRST), "an order stands above a file"
    assert ring.install(ring.next_stamp(9), FIRST), "a newer order brings it back"


def test_nothing_is_said_of_a_key_before_it_is_in_the_file_and_what_a_file_brought_is_given_to_nobody() -> None:
    ring = Ring(KeyRing((FIRST,)))
    assert list(ring.gifts()) == []
    ring.install(Stamp(1, 1), KEYS[0])
    assert not ring.word().holds(key_id(KEYS[0]))
    assert list(ring.gifts()) == []
    ring.stored(ring.to_store(), volatile=True)
    assert ring.word().holds(key_id(KEYS[0]))
    assert ring.word().volatile
    assert list(ring.gifts()) == [(key_id(KEYS[0]), Stamp(1, 1), KEYS[0])]


def test_a_declined_key_comes_back_by_a_newer_order_only() -> None:
    ring = Ring(KeyRing((FIRST, KEYS[0])))
    ring.install(Stamp(3, 1), KEYS[0])
    ring.decline(key_id(KEYS[0]))
    assert not ring.install(Stamp(3, 1), KEYS[0])
    assert ring.word().answers(key_id(KEYS[0]), Stamp(3, 1))
    assert ring.install(Stamp(4, 0), KEYS[0])


@given(words)
def test_a_word_survives_the_wire_with_what_a_later_release_adds(word: RingWord) -> None:
    assert decode_ring(encode_ring(word)) == word
    assert decode_ring(encode_ring(word) + b"later") == word


@given(st.binary(max_size=400))
def test_a_hostile_word_is_read_or_refused(value: bytes) -> None:
    word = decode_ring(value)
    assert word is None or value.startswith(encode_ring(word))


@given(st.lists(st.builds(GivenKey, stamps, st.binary(min_size=32, max_size=32)), max_size=KEYS_MAX))
def test_given_keys_survive_the_wire(given_keys: list[GivenKey]) -> None:
    gift = KeyGift(tuple(given_keys))
    assert decode(encode(gift)) == (gift,)
    assert decode(encode(gift)[:-1]) is None
