import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmesh.gossip.codec import encode, encode_member
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import Identity, Incarnation, KeyRing
from lbmesh.gossip.limits import ROWS_PER_OWNER_MAX, VALUE_BYTES_MAX
from lbmesh.gossip.messages import Ping, Rows, WireRow
from lbmesh.gossip.seal import Sealer
from lbmesh.model.address import Address
from lbmesh.model.member import MemberState

RING = KeyRing((b"k" * 32,))
HERE, THERE = Address("10.0.0.1", 7946), Address("10.0.1.1", 7946)
NOW = 100.0


def identity(name: str, epoch: int = 1, session: bytes | None = None) -> Identity:
    address = HERE if name == "here" else THERE
    return Identity(name, f"zone-{name}", address, epoch, session or name.encode().ljust(16, b"-"))


def node(name: str = "here", epoch: int = 1, seeds: tuple[Address, ...] = ()) -> Gossip:
    return Gossip(identity=identity(name, epoch), key_ring=RING, seeds=seeds, rng=random.Random(name), now=NOW)


def believes(gossip: Gossip) -> object:
    return gossip.members(), sorted(gossip.rows(""), key=lambda row: row.key), gossip.epoch


def introduction(who: Identity, *, left: bool = False, rows: tuple[WireRow, ...] = ()) -> bytes:
    """What a member says of itself, sealed by nobody yet."""
    own = WireRow("_member", 1, encode_member(who.zone, who.address, left=left))
    return encode(Rows(who.name, who.incarnation, 0, 0, 0, (own, *rows)))


def met(epoch: int = 1) -> tuple[Gossip, Sealer]:
    """A node that has met "there", and the latter's sealer."""
    gossip, there = node(), identity("there", epoch)
    sealer = Sealer(there, RING)
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
    row = Sealer(old, RING).seal(4, introduction(old, rows=(WireRow("row", 2, b"old"),)))
    before = believes(gossip)
    assert gossip.receive(NOW, THERE, row).rejected == "stale_identity"
    assert gossip.receive(NOW, THERE, row).rejected == "replayed"
    assert believes(gossip) == before


def test_nobody_writes_the_rows_of_this_node() -> None:
    gossip, sealer = met()
    gossip.publish(NOW, "row", b"mine")
    theirs = Rows("here", Incarnation(99, 99), 0, 0, 0, (WireRow("row", 9, b"theirs"),))
    gossip.receive(NOW, THERE, sealer.seal(1, encode(theirs)))
    assert [row.value for row in gossip.rows("row")] == [b"mine"]
    assert gossip.epoch == 1


def test_a_ping_is_answered_to_where_it_came_from() -> None:
    gossip, sealer = met()
    elsewhere = Address("10.9.9.9", 1234)
    output = gossip.receive(NOW, elsewhere, sealer.seal(1, encode(Ping(7))))
    assert [address for address, _ in output.datagrams] == [elsewhere]


def test_strangers_that_say_goodbye_are_not_remembered() -> None:
    gossip, there = node(), identity("there")
    gossip.receive(NOW, THERE, Sealer(there, RING).seal(1, introduction(there, left=True)))
    assert [member.name for member in gossip.members()] == ["here"]


def test_its_own_datagrams_are_no_peer() -> None:
    gossip = node(seeds=(THERE,))
    ((_, datagram),) = gossip.tick(NOW).datagrams
    assert gossip.receive(NOW, THERE, datagram).rejected == "self"


def test_a_second_node_of_the_same_name_is_reported_and_refused() -> None:
    gossip, _ = met(epoch=5)
    twin = identity("there", 4, b"twin of there 00")
    output = gossip.receive(NOW + 1, HERE, Sealer(twin, RING).seal(4, introduction(twin)))
    assert output.rejected == "stale_identity"
    assert ["name conflict" in change.reason for change in output.member_changes] == [True]
    again = gossip.receive(NOW + 1, HERE, Sealer(twin, RING).seal(4, introduction(twin)))
    assert not again.member_changes


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
        ("key", b"x" * (VALUE_BYTES_MAX + 1), "is the most"),
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
    for bad in ({"name": ""}, {"name": "n" * 65}, {"zone": ""}, {"session": b"short"}, {"epoch": 2**32}):
        with pytest.raises(ValueError):
            replace(good, **bad)
    with pytest.raises(ValueError, match="resolve it"):
        replace(good, address=Address("lb.example", 7946))
    with pytest.raises(ValueError, match="empty"):
        KeyRing(())
    with pytest.raises(ValueError, match="64 hex digits"):
        KeyRing((b"short",))
