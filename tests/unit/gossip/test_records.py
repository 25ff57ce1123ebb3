from hypothesis import given
from hypothesis import strategies as st

from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.limits import ROWS_PER_OWNER_MAX, TOMBSTONES_MAX
from lbmesh.gossip.messages import Rows, WireRow
from lbmesh.gossip.records import OwnerRecords, Records
from lbmesh.gossip.sync import Sync

FIRST = Incarnation(1, 1)
ROOM = 10_000
writes = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.binary(max_size=3)), max_size=30)


def unsigned(_incarnation: Incarnation, _key: str, _sequence: int, _body: bytes) -> bytes:
    """These tests write no rows of the gossip itself."""
    raise AssertionError


def write_all(history: list[tuple[str, bytes | None]]) -> tuple[Records, list[Rows]]:
    """An owner that made these writes, and the push of each of them."""
    records = Records("owner", FIRST, unsigned)
    pushes = []
    for key, value in history:
        for dirty in records.write(0.0, key, value):
            stored = records.own.rows[dirty]
            pushes.append(Rows("owner", FIRST, 0, 0, 0, (WireRow(dirty, stored.sequence, stored.value),)))
    return records, pushes


def content(owner: OwnerRecords) -> dict[str, tuple[int, bytes | None]]:
    return {key: (stored.sequence, stored.value) for key, stored in owner.rows.items()}


@given(history=writes, data=st.data())
def test_merging_does_not_depend_on_order_or_repetition(
    history: list[tuple[str, bytes | None]], data: st.DataObject
) -> None:
    records, pushes = write_all(history)
    shuffled = data.draw(st.permutations(pushes + pushes[: len(pushes) // 2]))
    copy = OwnerRecords("owner", FIRST)
    for batch in shuffled:
        copy.merge(0.0, batch, room=ROOM)
    assert content(copy) == content(records.own)
    assert copy.floor <= records.own.floor


@given(history=writes, data=st.data())
def test_after_any_losses_one_delta_in_any_order_repairs_all(
    history: list[tuple[str, bytes | None]], data: st.DataObject
) -> None:
    records, pushes = write_all(history)
    copy = OwnerRecords("owner", FIRST)
    for batch in data.draw(st.lists(st.sampled_from(pushes)) if pushes else st.just([])):
        copy.merge(0.0, batch, room=ROOM)
    for batch in data.draw(st.permutations(list(Sync(records, 60, 2).delta(records.own, copy.floor)))):
        copy.merge(0.0, batch, room=ROOM)
    assert content(copy) == content(records.own)
    assert copy.floor == records.own.floor
    assert not copy.spans


@given(history=writes)
def test_the_floor_never_claims_what_is_not_known(history: list[tuple[str, bytes | None]]) -> None:
    records, pushes = write_all(history)
    copy = OwnerRecords("owner", FIRST)
    for batch in pushes[1:]:
        copy.merge(0.0, batch, room=ROOM)
        missing = [row for row in records.own.after(0) if row.sequence <= copy.floor and row.key not in copy.rows]
        assert not missing


def test_tombstones_are_bounded_and_a_late_peer_still_forgets() -> None:
    records = Records("owner", FIRST, unsigned)
    records.write(0.0, "stays", b"1")
    late = OwnerRecords("owner", FIRST)
    for number in range(TOMBSTONES_MAX + 1):
        records.write(0.0, f"row/{number}", b"1")
        if number == 10:
            for batch in Sync(records, 1000, 2).delta(records.own, 0):
                late.merge(0.0, batch, room=ROOM)
    for number in range(TOMBSTONES_MAX + 1):
        records.write(0.0, f"row/{number}", None)
    assert list(records.own.rows) == ["stays"]
    for batch in Sync(records, 1000, 2).delta(records.own, late.floor):
        late.merge(0.0, batch, room=ROOM)
    assert content(late) == content(records.own)


def test_a_delta_in_many_batches_forgets_only_at_its_end() -> None:
    records = Records("owner", FIRST, unsigned)
    for number in range(200):
        records.write(0.0, f"row/{number}", b"x" * 50)
    late = OwnerRecords("owner", FIRST)
    for batch in Sync(records, 1000, 2).delta(records.own, 0):
        late.merge(0.0, batch, room=ROOM)
    records.overtake(0.0, records.own.floor + 1)
    batches = list(Sync(records, 1000, 2).delta(records.own, late.floor))
    assert len(batches) > 2
    for batch in batches:
        late.merge(0.0, batch, room=ROOM)
        assert sum(1 for stored in late.rows.values() if stored.value is not None) == 200
    assert content(late) == content(records.own)


def test_an_owner_with_too_many_rows_is_cut_off() -> None:
    records = Records("me", FIRST, unsigned)
    hostile = records.owner("hostile", FIRST)
    assert hostile is not None
    for number in range(1, ROWS_PER_OWNER_MAX + TOMBSTONES_MAX + 500):
        records.merge(0.0, hostile, Rows("hostile", FIRST, 0, 0, 0, (WireRow(f"row/{number}", number, b""),)))
    assert len(hostile.rows) == ROWS_PER_OWNER_MAX + TOMBSTONES_MAX + 8
    assert hostile.floor == len(hostile.rows)


def test_writing_the_same_value_again_is_no_news() -> None:
    records = Records("owner", FIRST, unsigned)
    assert records.write(0.0, "key", b"value") == ["key"]
    assert records.write(0.0, "key", b"value") == []
    assert records.write(0.0, "key", None) == ["key"]
    assert records.write(0.0, "key", None) == []
