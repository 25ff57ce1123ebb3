import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmesh.gossip.codec import MemberFacts, decode, encode, encode_edges, encode_member
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import Identity, Incarnation, KeyRing, key_id, member_id, public_key_of
from lbmesh.gossip.limits import (
    EPOCH_JUMP_MAX,
    MEMBERS_MAX,
    ORDER_MAX,
    ROWS_PER_OWNER_MAX,
    SEQUENCE_MAX,
    TOMBSTONES_MAX,
    VALUE_BYTES_MAX,
)
from lbmesh.gossip.messages import (
    ID_MAX,
    Conflict,
    Digest,
    DigestEntry,
    Message,
    Ping,
    Pong,
    Rows,
    WireRow,
)
from lbmesh.gossip.notices import NoticeKind
from lbmesh.gossip.ring import NO_ORDER, KeyNote, RingWord, Stamp, Standing
from lbmesh.gossip.ring_codec import encode_ring
from lbmesh.gossip.seal import Opened, Opener, Sealer
from lbmesh.gossip.sessions import Sessions
from lbmesh.gossip.signatures import Signer
from lbmesh.gossip.turn import Output
from lbmesh.model.address import Address
from lbmesh.model.member import MemberState

RING = KeyRing((b"k" * 32,))
HERE, THERE = Address("10.0.0.1", 7946), Address("10.0.1.1", 7946)
NOW = 100.0


def identity(name: str, epoch: int = 1, secret: bytes = b"") -> Identity:
    address = HERE if name == "here" else THERE
    return Identity(name, f"zone-{name}", address, epoch, (secret or name.encode()).ljust(32, b"-"))


def node(name: str = "here", epoch: int = 1, seeds: tuple[Address, ...] = ()) -> Gossip:
    return Gossip(identity=identity(name, epoch), key_ring=RING, seeds=seeds, rng=random.Random(name), now=NOW)


def believes(gossip: Gossip) -> object:
    return gossip.members(), sorted(gossip.rows(""), key=lambda row: row.key), gossip.epoch


def signed(who: Identity, sequence: int, body: bytes, key: str = "_member") -> WireRow:
    """A row of the gossip's own, as its owner would write it."""
    return WireRow(key, sequence, body + Signer(who).sign(who.incarnation, key, sequence, body))


def introduction(who: Identity, *, left: bool = False, rows: tuple[WireRow, ...] = ()) -> bytes:
    """What a member says of itself, sealed by nobody yet."""
    own = signed(who, 1, encode_member(MemberFacts(who.zone, who.address, public_key_of(who.secret), left)))
    return encode(Rows(who.name, who.incarnation, 0, 0, 0, (own, *rows)))


def said(output: Output) -> list[tuple[Address, Message]]:
    """What a step sends, opened."""
    opener = Opener(RING, Sessions())
    messages: list[tuple[Address, Message]] = []
    for address, datagram in output.datagrams:
        opened = opener.open(datagram)
        assert isinstance(opened, Opened)
        messages += [(address, message) for message in decode(opened.payload) or ()]
    return messages


def prove(gossip: Gossip, sealer: Sealer, epoch: int, *, now: float = NOW, source: Address = THERE) -> Output:
    """Give back the nonce that the node asks of a session it does not know."""
    output = gossip.receive(now, source, sealer.seal(epoch, b""))
    assert output.rejected == "unproven"
    (nonce,) = (message.nonce for _, message in said(output) if isinstance(message, Ping))
    return gossip.receive(now, source, sealer.seal(epoch, encode(Pong(nonce))))


def met(epoch: int = 1) -> tuple[Gossip, Sealer]:
    """A node that has met "there", and the latter's sealer."""
    gossip, there = node(), identity("there", epoch)
    sealer = Sealer(there, RING)
    prove(gossip, sealer, epoch)
    gossip.receive(NOW, THERE, sealer.seal(epoch, introduction(there)))
    assert [member.name for member in gossip.members()] == ["here", "there"]
    return gossip, sealer


