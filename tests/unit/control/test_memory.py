"""The memory: what goes in comes back, and nothing else is ever believed."""

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbmesh.control.memory import (
    MEMORY_BYTES_MAX,
    PEERS_MAX,
    REASON_CHARACTERS_MAX,
    REPLICAS_MAX,
    Memory,
    RememberedReplica,
    decode_memory,
    encode_memory,
    fingerprint,
    first_reason,
    is_recent,
    memorise,
    recall,
)
from lbmesh.model.address import Address
from lbmesh.model.check import HttpProbe
from lbmesh.model.health import Availability
from lbmesh.model.service import HealthCheck, Replica, ReplicaId
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion
from tests.support.planes import settings, shop

names = st.text(st.characters(codec="utf-8"), max_size=20)
addresses = st.builds(Address, st.sampled_from(["10.0.0.1", "::1", "lb.example.com"]), st.integers(1, 65535))
memories = st.builds(
    Memory,
    node=names,
    zone=names,
    checks=st.dictionaries(names, names, max_size=3).map(lambda known: tuple(known.items())),
    replicas=st.lists(
        st.builds(
            RememberedReplica,
            st.builds(ReplicaId, names, addresses),
            st.sampled_from(Availability),
            st.floats(0, 2**32),
            names,
        ),
        max_size=4,
    ).map(tuple),
    peers=st.lists(addresses, max_size=4).map(tuple),
)


def a_view(*availabilities: Availability, reason: str = "connection refused") -> View:
    replicas = tuple(
        ReplicaView(replica, each, reason) for replica, each in zip(shop(3).replicas, availabilities, strict=True)
    )
    return View(ViewVersion(1, 1), "lb-a", "zone-a", (), (ServiceView("shop", replicas),))


def sealed(body: bytes) -> bytes:
    """A file whose checksum is right."""
    return b"lbmesh memory 1\n%b\n%b" % (hashlib.blake2b(body, digest_size=16).hexdigest().encode(), body)


UP, DOWN, UNKNOWN = Availability.UP, Availability.DOWN, Availability.UNKNOWN
SETTINGS = settings(shop(3))
SOME = memorise(SETTINGS, a_view(UP, DOWN, UNKNOWN), [Address("10.1.0.2", 7946)], None, 1000.0)


@given(memories)
def test_what_was_remembered_comes_back(memory: Memory) -> None:
    assert decode_memory(encode_memory(memory), memory.node, memory.zone) == memory


@given(st.binary(max_size=200))
@example(b"")
@example(b"lbmesh memory 1\n")
def test_any_bytes_are_no_memory_and_say_why(data: bytes) -> None:
    assert isinstance(decode_memory(data, "lb-a", "zone-a"), str)


@given(memories, st.data())
def test_a_torn_or_flipped_file_is_never_believed(memory: Memory, data: st.DataObject) -> None:
    whole = encode_memory(memory)
    torn = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert isinstance(decode_memory(torn, memory.node, memory.zone), str)
    index, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    flipped = bytearray(whole)
    flipped[index] ^= 1 << bit
    assert isinstance(decode_memory(bytes(flipped), memory.node, memory.zone), str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
heads = st.fixed_dictionaries({"node": json_values, "zone": json_values, "checks": json_values, "peers": json_values})


@given(heads | json_values, st.lists(json_values | st.lists(json_values, min_size=5, max_size=5), max_size=3))
def test_any_json_under_a_right_checksum_is_a_memory_or_a_reason(head: object, rows: list[object]) -> None:
    body = b"".join(json.dumps(value).encode() + b"\n" for value in (head, *rows))
    found = decode_memory(sealed(body), "lb-a", "zone-a")
    assert isinstance(found, str)


def test_deep_nesting_is_a_reason() -> None:
    body = b"[" * 100_000
    found = decode_memory(sealed(body), "lb-a", "zone-a")
    assert isinstance(found, str)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no memory of an lbmesh node"),
        (b"41\n", "no memory of an lbmesh node"),
        (encode_memory(SOME).replace(b"memory 1", b"memory 2", 1), "of format 2, and not 1"),
        (encode_memory(SOME).replace(b'"down"', b'"up"'), "checksum is wrong"),
        (encode_memory(SOME)[:-1], "checksum is wrong"),
        (encode_memory(SOME) + b"[]\n", "checksum is wrong"),
        (encode_memory(replace(SOME, node="lb-b")), 'belongs to node "lb-b"'),
        (encode_memory(replace(SOME, zone="zone-b")), 'in zone "zone-b"'),
        (b"x" * (MEMORY_BYTES_MAX + 1), "larger than"),
    ],
)
def test_each_bad_file_has_its_reason(data: bytes, reason: str) -> None:
    found = decode_memory(data, "lb-a", "zone-a")
    assert isinstance(found, str)
    assert reason in found


