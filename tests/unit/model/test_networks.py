"""Addresses as peers write them, and sets of networks."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.networks import NetworkSet, in_ipv6, read_ip, read_network, unmapped

ADDRESSES = st.ip_addresses()
NETWORKS = st.builds(
    lambda address, length: str(ipaddress.ip_network((address, min(length, address.max_prefixlen)), strict=False)),
    ADDRESSES,
    st.integers(0, 128),
).filter(lambda text: not text.startswith("::ffff:"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:a00:1", "10.0.0.1"),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert str(read_ip(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1 ", "fe80::1%eth0", "::1%", "a", "[::1]", "1" * 100, "١.0.0.1"],
)
def test_what_is_no_address(text: str) -> None:
    assert read_ip(text) is None


@given(ADDRESSES)
def test_ipv4_within_ipv6_is_ipv4(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert unmapped(in_ipv6(address)) == unmapped(address)
    assert in_ipv6(address).version == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.0.0.1/8", 'write "10.0.0.0/8", or "10.0.0.1" for it alone'),
        ("2001:db8::1/32", 'write "2001:db8::/32"'),
        ("::ffff:10.0.0.0/104", 'write "10.0.0.0/8"'),
        ("10.0.0.0/33", "write a network such as"),
        ("10.0.0.0/255.0.0.0", "write a network such as"),
        ("10.0.0.0/", "write a network such as"),
        ("10.0.0.0/+8", "write a network such as"),
        ("fe80::%eth0/10", "write a network such as"),
        ("lb.example.com", "write a network such as"),
        ("", "write a network such as"),
    ],
)
def test_what_is_no_network(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="write") as caught:
        read_network(text)
    assert said in str(caught.value)


@given(st.lists(NETWORKS, max_size=8), ADDRESSES)
def test_a_set_holds_what_one_of_its_networks_holds(
    networks: list[str], address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    expected = any(address in ipaddress.ip_network(text) for text in networks)
    assert (address in NetworkSet(networks)) is expected
    assert bool(NetworkSet(networks)) is bool(networks)


@given(NETWORKS)
def test_a_set_holds_both_ends_of_a_network(text: str) -> None:
    network = ipaddress.ip_network(text)
    held = NetworkSet([text])
    assert network[0] in held
    assert network[-1] in held