def test_a_node_alone_knows_itself_and_dials_its_seeds_for_ever() -> None:
    gossip = node(seeds=(THERE, HERE, Address("not-resolved.example", 7946)))
    assert [member.name for member in gossip.members()] == ["here"]
    dialled = []
    for second in range(20):
        dialled += [address for address, _ in gossip.tick(NOW + second).datagrams]
    assert len(dialled) >= 10
    assert set(dialled) == {THERE}
    gossip.seeds_resolved((Address("10.0.2.1", 7946),))
    assert [address for address, _ in gossip.tick(NOW + 21).datagrams] == [Address("10.0.2.1", 7946)]


@given(data=st.data())
@settings(max_examples=200)
def test_a_damaged_datagram_changes_nothing(data: st.DataObject) -> None:
    gossip, sealer = met()
    news = Rows("there", identity("there").incarnation, 0, 0, 0, (WireRow("row", 2, b"value"),))
    datagram = bytearray(sealer.seal(1, encode(news)))
    before = believes(gossip)
    if data.draw(st.booleans()):
        bit = data.draw(st.integers(0, 8 * len(datagram) - 1))
        datagram[bit // 8] ^= 1 << bit % 8
    else:
        del datagram[data.draw(st.integers(0, len(datagram) - 1)) :]
    output = gossip.receive(NOW, THERE, bytes(datagram))
    assert output.rejected
    assert not output.datagrams
    assert not output.rows_changed
    assert believes(gossip) == before
    assert gossip.counters[f"rejected_{output.rejected}"] == 1


@given(payload=st.binary(max_size=1000))
def test_a_member_that_speaks_gibberish_changes_nothing(payload: bytes) -> None:
    gossip, sealer = met()
    before = believes(gossip)
    gossip.receive(NOW, THERE, sealer.seal(1, b"\x03" + payload))
    assert believes(gossip) == before


def test_a_replayed_datagram_and_one_of_an_older_epoch_change_nothing() -> None:
    gossip, _ = met(epoch=5)
    old = identity("there", 4, b"old session 0000")
    sealer = Sealer(old, RING)
    prove(gossip, sealer, 4)
    row = sealer.seal(4, introduction(old, rows=(WireRow("row", 2, b"old"),)))
    before = believes(gossip)
    assert gossip.receive(NOW, THERE, row).rejected == "stale_identity"
    assert gossip.receive(NOW, THERE, row).rejected == "replayed"
    assert believes(gossip) == before


def test_nobody_writes_the_rows_of_this_node() -> None:
    gossip, sealer = met()
    gossip.publish(NOW, "row", b"mine")
    theirs = Rows("here", Incarnation(99, 99), 0, 0, 0, (WireRow("row", 9, b"theirs"),))
    gossip.receive(NOW, THERE, sealer.seal(1, encode(theirs)))
    # Signed as it must be: a peer with the key can make up a later start of any name.
    later = identity("here", epoch=2, secret=b"made up")
    gossip.receive(NOW, THERE, sealer.seal(1, introduction(later, rows=(WireRow("row", 9, b"theirs"),))))
    assert [row.value for row in gossip.rows("row")] == [b"mine"]
    assert gossip.epoch == 1


def test_a_ping_is_answered_to_where_it_came_from() -> None:
    gossip, sealer = met()
    elsewhere = Address("10.9.9.9", 1234)
    output = gossip.receive(NOW, elsewhere, sealer.seal(1, encode(Ping(7))))
    assert [address for address, _ in output.datagrams] == [elsewhere]


def test_a_peer_gets_so_many_answers_and_no_more() -> None:
    gossip, sealer = met()
    ask = encode(Digest(False, 0, ID_MAX, ()))
    answers = 0
    for tenth in range(100):
        output = gossip.receive(NOW + tenth / 10, THERE, sealer.seal(1, ask))
        assert output.rejected is None
        answers += bool(output.datagrams)
    assert 40 <= answers <= 10 + 5 * 10


def test_strangers_that_say_goodbye_are_not_remembered() -> None:
    gossip, there = node(), identity("there")
    sealer = Sealer(there, RING)
    prove(gossip, sealer, 1)
    gossip.receive(NOW, THERE, sealer.seal(1, introduction(there, left=True)))
    assert [member.name for member in gossip.members()] == ["here"]


def test_its_own_datagrams_are_no_peer() -> None:
    gossip = node(seeds=(THERE,))
    ((_, datagram),) = gossip.tick(NOW).datagrams
    assert gossip.receive(NOW, THERE, datagram).rejected == "self"


def test_a_session_that_has_proved_nothing_may_only_ping() -> None:
    gossip, there = node(), identity("there")
    before = believes(gossip)
    sealer = Sealer(there, RING)
    digest = Digest(False, 0, 2**64 - 1, (DigestEntry(7, Incarnation(1, 1), 9, 9),))
    everything = introduction(there) + encode(digest) + encode(Ping(7)) + encode(Pong(8))
    output = gossip.receive(NOW, THERE, sealer.seal(1, everything))
    assert output.rejected == "unproven"
    assert believes(gossip) == before
    assert not output.rows_changed
    assert not output.member_changes
    pong, ping, inquiry = (message for _, message in said(output))
    assert (pong, type(inquiry)) == (Pong(7), Digest)
    moment_later = gossip.receive(NOW + 0.01, THERE, sealer.seal(1, everything))
    assert [message for _, message in said(moment_later)] == [Pong(7)], "it is asked at most five times a second"
    assert isinstance(ping, Ping)
    proof = gossip.receive(NOW + 0.02, THERE, sealer.seal(1, encode(Pong(ping.nonce)) + introduction(there)))
    assert [change.name for change in proof.member_changes] == ["there"]


def test_a_second_node_of_the_same_name_is_told_of_to_all_once_a_minute() -> None:
    gossip, _ = met(epoch=5)
    twin = identity("there", 4, b"twin of there 00")
    sealer = Sealer(twin, RING)
    output = prove(gossip, sealer, 4, source=HERE)
    assert output.rejected == "stale_identity"
    assert not output.member_changes
    (notice,) = output.notices
    assert (notice.kind, notice.subject) == (NoticeKind.NAME_CONFLICT, "there")
    assert (THERE, Conflict(HERE)) in said(output), "the one that holds the name is told, too"
    again = gossip.receive(NOW + 1, HERE, sealer.seal(4, introduction(twin)))
    assert again.rejected == "stale_identity"
    assert not again.notices
    assert gossip.notices(NOW + 1) == (notice,)
    assert gossip.notices(NOW + 1000) == ()


def test_a_late_word_of_the_beat_of_the_dead_is_no_sign_of_two_nodes() -> None:
    gossip, _ = met(epoch=5)
    peer, address = identity("peer"), Address("10.0.2.1", 7946)
    sealer, later = Sealer(peer, RING), NOW + 2.5
    prove(gossip, sealer, 1, now=later, source=address)
    there = Incarnation(5, identity("there", 5).incarnation.tag)
    digest = Digest(True, 0, 2**64 - 1, (DigestEntry(member_id("there"), there, 0, 99),))
    assert gossip.receive(later, address, sealer.seal(1, introduction(peer) + encode(digest))).rejected is None
    output = prove(gossip, Sealer(identity("there", 4, b"its counter lost"), RING), 4, now=later)
    assert output.rejected == "stale_identity"
    assert not output.notices


def test_the_holder_of_a_name_that_hears_of_another_says_so_once_a_minute() -> None:
    gossip, peer = met()
    conflict = encode(Conflict(Address("10.9.9.9", 7946)))
    (notice,) = gossip.receive(NOW, THERE, peer.seal(1, conflict)).notices
    assert (notice.kind, notice.subject) == (NoticeKind.NAME_CONFLICT, "here")
    assert "10.9.9.9:7946" in notice.what
    assert not gossip.receive(NOW + 59, THERE, peer.seal(1, conflict)).notices
    assert gossip.receive(NOW + 61, THERE, peer.seal(1, conflict)).notices


def test_a_recording_of_an_earlier_start_is_no_second_node() -> None:
    gossip, before = met(epoch=4)
    recorded = before.seal(4, introduction(identity("there", 4)))
    now = identity("there", 5, b"second start 000")
    sealer = Sealer(now, RING)
    prove(gossip, sealer, 5, now=NOW + 10)
    gossip.receive(NOW + 10, THERE, sealer.seal(5, introduction(now)))
    assert gossip.members()[1].epoch == 5
    assert gossip.receive(NOW + 10, THERE, recorded).rejected == "stale_identity"
    assert gossip.notices(NOW + 10) == ()


def test_silent_seeds_are_reported_until_one_answers() -> None:
    gossip = node(seeds=(THERE,))
    notices = [notice for step in range(700) for notice in gossip.tick(NOW + step / 10).notices]
    assert [notice.kind for notice in notices] == [NoticeKind.SEEDS_SILENT] * 2, "twice in 70 s"
    assert notices[0].what.startswith("no seed of 10.0.1.1:7946 has answered for ")
    assert gossip.unanswered_for_s(NOW + 70) == 70
    sealer = Sealer(identity("there"), RING)
    prove(gossip, sealer, 1, now=NOW + 70)
    gossip.receive(NOW + 70, THERE, sealer.seal(1, introduction(identity("there"))))
    assert gossip.unanswered_for_s(NOW + 70) == 0
    gossip.tick(NOW + 72)
    assert gossip.notices(NOW + 72) == ()


def test_a_node_that_is_its_only_seed_misses_nobody() -> None:
    gossip = node(seeds=(THERE, HERE))
    ((_, datagram),) = gossip.tick(NOW).datagrams
    assert gossip.receive(NOW, THERE, datagram).rejected == "self"
    assert [notice for second in range(90) for notice in gossip.tick(NOW + second).notices] == []


def test_a_recording_of_its_own_from_a_seed_does_not_keep_it_from_dialling() -> None:
    gossip = node(seeds=(THERE,))
    dials = [datagram for step in range(20) for _, datagram in gossip.tick(NOW + step / 4).datagrams]
    assert [gossip.receive(NOW + 5, THERE, dial).rejected for dial in dials[:-1]] == ["self"] * (len(dials) - 1)
    dialled = [address for step in range(20, 40) for address, _ in gossip.tick(NOW + step / 4).datagrams]
    assert len(dialled) >= 4


def test_another_key_is_reported_once_a_minute_with_its_last_source() -> None:
    gossip = node()
    other = Sealer(identity("there"), KeyRing((b"o" * 32,)))
    said_at = []
    for second in range(100):
        output = gossip.receive(NOW + second, Address("10.0.1.1", 1000 + second), other.seal(1, b""))
        assert output.rejected == "unknown_key"
        said_at += [second for _ in output.notices]
    assert said_at == [0, 60]
    (fault,) = gossip.key_faults
    assert (fault.reason, fault.count, fault.source) == ("unknown_key", 100, Address("10.0.1.1", 1099))
    assert "10.0.1.1:1099" in gossip.notices(NOW + 100)[0].what


def test_leaving_tells_every_live_member_and_then_is_silent() -> None:
    gossip, sealer = met()
    output = gossip.leave(NOW)
    assert [address for address, _ in output.datagrams] == [THERE]
    assert gossip.members()[0].state is MemberState.LEFT
    assert gossip.next_deadline() == float("inf")
    assert gossip.tick(NOW + 10).datagrams == ()
    assert gossip.receive(NOW + 10, THERE, sealer.seal(1, encode(Ping(7)))).datagrams == ()
    assert gossip.leave(NOW + 11).datagrams == ()


def test_a_late_tick_is_this_nodes_own_pause() -> None:
    gossip, _ = met()
    now = NOW
    for _ in range(3):
        now = gossip.next_deadline()
        gossip.tick(now)
    gossip.next_deadline()
    gossip.tick(now + 60.0)
    assert gossip.counters["pauses"] == 1
    assert gossip.members()[1].state is MemberState.ALIVE


def test_every_deadline_is_met_by_its_tick() -> None:
    gossip, _ = met()
    gossip.publish(NOW, "row", b"value")
    last = NOW
    for _ in range(500):
        deadline = max(gossip.next_deadline(), last)
        gossip.tick(deadline)
        assert gossip.next_deadline() > deadline
        last = deadline


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("_member", b"", 'not begin with "_"'),
        ("", b"", "must be 1 to"),
        ("k" * 201, b"", "must be 1 to"),
        ("key", b"x" * (VALUE_BYTES_MAX + 1), "must be 0 to 512"),
    ],
)
def test_rows_out_of_bounds_are_refused(key: str, value: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        node().publish(NOW, key, value)


def test_a_node_publishes_so_many_rows_and_no_more() -> None:
    gossip = node()
    for number in range(ROWS_PER_OWNER_MAX):
        gossip.publish(NOW, f"row/{number}", b"")
    with pytest.raises(ValueError, match="no room"):
        gossip.publish(NOW, "one too many", b"")
    gossip.publish(NOW, "row/0", b"new value")
    gossip.withdraw(NOW, "row/1")
    gossip.publish(NOW, "now there is room", b"")


def test_identities_are_checked() -> None:
    good = identity("here")
    for bad in ({"name": ""}, {"name": "n" * 65}, {"zone": ""}, {"secret": b"short"}, {"epoch": 2**32}):
        with pytest.raises(ValueError):
            replace(good, **bad)
    with pytest.raises(ValueError, match="resolve it"):
        replace(good, address=Address("lb.example", 7946))
    with pytest.raises(ValueError, match="empty"):
        KeyRing(())
    with pytest.raises(ValueError, match="64 hex digits"):
        KeyRing((b"short",))


def known_state(gossip: Gossip) -> tuple[MemberState, int]:
    (member,) = [member for member in gossip.members() if member.name == "there"]
    return member.state, member.epoch


def stranger(gossip: Gossip) -> Sealer:
    """Another member with a valid key, whom nobody distrusts yet."""
    where = Address("10.0.2.1", 7946)
    third = Identity("third", "zone-third", where, 1, b"3" * 32)
    sealer = Sealer(third, RING)
    prove(gossip, sealer, 1, source=where)
    gossip.receive(NOW, where, sealer.seal(1, introduction(third)))
    return sealer


@pytest.mark.parametrize("signer", ["third", "nobody", "replayed"])
def test_only_its_owner_says_a_goodbye(signer: str) -> None:
    gossip, _ = met()
    sealer, there = stranger(gossip), identity("there")
    body = encode_member(MemberFacts(there.zone, there.address, public_key_of(there.secret), left=True))
    row = {
        "third": signed(Identity("there", "z", THERE, 1, b"3" * 32), 2, body),
        "nobody": WireRow("_member", 2, body + bytes(64)),
        "replayed": replace(signed(there, 1, body), sequence=2),
    }[signer]
    output = gossip.receive(NOW, HERE, sealer.seal(1, encode(Rows("there", there.incarnation, 0, 9, 0, (row,)))))
    assert known_state(gossip) == (MemberState.ALIVE, 1)
    assert gossip.counters["rows_forged"] == 1
    assert [(notice.kind, notice.subject) for notice in output.notices] == [(NoticeKind.FORGED_ROWS, "third")]
    again = gossip.receive(NOW, HERE, sealer.seal(1, encode(Rows("there", there.incarnation, 0, 9, 0, (row,)))))
    assert not again.notices
    own = encode(Rows("there", there.incarnation, 0, 2, 0, (signed(there, 2, body),)))
    gossip.receive(NOW, HERE, sealer.seal(1, own))
    assert known_state(gossip) == (MemberState.LEFT, 1), "whoever passes it on, the owner has signed it"


def test_edges_that_their_owner_did_not_sign_are_left_out() -> None:
    gossip, _ = met()
    sealer, there = stranger(gossip), identity("there")
    lies = WireRow("_edges", 2, encode_edges(isolated=False, broken={member_id("third"): True}) + bytes(64))
    gossip.receive(NOW, HERE, sealer.seal(1, encode(Rows("there", there.incarnation, 0, 0, 0, (lies,)))))
    gossip.tick(NOW + 0.1)
    assert gossip.counters["rows_forged"] == 1
    assert {member.state for member in gossip.members()} == {MemberState.ALIVE}


@pytest.mark.parametrize("value", [b"for third" + bytes(64), b"", bytes(64), None], ids=["lie", "short", "end", "tomb"])
def test_nobody_writes_or_withdraws_a_signed_row_of_another(value: bytes | None) -> None:
    gossip, _ = met()
    sealer, there = stranger(gossip), identity("there")
    vote = encode(Rows("there", there.incarnation, 0, 0, 0, (signed(there, 2, b"for here", key="!vote"),)))
    gossip.receive(NOW, HERE, sealer.seal(1, vote))
    assert [(row.key, row.value) for row in gossip.rows("!")] == [("!vote", b"for here")]

    lie = encode(Rows("there", there.incarnation, 0, 9, 0, (WireRow("!vote", 3, value),)))
    gossip.receive(NOW, HERE, sealer.seal(2, lie))
    assert [(row.key, row.value) for row in gossip.rows("!")] == [("!vote", b"for here")]
    assert gossip.counters["rows_forged"] == 1

    end = encode(Rows("there", there.incarnation, 0, 0, 0, (signed(there, 3, b"", key="!vote"),)))
    output = gossip.receive(NOW, HERE, sealer.seal(3, end))
    assert not list(gossip.rows("!")), "its owner may"
    assert gossip.row("there", "!vote") is None
    assert ("there", "!vote") in output.rows_changed


def test_a_signed_row_can_be_written_withdrawn_and_written_again() -> None:
    gossip, _ = met()
    for value in (b"one", b"two"):
        gossip.publish(NOW, "!row", value)
        assert [(row.key, row.value) for row in gossip.rows("!")] == [("!row", value)]
        gossip.withdraw(NOW, "!row")
        assert not list(gossip.rows("!"))
    with pytest.raises(ValueError, match="must be 1 to 448"):
        gossip.publish(NOW, "!row", b"")


def test_who_is_said_to_have_written_more_than_it_did_speaks_on_above_it() -> None:
    gossip, sealer = met()
    gossip.publish(NOW, "row", b"mine")
    own = [message for _, message in said(gossip.tick(NOW + 0.1)) if isinstance(message, Rows)]
    incarnation = next(rows.incarnation for rows in own if rows.owner == "here")
    entry = DigestEntry(member_id("here"), incarnation, 5000, 0)
    told = gossip.receive(NOW + 1, THERE, sealer.seal(1, encode(Digest(True, 0, 0, (entry,)))))
    assert [notice.subject for notice in told.notices] == ["there"]
    rows = [message for _, message in said(gossip.tick(NOW + 1.2)) if isinstance(message, Rows)]
    sequences = {row.key: row.sequence for one in rows if one.owner == "here" for row in one.rows}
    assert set(sequences) == {"_member", "_edges", "_keys", "row"}
    assert min(sequences.values()) > 5000


def test_an_epoch_that_no_restarts_explain_is_refused() -> None:
    gossip, _ = met()
    sealer = stranger(gossip)
    far = replace(identity("there"), epoch=2**31)
    gossip.receive(NOW + 30, HERE, sealer.seal(1, introduction(far)))
    assert known_state(gossip) == (MemberState.ALIVE, 1)
    assert gossip.counters["epoch_jumps"] == 1


def test_a_member_with_ten_thousand_rows_takes_no_more_than_its_room() -> None:
    gossip, sealer = met()
    there = identity("there")
    said_of_it = 0
    for start in range(2, 10_002, 50):
        rows = tuple(WireRow(f"row/{number}", number, b"x") for number in range(start, start + 50))
        output = gossip.receive(NOW, THERE, sealer.seal(1, encode(Rows("there", there.incarnation, 0, 0, 0, rows))))
        said_of_it += sum(notice.kind is NoticeKind.TOO_MANY_ROWS for notice in output.notices)
    assert sum(1 for _ in gossip.rows("row/")) <= ROWS_PER_OWNER_MAX + TOMBSTONES_MAX + 8
    assert gossip.counters["rows_refused"] > 4000
    assert said_of_it == 1
    gossip.publish(NOW, "mine", b"still room")


def test_of_a_datagram_from_a_later_release_everything_that_is_known_is_taken() -> None:
    gossip, sealer = met()
    there = identity("there")
    unknown = bytes((200, 0, 3)) + b"???"
    rows = Rows(
        "there",
        there.incarnation,
        1,
        4,
        0,
        (signed(there, 2, b"later", "_later"), WireRow("later:x", 3, b"y"), WireRow("row", 4, b"value")),
    )
    output = gossip.receive(NOW, THERE, sealer.seal(1, unknown + encode(rows) + unknown + encode(Ping(7))))
    assert output.rejected is None
    assert (THERE, Pong(7)) in said(output)
    assert [row.value for row in gossip.rows("row")] == [b"value"]
    assert [row.key for row in gossip.rows("later:")] == ["later:x"], "kept, and passed on to who understands it"
    relayed = [message for _, message in said(gossip.tick(NOW + 0.1)) if isinstance(message, Rows)]
    assert "_later" in {row.key for one in relayed if one.owner == "there" for row in one.rows}


def test_a_member_that_pings_without_end_is_answered_within_bounds() -> None:
    gossip, sealer = met()
    pings = encode(Ping(1)) * 90
    answered = sum(len(gossip.receive(NOW, THERE, sealer.seal(1, pings)).datagrams) for _ in range(20))
    assert 1 <= answered <= 40
    assert gossip.counters["replies_withheld"] == 1800 - answered


def test_pings_under_made_up_names_leave_a_members_pongs_to_it() -> None:
    gossip, sealer = met()
    ping = encode(Ping(1))
    for number in range(3100):
        made_up = Identity(f"made up {number}", "zone", HERE, 1, number.to_bytes(32))
        assert gossip.receive(NOW, HERE, Sealer(made_up, RING).seal(1, ping)).rejected == "unproven"
    last = Sealer(Identity("one more", "zone", HERE, 1, b"m" * 32), RING)
    assert not said(gossip.receive(NOW, HERE, last.seal(1, ping)))
    assert said(gossip.receive(NOW, THERE, sealer.seal(1, encode(Ping(7))))) == [(THERE, Pong(7))]


@pytest.mark.parametrize("floor", [SEQUENCE_MAX // 2, SEQUENCE_MAX])
def test_who_is_said_to_have_used_up_its_sequences_speaks_on_in_the_next_epoch(floor: int) -> None:
    gossip, sealer = met()
    gossip.publish(NOW, "row", b"mine")
    gossip.tick(NOW + 0.1)
    entry = DigestEntry(member_id("here"), identity("here").incarnation, floor, 0)
    gossip.receive(NOW + 1, THERE, sealer.seal(1, encode(Digest(True, 0, 0, (entry,)))))
    assert gossip.epoch == 2
    assert next(member.epoch for member in gossip.members() if member.name == "here") == 2
    rows = [message for _, message in said(gossip.tick(NOW + 1.2)) if isinstance(message, Rows)]
    keys = {row.key for one in rows if one.owner == "here" and one.incarnation.epoch == 2 for row in one.rows}
    assert keys == {"_member", "_edges", "_keys", "row"}


@pytest.mark.parametrize("is_answered", [True, False])
@pytest.mark.parametrize("epoch", [1 + EPOCH_JUMP_MAX, SEQUENCE_MAX - 3])
def test_a_claim_that_the_mesh_would_not_take_counts_only_while_nobody_answers(epoch: int, is_answered: bool) -> None:
    gossip, sealer = met()
    gossip.tick(NOW + 0.1)
    for address, message in said(gossip.tick(NOW + 0.2)) if is_answered else ():
        if isinstance(message, Ping):
            gossip.receive(NOW + 0.21, address, sealer.seal(1, encode(Pong(message.nonce))))
    gossip.tick(NOW + 0.3)
    entry = DigestEntry(member_id("here"), Incarnation(epoch, 1), 0, 0)
    gossip.receive(NOW + 0.4, THERE, sealer.seal(1, encode(Digest(True, 0, 0, (entry,)))))
    gossip.tick(NOW + 11)
    assert gossip.epoch == (1 if is_answered else epoch + 1)


def test_an_order_with_the_last_number_there_is_makes_others_refused_and_nothing_raise() -> None:
    gossip, sealer = met()
    there, held = identity("there"), key_id(RING.keys[0])
    notes = (KeyNote(held, NO_ORDER, Standing.HELD),)
    word = RingWord(held, key_id(b"q" * 32), Stamp(ORDER_MAX, 2**64 - 1), False, notes)
    row = signed(there, 2, encode_ring(word), "_keys")
    gossip.receive(NOW, THERE, sealer.seal(1, encode(Rows("there", there.incarnation, 0, 0, 0, (row,)))))
    for answer in (gossip.key_orders.install(b"n" * 32), gossip.key_orders.use(held.hex())):
        assert not answer.done
        assert "none can follow it" in answer.what
    gossip.key_orders.follow_file(RING)
    gossip.tick(NOW + 0.1)


def test_owners_that_are_no_members_keep_no_newcomer_out() -> None:
    gossip, sealer = met()
    for number in range(MEMBERS_MAX):
        rows = Rows(f"nobody-{number}", Incarnation(1, 1), 0, 0, 0, (WireRow("row", 1, b"x"),))
        gossip.receive(NOW, THERE, sealer.seal(1, encode(rows)))
    gossip.receive(NOW, THERE, sealer.seal(1, introduction(identity("newcomer"))))
    assert [member.name for member in gossip.members()] == ["here", "newcomer", "there"]


@pytest.mark.parametrize("rows", [(), (WireRow("row", 1, b"x"),), (WireRow("_member", 1, b"x" * 100),)])
def test_nobody_else_begins_a_start_of_a_member(rows: tuple[WireRow, ...]) -> None:
    gossip, sealer = met()
    there = identity("there")
    liar = stranger(gossip)
    gossip.receive(
        NOW, THERE, sealer.seal(1, encode(Rows("there", there.incarnation, 0, 0, 0, (WireRow("row", 9, b"mine"),))))
    )
    later = Incarnation(there.epoch + 1, 7)
    gossip.receive(NOW, HERE, liar.seal(1, encode(Rows("there", later, 0, 0, 0, rows))))
    assert [row.value for row in gossip.rows("row")] == [b"mine"]
    output = gossip.receive(NOW, THERE, sealer.seal(1, encode(Ping(1))))
    assert output.rejected is None


def test_names_that_would_write_to_a_terminal_are_refused() -> None:
    gossip, _ = met()
    liar = stranger(gossip)
    evil = Identity("\x1b[2Jevil", "zone", HERE, 1, b"e" * 32)
    assert gossip.receive(NOW, HERE, liar.seal(1, introduction(evil))).rejected == "malformed"
    assert gossip.receive(NOW, HERE, Sealer(evil, RING).seal(1, b"")).rejected == "malformed"
