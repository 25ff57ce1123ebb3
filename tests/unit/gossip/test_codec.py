from hypothesis import given
from hypothesis import strategies as st

from lbmesh.gossip.codec import MemberFacts, decode, decode_edges, decode_member, encode, encode_edges, encode_member
from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.messages import Conflict, Digest, DigestEntry, Message, Ping, Pong, Rows, WireRow
from lbmesh.model.address import Address

u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
incarnations = st.builds(Incarnation, u32, u32)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=16).filter(str.isprintable)
wire_rows = st.builds(WireRow, names, st.integers(1, 1000), st.none() | st.binary(max_size=512))
row_lists = st.lists(wire_rows, max_size=5, unique_by=lambda row: row.sequence).map(
    lambda rows: tuple(sorted(rows, key=lambda row: row.sequence))
)
pushes = st.builds(Rows, names, incarnations, st.just(0), st.just(0), st.just(0), row_lists)
deltas = st.builds(Rows, names, incarnations, st.just(0), st.just(1000), st.integers(0, 1000), row_lists)
entries = st.lists(st.builds(DigestEntry, u64, incarnations, u32, u32), max_size=40).map(tuple)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Ping, u64),
    st.builds(Pong, u64),
    pushes,
    deltas,
    st.builds(Digest, st.booleans(), u64, u64, entries),
    st.builds(Conflict, st.builds(Address, st.ip_addresses().map(str), st.integers(1, 65535))),
)


@given(sent=st.lists(messages, max_size=5))
def test_messages_survive_the_wire(sent: list[Message]) -> None:
    assert decode(b"".join(map(encode, sent))) == tuple(sent)


@given(noise=st.binary(max_size=1200), kind=st.integers(0, 6))
def test_hostile_bytes_never_raise(noise: bytes, kind: int) -> None:
    decode(noise)
    decode(bytes((kind,)) + len(noise).to_bytes(2, "big") + noise)
    decode_member(noise)
    decode_edges(noise)


@given(message=messages, data=st.data())
def test_a_cut_message_is_malformed(message: Message, data: st.DataObject) -> None:
    encoded = encode(message)
    cut = data.draw(st.integers(1, len(encoded) - 1))
    assert decode(encoded[:cut]) is None


def test_a_body_with_bytes_left_over_is_malformed() -> None:
    assert decode(b"\x01\x00\x09" + bytes(9)) is None


def test_kinds_of_a_later_version_are_skipped() -> None:
    assert decode(b"\xc8\x00\x03abc" + encode(Ping(7))) == (Ping(7),)


def test_a_host_with_a_scope_is_malformed() -> None:
    for host, is_good in (("fe80::1", True), ("fe80::1%eth0", False), ("fe80::1%" + "x" * 200, False)):
        address = Address(host, 7946)
        assert (decode_member(encode_member(MemberFacts("a", address, b"p" * 32))) is not None) is is_good
        assert (decode(encode(Conflict(address))) is not None) is is_good


def test_rows_out_of_order_or_outside_their_range_are_malformed() -> None:
    incarnation = Incarnation(1, 1)
    first, second = WireRow("a", 5, b""), WireRow("b", 9, b"")
    assert decode(encode(Rows("n", incarnation, 0, 0, 0, (second, first)))) is None
    assert decode(encode(Rows("n", incarnation, 0, 8, 0, (first, second)))) is None
    assert decode(encode(Rows("n", incarnation, 9, 8, 0, ()))) is None
    assert decode(encode(Rows("n", incarnation, 4, 9, 0, (first, second)))) is not None


def test_a_horizon_beyond_what_is_told_is_malformed() -> None:
    incarnation, row = Incarnation(1, 1), WireRow("a", 5, b"")
    assert decode(encode(Rows("n", incarnation, 4, 9, 10, (row,)))) is None
    assert decode(encode(Rows("n", incarnation, 0, 0, 2**32 - 1, ()))) is None
    assert decode(encode(Rows("n", incarnation, 9, 9, 9, ()))) is None
    assert decode(encode(Rows("n", incarnation, 4, 9, 9, (row,)))) is not None


@given(zone=names, port=st.integers(1, 65535), left=st.booleans(), host=st.ip_addresses())
def test_a_member_survives(zone: str, port: int, left: bool, host: object) -> None:
    address = Address(str(host), port)
    assert decode_member(encode_member(MemberFacts(zone, address, b"p" * 32, left))) == MemberFacts(
        zone, address, b"p" * 32, left
    )


@given(isolated=st.booleans(), broken=st.dictionaries(u64, st.booleans(), max_size=48))
def test_edges_survive(isolated: bool, broken: dict[int, bool]) -> None:
    value = encode_edges(isolated=isolated, broken=broken)
    assert len(value) <= 512
    assert decode_edges(value) == (isolated, broken)
