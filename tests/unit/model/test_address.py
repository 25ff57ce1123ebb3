"""Addresses: what is read, what is refused and in which words, and that each is read back as it is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.address import Address, is_ip_literal, is_name, means_the_same_everywhere, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("[::1]:65535", "::1", 65535),
        ("[2001:DB8:0::1]:1", "2001:db8::1", 1),
        ("lb-b1.example.com:7946", "lb-b1.example.com", 7946),
        ("localhost:080", "localhost", 80),
        ("[FE80::1%eth0.1]:80", "fe80::1%eth0.1", 80),
    ],
)
def test_addresses_are_read(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.1", "has no port"),
        ("10.0.0.1:", "has no port"),
        ("10.0.0.1:http", "has no port"),
        ("10.0.0.1:٣", "has no port"),
        ("10.0.0.1:-1", "has no port"),
        ("10.0.0.1:0", "write a port from 1 to 65535"),
        ("10.0.0.1:65536", "write a port from 1 to 65535"),
        ("10.0.0.1:" + "9" * 5000, "write a port from 1 to 65535"),
        ("::1:80", r'write "\[::1\]:80"'),
        ("[10.0.0.1]:80", "is not an IPv6 address"),
        ("[::1g]:80", "is not an IPv6 address"),
        ("[fe80::1%eth 0]:80", "is not an IPv6 address"),
        ("10.0.0:80", "neither an IP address nor a host name"),
        ("10.0.0.256:80", "neither an IP address nor a host name"),
        ("a b:80", "neither an IP address nor a host name"),
        (":80", "neither an IP address nor a host name"),
        ("a" * 64 + ":80", "neither an IP address nor a host name"),
        (".".join(["a" * 63] * 4) + ":80", "neither an IP address nor a host name"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_address(text)


def test_port_zero_only_where_the_kernel_may_choose() -> None:
    assert parse_address("[::]:0", port_zero_allowed=True) == Address("::", 0)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_an_address_is_read_back_as_it_is_shown(ip: object, port: int) -> None:
    address = Address(str(ip), port)
    assert parse_address(str(address)) == address


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.8.8.8", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("::", False), ("lb", False)],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert Address(host, 1).is_loopback is loopback


def test_literals_need_no_resolving() -> None:
    assert Address("::1", 1).is_literal
    assert not Address("localhost", 1).is_literal
    assert is_ip_literal("10.0.0.1")
    assert not is_ip_literal("[::1]")


@pytest.mark.parametrize(
    ("text", "fit"), [("a_b.c-d", True), ("1a", True), ("1.2", False), ("a..b", False), ("-a", False)]
)
def test_names(text: str, fit: bool) -> None:
    assert is_name(text) is fit


@pytest.mark.parametrize("scope", ["2", "eth0", "br-lan_0.100", "e" * 15])
def test_a_scope_is_the_name_of_an_interface(scope: str) -> None:
    assert is_ip_literal(f"fe80::1%{scope}")
    assert Address(f"fe80::1%{scope}", 1).is_literal


@pytest.mark.parametrize("scope", ["", "e" * 16, "eth 0", "eth0\n", "eth0/1", "a%b", "\x1b[2J", "é", "\0"])
def test_anything_else_is_none(scope: str) -> None:
    assert not is_ip_literal(f"fe80::1%{scope}")


@pytest.mark.parametrize(
    ("host", "does"),
    [("10.0.0.1", True), ("::1", True), ("fe80::1", True), ("fe80::1%eth0", False), ("fe80::1%", False), ("lb", False)],
)
def test_a_scope_says_nothing_to_another_machine(host: str, does: bool) -> None:
    assert means_the_same_everywhere(host) is does
