import random

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.gossip.identity import Identity, KeyRing, key_id
from lbmesh.gossip.limits import DATAGRAM_BYTES_MAX, REPLAY_WINDOW, SESSIONS_MAX, SESSIONS_UNPROVEN_MAX, GossipTiming
from lbmesh.gossip.ring import Ring, Stamp
from lbmesh.gossip.seal import Opened, Opener, Rejection, Sealer, sealed_room
from lbmesh.gossip.sessions import ReplayWindow, Session, Sessions
from lbmesh.model.address import Address

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
IDENTITY = Identity("lb-a1", "a", Address("10.0.0.1", 7946), 3, b"s" * 32)


def sealer(identity: Identity = IDENTITY, key: bytes = KEY) -> Sealer:
    return Sealer(identity, KeyRing((key,)))


def opener(key: bytes, sessions: Sessions | None = None) -> Opener:
    return Opener(KeyRing((key,)), Sessions() if sessions is None else sessions)


@given(payload=st.binary(max_size=sealed_room(IDENTITY.name)))
def test_what_is_sealed_opens(payload: bytes) -> None:
    opened = opener(KEY).open(sealer().seal(3, payload))
    assert isinstance(opened, Opened)
    assert (opened.sender, opened.session.key[1], opened.incarnation) == (
        "lb-a1",
        IDENTITY.session,
        IDENTITY.incarnation,
    )
    assert opened.payload == payload


@given(data=st.data(), payload=st.binary(min_size=1, max_size=200))
def test_one_flipped_bit_anywhere_is_refused(data: st.DataObject, payload: bytes) -> None:
    datagram = bytearray(sealer().seal(3, payload))
    bit = data.draw(st.integers(0, 8 * len(datagram) - 1))
    datagram[bit // 8] ^= 1 << bit % 8
    fresh = opener(KEY)
    assert isinstance(fresh.open(bytes(datagram)), Rejection)
    assert len(fresh) == 0


@given(data=st.data())
def test_a_truncated_or_lengthened_datagram_is_refused(data: st.DataObject) -> None:
    datagram = sealer().seal(3, b"payload")
    cut = data.draw(st.integers(0, len(datagram) - 1))
    fresh = opener(KEY)
    assert isinstance(fresh.open(datagram[:cut]), Rejection)
    assert isinstance(fresh.open(datagram + datagram[: cut + 1]), Rejection)
    assert len(fresh) == 0


@given(noise=st.binary(max_size=1300))
def test_noise_is_refused_and_not_remembered(noise: bytes) -> None:
    fresh = opener(KEY)
    assert isinstance(fresh.open(noise), Rejection)
    assert isinstance(fresh.open(b"\x01" + noise), Rejection)
    assert len(fresh) == 0


def test_each_reason_has_its_word() -> None:
    fresh = opener(KEY)
    datagram = sealer().seal(3, b"payload")
    assert fresh.open(b"") is Rejection.TRUNCATED
    assert fresh.open(b"\x02" + datagram[1:]) is Rejection.VERSION
    assert fresh.open(bytes(DATAGRAM_BYTES_MAX + 1)) is Rejection.TOO_LARGE
    assert fresh.open(sealer(key=OTHER_KEY).seal(3, b"payload")) is Rejection.UNKNOWN_KEY
    assert fresh.open(datagram[:-1] + bytes((datagram[-1] ^ 1,))) is Rejection.FORGED
    assert isinstance(fresh.open(datagram), Opened)
    assert fresh.open(datagram) is Rejection.REPLAYED


def test_any_key_of_the_ring_opens_and_the_first_seals() -> None:
    ring = KeyRing((OTHER_KEY, KEY))
    assert isinstance(Opener(ring, Sessions()).open(sealer().seal(3, b"old key")), Opened)
    assert opener(KEY).open(Sealer(IDENTITY, ring).seal(3, b"new key")) is Rejection.UNKNOWN_KEY


def test_a_cipher_is_forgotten_with_its_key() -> None:
    ring, third = Ring(KeyRing((KEY, OTHER_KEY))), b"t" * 32
    fresh, speaker = Opener(ring, Sessions()), Sealer(IDENTITY, KeyRing((KEY, OTHER_KEY, third)))
    opened = [fresh.open(speaker.seal(3, b"x", key_id(key))) for key in (KEY, OTHER_KEY)][-1]
    assert isinstance(opened, Opened)
    session = opened.session
    assert session.ciphers.keys() == {key_id(KEY), key_id(OTHER_KEY)}
    ring.decline(key_id(OTHER_KEY))
    ring.install(Stamp(1, 1), third)
    assert isinstance(fresh.open(speaker.seal(3, b"x", key_id(third))), Opened)
    assert session.ciphers.keys() == {key_id(KEY), key_id(third)}
    ring.decline(key_id(third))
    assert fresh.open(speaker.seal(3, b"x", key_id(third))) is Rejection.UNKNOWN_KEY
    assert session.ciphers.keys() == {key_id(KEY)}


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


def test_what_came_before_the_proof_counts_as_seen() -> None:
    sessions = Sessions()
    fresh, speaker = opener(KEY, sessions), sealer()
    recorded, proof, later = (speaker.seal(3, b"x") for _ in range(3))
    opened = fresh.open(proof)
    assert isinstance(opened, Opened)
    sessions.prove(1.0, opened.session)
    assert fresh.open(recorded) is Rejection.REPLAYED
    assert isinstance(fresh.open(later), Opened)


def test_sessions_are_bounded_and_recordings_push_out_none_that_lives() -> None:
    sessions = Sessions()
    fresh, rng, living = opener(KEY, sessions), random.Random(1), sealer()
    opened = fresh.open(living.seal(3, b"x"))
    assert isinstance(opened, Opened)
    sessions.prove(1.0, opened.session)
    for number in range(SESSIONS_MAX + SESSIONS_UNPROVEN_MAX):
        identity = Identity("lb-a1", "a", IDENTITY.address, 1, rng.randbytes(32))
        assert isinstance(fresh.open(sealer(identity).seal(1, b"x")), Opened)
        assert len(fresh) == 1 + min(number + 1, SESSIONS_UNPROVEN_MAX)
    again = fresh.open(living.seal(3, b"y"))
    assert isinstance(again, Opened)
    assert again.session.proven_s == 1.0
    for _ in range(SESSIONS_MAX + 10):
        sessions.prove(2.0, Session((b"lb-a1", rng.randbytes(16))))
    assert len(sessions) == SESSIONS_MAX + SESSIONS_UNPROVEN_MAX


def test_a_nonce_counts_for_a_while_only() -> None:
    timing, session = GossipTiming(), Session((b"lb-a1", b"s" * 16))
    assert session.ask(0.0, 7, timing) == 7
    assert session.ask(0.1, 8, timing) is None
    assert session.ask(0.3, 9, timing) == 7, "an answer to it may be on its way"
    assert session.gave_back(1.0, 7, timing)
    assert not session.gave_back(1.0, 9, timing)
    assert not session.gave_back(10.0, 7, timing)
    assert session.ask(10.0, 10, timing) == 10
