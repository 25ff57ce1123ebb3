"""The heartbeat datagram: what is sealed comes back, and nothing else counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.failover.datagram import (
    DATAGRAM_BYTES,
    SILENT_MAX,
    Heartbeat,
    claimed,
    milliseconds,
    pair_key,
    seal,
    unseal,
)
from lbmesh.failover.words import Gone
from tests.support.heartbeats import HeartbeatWorld

KEY = b"k" * 32
names = st.binary(min_size=4, max_size=4).filter(any)
heartbeats = st.builds(
    Heartbeat,
    key_id=st.binary(min_size=4, max_size=4),
    session=st.binary(min_size=16, max_size=16),
    counter=st.integers(0, 2**64 - 1),
    flags=st.integers(0, 255),
    agent_age_ms=st.integers(0, 65535),
    forwarder_age_ms=st.integers(0, 65535),
    forwarders=st.integers(0, 255),
    hung=st.integers(0, 255),
    silent=st.lists(names, max_size=SILENT_MAX).map(tuple),
)


@given(heartbeats)
def test_what_is_sealed_comes_back(heartbeat: Heartbeat) -> None:
    datagram = seal(heartbeat, KEY)
    assert len(datagram) == DATAGRAM_BYTES
    assert claimed(datagram) == (heartbeat.session, heartbeat.key_id)
    assert unseal(datagram, KEY) == heartbeat
    assert unseal(datagram, b"K" * 32) is None


def test_a_key_belongs_to_two_sessions_and_one_direction() -> None:
    one, other = b"1" * 16, b"2" * 16
    keys = {pair_key(KEY, one, other), pair_key(KEY, other, one), pair_key(b"K" * 32, one, other)}
    assert len(keys) == 3


@pytest.mark.parametrize(("seconds", "shown"), [(-1.0, 0), (0.0, 0), (0.0204, 20), (60.0, 60_000), (1e9, 65_535)])
def test_ages_are_bounded(seconds: float, shown: int) -> None:
    assert milliseconds(seconds) == shown


def test_no_bit_of_a_heartbeat_can_be_flipped_and_no_length_but_its_own_is_read() -> None:
    world = HeartbeatWorld({"lb-a": "zone-a", "lb-b": "zone-b", "lb-c": "zone-c"})
    world.run(0.5)
    core = world.nodes["lb-b"].core
    sent = [data for address, data in world.nodes["lb-a"].sent if address == world.nodes["lb-b"].station.address]
    genuine = sent[-1]
    before = sum(core.counters[name] for name in core.counters if name.startswith("rejected"))
    hostile = [genuine[:-1], genuine + b"\0", b"", b"\0" * 9000, bytes([2]) + genuine[1:]]
    hostile += [
        genuine[: bit // 8] + bytes([genuine[bit // 8] ^ 1 << bit % 8]) + genuine[bit // 8 + 1 :]
        for bit in range(len(genuine) * 8)
    ]
    for datagram in hostile:
        core.receive(world.now, datagram)
    rejected = {name: count for name, count in core.counters.items() if name.startswith("rejected")}
    assert sum(rejected.values()) - before == len(hostile)
    assert rejected.keys() >= {
        f"rejected_{why}" for why in ("length", "version", "unknown_session", "unknown_key", "forged")
    }
    world.run(1.0)
    assert not world.words(Gone)


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_whatever_arrives_changes_nothing(datagrams: list[bytes]) -> None:
    world = HeartbeatWorld({"lb-a": "zone-a", "lb-b": "zone-b"})
    world.run(0.05)
    core = world.nodes["lb-b"].core
    before = core.next_deadline()
    for datagram in datagrams:
        core.receive(world.now, datagram)
    assert core.next_deadline() == before
