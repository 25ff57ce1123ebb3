"""The rules of fronts behind routers, and what the kernel is told of the tunnel."""

import ipaddress
import struct

import pytest

from lbmesh.drivers.flows.flow_elements import name_peers
from lbmesh.drivers.flows.limits import ENDS_MAX, GATEWAYS_4, TUNNEL, TUNNEL_PORT
from lbmesh.drivers.flows.tunnel_rules import FAMILIES, RULES, TABLE, script
from lbmesh.drivers.flows.tunnel_way import free_number, hardware_address
from lbmesh.drivers.kernel import nf_tables, routes, tunnels
from lbmesh.drivers.kernel.netlink import Message, answers, attributes

MAC = bytes.fromhex("020000000001")
FRONTS = ["203.0.113.10", "2001:db8::10"]


def test_rules_are_of_both_families_whatever_the_fronts_and_gone_without_one() -> None:
    for fronts in (FRONTS, FRONTS[:1], FRONTS[1:]):
        text = script(fronts)
        assert [f"add element {family} {TABLE} fronts" in text for family in FAMILIES] == [
            any((":" in one) is (family == "ip6") for one in fronts) for family in FAMILIES
        ]
        lines = [line.strip() for line in text.replace("\\\n", "").splitlines()]
        verbs = ("dup ", "tcp ", "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr", "socket ", "drop", "meta ")
        assert sum(line.startswith((*verbs, "iifname ", "udp ")) for line in lines) == 2 * RULES
    assert script([]).count("delete table") == len(FAMILIES)


def test_only_packets_without_data_are_copied() -> None:
    for family, head in (("ip", 20), ("ip6", 0)):
        for doff, length in ((8, 32), (5, 20)):
            assert script(FRONTS).count(f"tcp doff {doff} {family} length {head + length} ") == 2
    chains = script(FRONTS).split("  chain ")
    copying = {one.split()[0] for one in chains if "goto copy_" in one}
    assert copying == {"bare", "answer"}
    assert {one.split()[0] for one in chains if "goto bare" in one} == {"holder"}


def test_ends_of_the_tunnel_are_told_from_each_other() -> None:
    found = {hardware_address(f"lb-{number}") for number in range(1000)}
    assert len(found) == 1000
    assert {one[0] for one in found} == {0x02}
    assert ipaddress.ip_network(GATEWAYS_4).num_addresses - 1 > ENDS_MAX


def test_ends_have_numbers_of_their_own_up_to_a_bound_and_none_has_that_of_one_that_just_left() -> None:
    assert free_number(0, ()) == 1
    assert free_number(2, {1}) == 3
    assert free_number(ENDS_MAX, {1}) == 2
    assert free_number(2, set(range(1, ENDS_MAX + 1)) - {2}) == 2
    assert free_number(2, range(1, ENDS_MAX + 1)) is None


@pytest.mark.parametrize(("local", "kind"), [("10.0.1.2", 4), ("::", 17)])
def test_a_tunnel_learns_nothing_and_floods_nothing(local: str, kind: int) -> None:
    (said,) = messages(tunnels.add_tunnel(TUNNEL, MAC, 0x4C42, TUNNEL_PORT, local, 1))
    link = attributes(said.body[16:])
    assert (link[3], link[1]) == (TUNNEL.encode() + b"\0", MAC)
    info = attributes(link[18])
    assert info[1] == b"vxlan\0"
    data = attributes(info[2])
    # Whatever it is not told of has nowhere to go: no group (2, 16), and no learning (7).
    # All flows within come from one port (10), of which the second is left out.
    assert data == {
        1: struct.pack("=I", 0x4C42),
        15: struct.pack(">H", TUNNEL_PORT),
        7: b"\0",
        10: struct.pack(">HH", TUNNEL_PORT, TUNNEL_PORT + 1),
        kind: ipaddress.ip_address(local).packed,
    }


def test_an_end_of_the_tunnel_is_a_machine_and_a_gateway() -> None:
    for request, kind, family in (
        (tunnels.lead(7, MAC, "10.0.2.2", 1), 28, 7),
        (tunnels.lead_no_more(7, MAC, "10.0.2.2", 1), 29, 7),
        (tunnels.name_neighbour(7, "240.76.66.1", MAC, 1), 28, 2),
        (tunnels.name_neighbour(7, "fe80::1", MAC, 1), 28, 10),
    ):
        (said,) = messages(request)
        assert (said.kind, said.body[0], struct.unpack_from("=i", said.body, 4)) == (kind, family, (7,))
        assert attributes(said.body[12:])[2] == MAC


def test_a_route_into_the_tunnel_comes_after_those_of_others() -> None:
    (said,) = messages(routes.lead_out(GATEWAYS_4, 7, 1))
    assert said.body[1] == 24
    found = attributes(said.body[12:])
    assert (found[1], found[4]) == (bytes([240, 76, 66, 0]), struct.pack("=I", 7))
    assert found[6] == struct.pack("=I", 0xFFFF)


def test_peers_are_named_in_one_transaction_that_takes_the_old_ones_away() -> None:
    begin, end, new, delete = 0x10, 0x11, 12, 14
    changes = name_peers(TABLE, ["10.0.2.2", "fd00:2::2"])
    assert [one.kind & 0xFF for one in messages(nf_tables.transaction(7, changes))] == [
        begin,
        delete,
        delete,
        new,
        new,
        end,
    ]


def messages(request: bytes) -> list[Message]:
    return [one for one in answers(request) if isinstance(one, Message)]
