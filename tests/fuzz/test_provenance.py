"""Headers of the PROXY protocol and claims of proxies, from any bytes: never a crash, never more than was said."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.http1.claims import claim_lines, parse_x_forwarded_for, read_claims, trace
from lbmesh.http1.forwarded import Hop, forwarded_node, parse_forwarded
from lbmesh.http1.proxy_header import ProxyFault, ProxyHeader, read_proxy_header, write_proxy_header
from lbmesh.model.address import Address
from lbmesh.model.limits import CLAIM_BYTES_MAX, PROXIES_MAX, PROXY_HEADER_BYTES_MAX
from lbmesh.model.networks import NetworkSet, unmapped
from lbmesh.model.provenance import ForwardedField, ProxyVersion
from tests.support.fuzz import fuzz_profile

IPS = st.ip_addresses().map(unmapped)
PORTS = st.integers(0, 65535)
ENDS = st.builds(lambda ip, port: Address(str(ip), port), IPS, PORTS)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
HEADERS = st.builds(write_proxy_header, st.sampled_from(ProxyVersion), ENDS, ENDS)
ALMOST = st.one_of(
    st.binary(),
    st.binary().map(lambda rest: b"PROXY " + rest),
    st.builds(
        lambda a, b: SIGNATURE + bytes(a) + b,
        st.tuples(*[st.sampled_from([0x20, 0x21, 0x11, 0, 12, 255])] * 4),
        st.binary(),
    ),
    st.builds(
        lambda header, at, byte: header[:at] + bytes([byte]) + header[at + 1 :],
        HEADERS,
        st.integers(0, 60),
        st.integers(0, 255),
    ),
)


@fuzz_profile()
@given(st.sampled_from(ProxyVersion), ENDS, ENDS, st.binary(max_size=40))
def test_what_is_written_is_read(version: ProxyVersion, source: Address, destination: Address, after: bytes) -> None:
    header = write_proxy_header(version, source, destination)
    assert read_proxy_header(header + after) == ProxyHeader(len(header), source, destination)


@fuzz_profile()
@given(ALMOST)
def test_the_verdict_does_not_depend_on_how_the_bytes_come(data: bytes) -> None:
    """Undecided at first, then one verdict that more bytes do not change, and nothing is waited for without end. Of a
    fault, more bytes may tell more.
    """
    verdicts = [read_proxy_header(data[:size]) for size in range(len(data) + 1)]
    decided = [verdict for verdict in verdicts if verdict is not None]
    assert verdicts[len(verdicts) - len(decided) :] == decided
    if decided and isinstance(decided[0], ProxyHeader):
        assert decided[1:] == decided[:-1]
        assert decided[0].size == len(verdicts) - len(decided) <= PROXY_HEADER_BYTES_MAX
    else:
        assert all(isinstance(verdict, ProxyFault) for verdict in decided)


def test_any_rubbish_of_the_largest_size_is_decided() -> None:
    for start in (b"PROXY ", SIGNATURE + b"\x21\x11\xff\xff", SIGNATURE + b"\x20\x00\x0f\xf0"):
        assert read_proxy_header(start.ljust(PROXY_HEADER_BYTES_MAX, b"f")) is not None


WORDS = (
    b"for=",
    b"by=",
    b"192.0.2.1",
    b"[2001:db8::1]",
    b'"',
    b"\\",
    b",",
    b";",
    b" ",
    b"=",
    b"unknown",
    b"_x",
    b":80",
    b"proto=https",
    b"host=a",
)
LINES = st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map(b"".join) | st.binary(max_size=20), max_size=4)


def bounded(hops: tuple[Hop, ...]) -> None:
    assert len(hops) <= PROXIES_MAX
    for hop in hops:
        assert len(hop.text) <= CLAIM_BYTES_MAX
        assert not {*hop.text} & {*b"\r\n\0"}


@fuzz_profile()
@given(LINES)
def test_what_is_taken_over_means_the_same_again(values: list[bytes]) -> None:
    """An application that reads what goes on sees the hops that this balancer saw."""
    for parse in (parse_forwarded, parse_x_forwarded_for):
        hops = parse(values)
        bounded(hops)
        again = b", ".join(hop.text for hop in hops)
        assert parse((again,) if hops else ()) == hops


@fuzz_profile()
@given(LINES, st.lists(IPS, max_size=4))
def test_what_a_client_writes_does_not_change_what_proxies_say(
    values: list[bytes], proxies: list[ipaddress.IPv4Address]
) -> None:
    """Each proxy appends in a line of its own; whatever stands before, the last hops are theirs."""
    theirs = [b"for=" + forwarded_node(address) for address in proxies]
    assert [hop.address for hop in parse_forwarded([*values, *theirs])][-len(proxies) :] == proxies or not proxies
    theirs = [str(address).encode() for address in proxies]
    assert [hop.address for hop in parse_x_forwarded_for([*values, *theirs])][-len(proxies) :] == proxies or not proxies
    joined = b", ".join([*[value.replace(b"\r", b"") for value in values], *theirs])
    assert [hop.address for hop in parse_x_forwarded_for([joined])][-len(proxies) :] == proxies or not proxies


@fuzz_profile()
@given(LINES, IPS, IPS)
def test_the_client_is_never_one_that_a_client_names(
    values: list[bytes], client: ipaddress.IPv4Address, peer: ipaddress.IPv4Address
) -> None:
    """What the trusted peer saw is the client, unless that is trusted itself."""
    head = b"".join(b"\r\nX-Forwarded-For: %b" % value.replace(b"\r", b"").replace(b"\n", b"") for value in values)
    head = b"GET / HTTP/1.1" + head + b"\r\nx-forwarded-for:%b\r\n\r\n" % str(client).encode()
    trusted = NetworkSet([str(peer)])
    claims = read_claims(claim_lines(head, len(head)), ForwardedField.X_FORWARDED)
    assert trace(claims, peer, trusted).client == client or client == peer


def test_a_fault_says_what_it_is() -> None:
    assert isinstance(fault := read_proxy_header(b"x"), ProxyFault)
    assert fault.detail