def test_what_is_known_is_remembered_and_keeps_its_time() -> None:
    shown = [(one.id.address.host, one.availability, one.since_s) for one in SOME.replicas]
    assert shown == [("10.0.0.1", UP, 1000.0), ("10.0.0.2", DOWN, 1000.0)]
    assert SOME.peers == (Address("10.1.0.2", 7946),)
    later = memorise(SETTINGS, a_view(UP, UP, DOWN), [], SOME, 2000.0)
    assert [(one.availability, one.since_s) for one in later.replicas] == [(UP, 1000.0), (UP, 2000.0), (DOWN, 2000.0)]
    assert memorise(SETTINGS, a_view(UP, DOWN, UNKNOWN, reason="another"), SOME.peers, SOME, 9000.0) == SOME


def test_a_replica_that_is_not_checked_is_not_remembered() -> None:
    assert memorise(settings(shop(3, None)), a_view(UP, UP, UP), [], None, 1.0).replicas == ()


def test_only_what_is_checked_as_before_is_recalled() -> None:
    other_check = replace(shop(3), health=HealthCheck(HttpProbe(path="/other")))
    grown = shop(4)
    assert tuple(recall(SOME, SETTINGS)) == SOME.replicas
    assert tuple(recall(SOME, settings(grown))) == SOME.replicas
    assert tuple(recall(SOME, settings(other_check))) == ()
    assert tuple(recall(SOME, settings(shop(3, None)))) == ()


def test_a_fingerprint_is_of_what_the_check_asks() -> None:
    assert fingerprint(HealthCheck()) == fingerprint(HealthCheck(HttpProbe(path="/"), fall=3))
    assert fingerprint(HealthCheck()) != fingerprint(HealthCheck(fall=4))


def test_a_reason_does_not_grow_with_each_restart() -> None:
    down = SOME.replicas[1]
    assert str(down) == "remembered from before the restart, down since 1970-01-01 00:16:40Z: connection refused"
    assert first_reason(f"inherited from View 3.1: {down}") == "connection refused"
    assert first_reason("own last 2 failed: and so on") == "own last 2 failed: and so on"
    assert first_reason("x\ud800" + "y" * 200) == "x?" + "y" * (REASON_CHARACTERS_MAX - 2)


def test_the_largest_memory_can_be_read_again() -> None:
    service = "s" * 63
    replicas = tuple(
        RememberedReplica(ReplicaId(service, Address(f"2001:db8:ffff:ffff:ffff:ffff:ffff:{n:x}", 65535)), DOWN, 1e9 + n,
                          "\u2028" * REASON_CHARACTERS_MAX)
        for n in range(REPLICAS_MAX)
    )  # fmt: skip
    peers = tuple(Address("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", port) for port in range(1, PEERS_MAX + 1))
    largest = Memory("n" * 63, "z" * 63, tuple((f"{n:063}", "f" * 16) for n in range(1000)), replicas, peers)
    data = encode_memory(largest)
    assert len(data) <= MEMORY_BYTES_MAX
    assert decode_memory(data, largest.node, largest.zone) == largest


def test_more_than_there_is_room_for_leaves_the_living_out() -> None:
    count = REPLICAS_MAX + 1
    many = tuple(Replica(Address("10.0.0.1", 1 + n), "zone-a") for n in range(count))
    views = tuple(ReplicaView(one, DOWN if n == count - 1 else UP, "") for n, one in enumerate(many))
    view = View(ViewVersion(1, 1), "lb-a", "zone-a", (), (ServiceView("shop", views),))
    memory = memorise(SETTINGS, view, [Address("10.0.0.1", 1 + n) for n in range(PEERS_MAX + 5)], None, 1.0)
    assert (len(memory.replicas), len(memory.peers)) == (REPLICAS_MAX, PEERS_MAX)
    assert memory.replicas[0].id.address == many[-1].address


@pytest.mark.parametrize(
    ("age_s", "recent"), [(0.0, True), (600.0, True), (601.0, False), (-60.0, True), (-61.0, False)]
)
def test_an_old_picture_is_not_used_nor_one_from_the_future(age_s: float, recent: bool) -> None:
    assert is_recent(age_s) is recent
