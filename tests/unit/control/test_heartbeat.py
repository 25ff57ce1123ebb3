"""The plane's side of the heartbeat: rows, tables, and what the sentinel finds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.control.heartbeat import (
    FIRST_GATHER_S,
    GATHER_S,
    KEY_LINGER_S,
    KEYS_LOOK_S,
    STATION_KEY,
    Heartbeat,
    parse_station,
    station_value,
)
from lbmesh.control.inputs import Event, EventKind
from lbmesh.control.plane import Plane
from lbmesh.control.processes import HeartbeatFigures, Partners, decode_control, encode_control
from lbmesh.failover.limits import PARTNERS_KNOWN_MAX
from lbmesh.failover.table import Station
from lbmesh.failover.words import Back, Gone, GoneRule, PairKey, Partner
from lbmesh.gossip.identity import key_id
from lbmesh.model.address import Address
from lbmesh.model.member import Member, MemberState
from tests.support.heartbeats import station
from tests.support.planes import World, shop

KEYS = (b"1" * 32,)


def member(name: str = "lb-b", host: str = "10.0.2.1") -> Member:
    return Member(name, "zone-b", Address(host, 7946), 1, MemberState.ALIVE, 0.0, "joined")


@pytest.mark.parametrize("host", ["10.0.2.1", "2001:db8::1"])
def test_a_station_comes_back_from_its_row_at_the_members_address(host: str) -> None:
    own = station("lb-b", "zone-b")
    own = type(own)(own.name, own.zone, Address(host, 7947), own.session, Address("203.0.113.1", 80))
    assert parse_station(member(host=host), STATION_KEY, station_value(own)) == own
    assert parse_station(member(host=host), STATION_KEY + "s", station_value(own)) is None


@given(st.binary(max_size=100) | st.sampled_from([b"[]", b"null", b'{"port":1}', b"{" * 500]))
def test_a_malformed_row_is_no_station(value: bytes) -> None:
    assert parse_station(member(), STATION_KEY, value) is None


@pytest.mark.parametrize(
    "fields",
    [
        '{"port":0,"session":"%s","front":"1.2.3.4:80"}',
        '{"port":70000,"session":"%s","front":"1.2.3.4:80"}',
        '{"port":"1","session":"%s","front":"1.2.3.4:80"}',
        '{"port":1,"session":"%s00","front":"1.2.3.4:80"}',
        '{"port":1,"session":"%s","front":"name:80"}',
        '{"port":1,"session":"%s","front":7}',
        '{"port":1,"session":"%s","front":"[fe80::1%%eth0]:80"}',
    ],
)
def test_a_row_out_of_bounds_is_no_station(fields: str) -> None:
    assert parse_station(member(), STATION_KEY, (fields % ("00" * 16)).encode()) is None


def heartbeat(generation: int = 1) -> Heartbeat:
    return Heartbeat(station("lb-a", "zone-a"), generation=generation, now=100.0)


def table(own: Heartbeat, now: float, *peers: Station, keys: tuple[bytes, ...] = KEYS) -> tuple[Partner, ...] | None:
    return own.table(now, peers, {peer.name: keys for peer in peers})


def test_a_table_is_told_once_and_again_when_it_changes() -> None:
    own = heartbeat()
    assert table(own, 100.0) == ()
    assert own.due_s == 100.0 + KEYS_LOOK_S
    own.unsettle(100.5)
    assert own.due_s == 100.5 + GATHER_S
    told = table(own, 101.0, station("lb-b", "zone-b"))
    assert told is not None
    assert [partner.name for partner in told] == ["lb-b"]
    assert table(own, 102.0, station("lb-b", "zone-b")) is None
    assert table(own, 103.0, station("lb-b", "zone-b", start=2)) is not None


def test_a_key_is_followed_at_once_and_one_that_left_the_ring_opens_for_a_while() -> None:
    own, peer, new = heartbeat(), station("lb-b", "zone-b"), b"2" * 32
    (before,) = table(own, 100.0, peer) or ()
    (rotated,) = table(own, 101.0, peer, keys=(new, *KEYS)) or ()
    assert rotated.keys[0].id == key_id(new).hex()
    assert rotated.keys[1] == before.keys[0]
    assert table(own, 102.0, peer, keys=(new,)) is None
    (after,) = table(own, 101.0 + KEY_LINGER_S, peer, keys=(new,)) or ()
    assert after.keys == rotated.keys[:1]


def test_a_new_agent_gathers_before_it_tells_a_table() -> None:
    own = heartbeat(generation=2)
    own.unsettle(100.1)
    assert own.due_s == 100.0 + FIRST_GATHER_S


def test_what_the_sentinel_finds_is_an_event_once_and_ends_with_the_partnership() -> None:
    own = heartbeat()
    table(own, 100.0, station("lb-b", "zone-b"))
    gone = Gone("lb-b", GoneRule.SILENT, "why", for_s=0.5)
    assert own.take(gone, 110.0) == Event(EventKind.PARTNER, "lb-b", "gone", "why", is_trouble=True)
    assert own.take(gone, 110.0) is None
    assert own.state().gone["lb-b"].since_s == 109.5
    assert own.take(Back("lb-b", "heard again", 1.0), 111.0) == Event(EventKind.PARTNER, "lb-b", "back", "heard again")
    assert own.take(Back("lb-b", "heard again", 1.0), 111.0) is None
    own.take(gone, 112.0)
    table(own, 113.0)
    assert own.state().gone == {}


def test_planes_in_a_mesh_find_their_partners_and_gone_changes_no_member() -> None:
    world = World()
    planes: list[Plane] = []
    for letter in "abc":
        name = f"lb-{letter}"
        own = Heartbeat(station(name, f"zone-{letter}"), generation=1, now=world.now)
        planes.append(world.add(name, f"zone-{letter}", shop(), heartbeat=own))
    world.run(5.0)
    for plane in planes:
        state = plane.picture.state(world.now).heartbeat
        assert len(state.partners) == len(state.judged) == 2
    before = planes[1].picture.state(world.now).members
    effects = planes[1].partner_word(Gone("lb-a", GoneRule.SILENT, "why"), world.now)
    assert [event.change for event in effects.events] == ["gone"]
    assert planes[1].picture.state(world.now).members == before
    assert planes[1].picture.state(world.now).heartbeat.gone["lb-a"].reason == "why"
    world.cut.add("lb-a")
    world.run(5.0)
    assert planes[1].picture.state(world.now).heartbeat.partners == ("lb-c",)
    assert planes[1].picture.state(world.now).heartbeat.gone == {}


def test_the_largest_table_fits_a_control_message_and_comes_back() -> None:
    keys = tuple(PairKey("00" * 4, "11" * 32, "22" * 32) for _ in range(3))
    name = "n" * 64
    partner = Partner(
        name,
        "z" * 64,
        Address("::1", 65535),
        "33" * 16,
        keys,
        watched=True,
        judges=(name,) * 6,
        front=Address("::1", 1),
    )
    message = Partners(name, (partner,) * PARTNERS_KNOWN_MAX)
    packet = encode_control(message)
    assert len(packet) < 64 * 1024
    assert decode_control(packet) == message


@pytest.mark.parametrize(
    "message",
    [
        Gone("lb-a", GoneRule.HUNG, "why", 0.25),
        Gone("lb-a", GoneRule.SILENT, "why", 0.0, ("lb-b", "lb-c")),
        Back("lb-a", "heard again", 1.5),
        HeartbeatFigures({"datagrams_in": 7}),
        Partners("lb-a", ()),
    ],
)
def test_words_come_back_from_the_control_channel(message: Any) -> None:
    assert decode_control(encode_control(message)) == message
