"""What goes over the wire and to the kernel about connections of fronts."""

import ipaddress
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.drivers.flows import flow_elements
from lbmesh.drivers.flows.flow_rules import RULES, TABLE, script
from lbmesh.drivers.flows.hellos import Hello, digest, frame, hello_of
from lbmesh.drivers.flows.tickles import Flow, flows_of, is_of, key_of, tickle
from lbmesh.drivers.kernel import nf_tables
from lbmesh.drivers.kernel.netlink import NESTED, Message, answers, attribute

MAC = bytes.fromhex("020000000001")
FLOWS = [
    Flow(ipaddress.ip_address("10.0.0.200").packed, 50_000, ipaddress.ip_address("10.0.0.100").packed, 80),
    Flow(ipaddress.ip_address("fd00::200").packed, 50_000, ipaddress.ip_address("fd00::100").packed, 443),
]


def checksum_holds(segment: bytes, source: bytes, destination: bytes) -> bool:
    data = source + destination + struct.pack(">HH", 6, len(segment)) + segment + bytes(len(segment) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


@pytest.mark.parametrize("flow", FLOWS)
def test_a_tickle_is_an_ack_with_one_byte_from_the_front(flow: Flow) -> None:
    sequences = set()
    for number in range(3):
        packet = tickle(flow, number)
        head = 20 if len(flow.front) == 4 else 40
        assert packet[head - 2 * len(flow.front) : head] == flow.front + flow.client
        segment = packet[head:]
        source, destination, sequence, acknowledged, offset, flags = struct.unpack_from(">HHIIBB", segment)
        assert (source, destination) == (flow.front_port, flow.client_port)
        assert (acknowledged, offset >> 4, flags, len(segment)) == (0, 5, 0x10, 21)
        assert checksum_holds(segment, flow.front, flow.client)
        sequences.add(sequence)
    assert len(sequences) == 3


@pytest.mark.parametrize("flow", FLOWS)
def test_a_connection_is_the_same_as_a_key_of_the_set(flow: Flow) -> None:
    key = key_of(flow)
    assert [list(some) for some in flows_of(key, flow.front, 1)] == [[flow]]
    assert is_of(key, flow.front)
    for other in (key + b"\0", key[:-1], b""):
        assert not is_of(other, flow.front)
    assert not is_of(key, bytes(len(flow.front)))
    assert not is_of(key, bytes(20 - len(flow.front)))


@given(st.lists(st.integers(0, 65_535), max_size=20), st.integers(1, 5), st.sampled_from(FLOWS))
def test_connections_come_from_their_keys_so_many_at_once(ports: list[int], at_once: int, flow: Flow) -> None:
    flows = [replace(flow, client_port=port) for port in ports]
    some = [list(one) for one in flows_of(b"".join(map(key_of, flows)), flow.front, at_once)]
    assert [one for ones in some for one in ones] == flows
    assert all(len(ones) == at_once for ones in some[:-1])
    assert all(0 < len(ones) <= at_once for ones in some)


def listing(*keys: bytes) -> Message:
    ones = b"".join(attribute(1 | NESTED, attribute(1 | NESTED, attribute(1, key))) for key in keys)
    return Message(10 << 8 | 12, bytes(4) + attribute(3 | NESTED, ones))


def test_what_is_known_of_one_front_is_found_among_that_of_all() -> None:
    other = Flow(FLOWS[0].client, 1, ipaddress.ip_address("10.0.0.101").packed, 80)
    said = [listing(key_of(other), key_of(FLOWS[0])), Message(3, b""), listing(key_of(FLOWS[1]))]
    assert flow_elements.known_of(said, "10.0.0.100") == key_of(FLOWS[0])
    assert flow_elements.known_of(said, "fd00::100") == key_of(FLOWS[1])


def test_heirs_are_named_in_one_transaction_that_takes_the_old_ones_away() -> None:
    begin, end, new, delete = 0x10, 0x11, 12, 14
    changes = flow_elements.name_heirs("ip", TABLE, {"10.0.0.100": ("10.0.0.2", "10.0.0.3")}, retell=True)
    assert kinds(changes) == [begin, delete, delete, delete, new, new, end]
    quiet = flow_elements.name_heirs("ip", TABLE, {}, retell=False)
    assert kinds(quiet) == [begin, delete, delete, end]


def kinds(changes: list[nf_tables.Change]) -> list[int]:
    request = nf_tables.transaction(7, changes)
    return [one.kind & 0xFF for one in answers(request, 7) if isinstance(one, Message)]


def test_rules_are_for_the_fronts_of_each_family_and_gone_without_one() -> None:
    both = script([("10.0.0.100", "eth0"), ("fd00::100", "eth1")])
    assert 'add element ip lbmesh_flows fronts { "eth0" . 10.0.0.100 }' in both
    assert 'add element ip6 lbmesh_flows fronts { "eth1" . fd00::100 }' in both
    assert script([("10.0.0.100", "eth0")]).count(f"delete table ip6 {TABLE}") == 1
    assert script([]).count("delete table") == 2
    lines = [line.strip() for line in script([("10.0.0.100", "eth0")]).replace("\\\n", "").splitlines()]
    verbs = ("dup ", "tcp ", "ip saddr", "socket ", "update ", "drop", "meta ", "iifname ", "fib ", "goto ")
    assert sum(line.startswith(verbs) for line in lines) == RULES


def test_a_hello_is_heard_as_it_was_said() -> None:
    for four, six in (("10.0.0.1", "fd00::1"), ("", "fd00::1"), ("10.0.0.1", "")):
        said = Hello("lb-1", four, six, digest(["10.0.0.100"]))
        assert hello_of(frame(said, MAC)) == said
    assert said.address("ip") == "10.0.0.1"
    assert said.address("ip6") == ""
    assert digest(["a", "b"]) == digest(["b", "a"]) != digest(["ab"])


@given(st.binary(max_size=400))
def test_no_frame_of_a_stranger_breaks_anything(heard: bytes) -> None:
    for whole in (heard, bytes(12) + b"\x88\xb5" + heard, bytes(12) + b"\x88\xb5LBH1" + heard):
        found = hello_of(whole)
        assert found is None or isinstance(found.name, str)
