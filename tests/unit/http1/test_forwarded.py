"""RFC 7239 by its own grammar and examples."""

import pytest

from lbmesh.http1.forwarded import forwarded_node, parse_forwarded
from lbmesh.model.limits import CLAIM_BYTES_MAX, PROXIES_MAX
from lbmesh.model.networks import read_ip


def told(*values: bytes) -> list[str | None]:
    """The address of each hop, None where it is not told."""
    return [None if hop.address is None else str(hop.address) for hop in parse_forwarded(values)]


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        # The examples of §4, §6, §7.1, §7.4 and §7.5
        (b'for="_gazonk"', [None]),
        (b'For="[2001:db8:cafe::17]:4711"', ["2001:db8:cafe::17"]),
        (b"for=192.0.2.60;proto=http;by=203.0.113.43", ["192.0.2.60"]),
        (b"for=192.0.2.43, for=198.51.100.17", ["192.0.2.43", "198.51.100.17"]),
        (b'for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown', ["192.0.2.43", "2001:db8:cafe::17", None]),
        (b"for=_hidden, for=_SEVKISEK", [None, None]),
        (b'for=192.0.2.43, for="[2001:db8:cafe::17]"', ["192.0.2.43", "2001:db8:cafe::17"]),
        (b"for=192.0.2.60; proto=http", None),
        # Parameters in any order and case, others among them
        (b"BY=_x;PROTO=https;For=192.0.2.1;secret=a", ["192.0.2.1"]),
        (b"proto=https", [None]),
        (b'for="192.0.2.1:80"', ["192.0.2.1"]),
        (b'for="192.0.2.1:_port"', ["192.0.2.1"]),
        (b'for="\\1\\9\\2.0.2.1"', ["192.0.2.1"]),
        (b'for="unknown:80"', [None]),
        (b'for="[::ffff:192.0.2.1]"', ["192.0.2.1"]),
        # Lists (RFC 9110 §5.6.1)
        (b" , for=192.0.2.1 ,\t, ", ["192.0.2.1"]),
        (b"", []),
        (b'for=192.0.2.1;x=","', ["192.0.2.1"]),
    ],
)
def test_a_field_line(value: bytes, addresses: list[str | None] | None) -> None:
    assert told(value) == (addresses or [])


@pytest.mark.parametrize(
    "value",
    [
        b"for",
        b"for=",
        b"=192.0.2.1",
        b"for =192.0.2.1",
        b"for= 192.0.2.1",
        b"for=192.0.2.1;",
        b";for=192.0.2.1",
        b"for=192.0.2.1 ;by=_x",
        b"for=192.0.2.1 by=_x",
        b"for=192.0.2.1;for=192.0.2.2",
        b"for=192.0.2.1;FOR=192.0.2.2",
        b'for="192.0.2.1',
        b'for=192.0.2.1"',
        b'for="192.0.2.1", for="',
        b'for="192.0.2.1"x',
        b'for="\\"',
        b"for=[2001:db8::1]",
        b"for=2001:db8::1",
        b'for="2001:db8::1"',
        b'for="[192.0.2.1]"',
        b"for=192.0.2.1:80",
        b'for="192.0.2.1:65536"',
        b'for="192.0.2.1:"',
        b"for=192.0.2.256",
        b"for=192.0.02.1",
        b"for=example.com",
        b"for=_",
        b'for=" 192.0.2.1"',
        b'for="_a b"',
        b"by=example.com",
        b'host="a b"',
        b'host="a/b"',
        b"proto=1",
        b'for="[::1%25eth0]"',
        b"192.0.2.1",
        b"for=192.0.2.1;x=" + b"y" * CLAIM_BYTES_MAX,
    ],
)
def test_what_is_not_by_the_grammar_says_nothing(value: bytes) -> None:
    assert told(value) == []
    assert told(b"for=192.0.2.9, " + value) == []
    assert told(b"for=192.0.2.9", value, b"for=192.0.2.10") == ["192.0.2.10"]


def test_lines_are_one_list() -> None:
    assert told(b"for=192.0.2.1", b"for=192.0.2.2, for=192.0.2.3") == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_the_nearest_count_when_there_are_too_many() -> None:
    elements = [b"for=192.0.2.%d" % number for number in range(PROXIES_MAX + 5)]
    assert told(b", ".join(elements)) == [f"192.0.2.{number}" for number in range(5, PROXIES_MAX + 5)]


def test_what_an_element_says_of_the_request() -> None:
    [hop] = parse_forwarded((b'for=192.0.2.1;host="a.example:8080";proto=HTTPS',))
    assert (hop.host, hop.proto) == (b"a.example:8080", b"https")
    assert hop.text == b'for=192.0.2.1;host="a.example:8080";proto=HTTPS'


@pytest.mark.parametrize(
    ("address", "node"), [("192.0.2.1", b"192.0.2.1"), ("2001:db8::1", b'"[2001:db8::1]"'), ("", b"unknown")]
)
def test_writing_a_node(address: str, node: bytes) -> None:
    assert forwarded_node(read_ip(address)) == node
    assert told(b"for=" + node) == [address or None]
