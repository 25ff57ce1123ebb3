"""The zone of a client: the longest network that holds it, and for whom else the answer holds (RFC 7871, 7.2.1)."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.dns.clients import ClientZones
from lbmesh.model.dns import ClientNetwork

NETWORKS = {"10.0.0.0/8": "ten", "10.0.1.0/24": "one", "10.0.1.128/25": "half", "2001:db8::/32": "six"}
ZONES = ClientZones(ClientNetwork(*each) for each in NETWORKS.items())


@pytest.mark.parametrize(
    ("address", "zone", "scope_bits"),
    [
        ("10.0.1.200", "half", 25),
        ("10.0.1.7", "one", 25),
        ("10.0.0.7", "ten", 24),
        ("10.200.0.7", "ten", 9),
        ("11.0.0.7", "", 8),
        ("200.0.0.7", "", 1),
        ("2001:db8::1", "six", 32),
        ("::1", "", 3),
    ],
)
def test_the_longest_network_says_the_zone(address: str, zone: str, scope_bits: int) -> None:
    nearest = ZONES.nearest(ipaddress.ip_address(address))
    assert (nearest.zone, nearest.scope_bits) == (zone, scope_bits)


def test_without_networks_the_answer_holds_for_everybody() -> None:
    nearest = ClientZones(()).nearest(ipaddress.ip_address("10.0.0.1"))
    assert (nearest.zone, nearest.scope_bits) == ("", 0)


_networks = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32), st.sampled_from("abc")), max_size=6).map(
    lambda drawn: tuple(
        ClientNetwork(str(ipaddress.ip_network((number, bits), strict=False)), zone) for number, bits, zone in drawn
    )
)


@given(_networks, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_whoever_shares_the_scope_gets_the_same(networks: tuple[ClientNetwork, ...], one: int, other: int) -> None:
    zones = ClientZones(networks)
    nearest = zones.nearest(ipaddress.IPv4Address(one))
    keep = (2**32 - 1) ^ (2 ** (32 - nearest.scope_bits) - 1)
    assert zones.nearest(ipaddress.IPv4Address(one & keep | other & ~keep & 2**32 - 1)) == nearest


@given(_networks, st.integers(0, 2**32 - 1))
def test_it_is_what_a_look_at_each_network_says(networks: tuple[ClientNetwork, ...], number: int) -> None:
    address = ipaddress.IPv4Address(number)
    held = [(ipaddress.ip_network(one.network).prefixlen, one.zone) for one in networks
            if address in ipaddress.ip_network(one.network)]  # fmt: skip
    longest = max((bits for bits, _ in held), default=0)
    expected = [zone for bits, zone in held if bits == longest][-1:] or [""]
    assert ClientZones(networks).nearest(address).zone == expected[0]
