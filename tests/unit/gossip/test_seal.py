import random

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.gossip.identity import Identity, KeyRing
from lbmesh.gossip.limits import DATAGRAM_BYTES_MAX, REPLAY_WINDOW, SESSIONS_MAX
from lbmesh.gossip.seal import Opened, Opener, Rejection, ReplayWindow, Sealer, sealed_room
from lbmesh.model.address import Address

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
IDENTITY = Identity("lb-a1", "a", Address("10.0.0.1", 7946), 3, b"s" * 16)


def sealer(identity: Identity = IDENTITY, key: bytes = KEY) -> Sealer:
    return Sealer(identity, KeyRing((key,)))


@given(payload=st.binary(max_size=sealed_room(IDENTITY.name)))
def test_what_is_sealed_opens(payload: bytes) -> None:
    opened = Opener(KeyRing((KEY,))).open(sealer().seal(3, payload))
    assert opened == Opened("lb-a1", b"s" * 16, IDENTITY.incarnation, payload)


@given(data=st.data(), payload=st.binary(min_size=1, max_size=200))
def test_one_flipped_bit_anywhere_is_refused(data: st.DataObject, payload: bytes) -> None:
    datagram = bytearray(sealer().seal(3, payload))
    bit = data.draw(st.integers(0, 8 * len(datagram) - 1))
    datagram[bit // 8] ^= 1 << bit % 8
    opener = Opener(KeyRing((KEY,)))
    assert isinstance(opener.open(bytes(datagram)), Rejection)
    assert len(opener) == 0


@given(data=st.data())
def test_a_truncated_or_lengthened_datagram_is_refused(data: st.DataObject) -> None:
    datagram = sealer().seal(3, b"payload")
    cut = data.draw(st.integers(0, len(datagram) - 1))
    opener = Opener(KeyRing((KEY,)))
    assert isinstance(opener.open(datagram[:cut]), Rejection)
    assert isinstance(opener.open(datagram + datagram[: cut + 1]), Rejection)
    assert len(opener) == 0


@given(noise=st.binary(max_size=1300))
def test_noise_is_refused_and_not_remembered(noise: bytes) -> None:
    opener = Opener(KeyRing((KEY,)))
    assert isinstance(opener.open(noise), Rejection)
    assert isinstance(opener.open(b"\x01" + noise), Rejection)
    assert len(opener) == 0


def test_each_reason_has_its_word() -> None:
    opener = Opener(KeyRing((KEY,)))
    datagram = sealer().seal(3, b"payload")
    assert opener.open(b"") is Rejection.TRUNCATED
    assert opener.open(b"\x02" + datagram[1:]) is Rejection.VERSION
    assert opener.open(bytes(DATAGRAM_BYTES_MAX + 1)) is Rejection.TOO_LARGE
    assert opener.open(sealer(key=OTHER_KEY).seal(3, b"payload")) is Rejection.UNKNOWN_KEY
    assert opener.open(datagram[:-1] + bytes((datagram[-1] ^ 1,))) is Rejection.FORGED
    assert isinstance(opener.open(datagram), Opened)
    assert opener.open(datagram) is Rejection.REPLAYED


def test_any_key_of_the_ring_opens_and_the_first_seals() -> None:
    ring = KeyRing((OTHER_KEY, KEY))
    assert isinstance(Opener(ring).open(sealer().seal(3, b"old key")), Opened)
    assert Opener(KeyRing((KEY,))).open(Sealer(IDENTITY, ring).seal(3, b"new key")) is Rejection.UNKNOWN_KEY


@given(counters=st.lists(st.integers(1, 3 * REPLAY_WINDOW), max_size=200))
def test_the_window_takes_each_counter_once_and_none_too_old(counters: list[int]) -> None:
    window = ReplayWindow()
    taken: set[int] = set()
    for counter in counters:
        expected = counter in taken or counter <= max(taken, default=0) - REPLAY_WINDOW
        assert window.seen(counter) == expected
        if not window.seen(counter):
            window.mark(counter)
            taken.add(counter)
    assert window.seen(0)


def test_sessions_are_bounded() -> None:
    opener = Opener(KeyRing((KEY,)))
    rng = random.Random(1)
    for _ in range(SESSIONS_MAX + 10):
        identity = Identity("lb-a1", "a", IDENTITY.address, 1, rng.randbytes(16))
        assert isinstance(opener.open(sealer(identity).seal(1, b"x")), Opened)
    assert len(opener) == SESSIONS_MAX
