"""Laws of DNS that hold for any bytes: no crash, nothing larger than may be, nothing that dnspython reads otherwise."""

import dns.edns
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
from hypothesis import example, given
from hypothesis import strategies as st

from lbmesh.dns.limits import AMPLIFICATION_MAX, UDP_BYTES_MAX, UDP_BYTES_PLAIN_MAX
from lbmesh.dns.query import Query, read_query
from lbmesh.dns.responder import Responder
from tests.conformance.dns_cases import CASES, SHOP, ZONE, head, opt
from tests.support.dns_zone import CLIENT, A, B, C, limited, picture, responder

_corpus = st.sampled_from([case.query for case in CASES])
_labels = st.binary(min_size=1, max_size=63).map(lambda label: bytes((len(label),)) + label)
_names = st.lists(_labels, max_size=4).map(b"".join)
_questions = st.builds(
    lambda name, zone, kind, class_: name + zone + kind + class_,
    _names,
    st.sampled_from([ZONE, SHOP, b"\0", b"\x03org\0"]),
    st.integers(0, 65535).map(lambda kind: kind.to_bytes(2, "big"))
    | st.sampled_from([b"\0\x01", b"\0\x1c", b"\0\xff"]),
    st.sampled_from([b"\0\x01", b"\0\x03"]),
)
_opts = st.builds(opt, st.binary(max_size=40), st.integers(0, 65535), st.integers(0, 2), st.integers(0, 65535))
_plausible = st.builds(
    lambda flags, question, tail, additional: head(flags, 1, 0, 0, additional) + question + tail,
    st.integers(0, 65535),
    _questions,
    st.just(b"") | _opts | st.binary(max_size=30),
    st.integers(0, 2),
)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """A message of the corpus with a few bytes changed."""
    message = bytearray(draw(_corpus))
    for _ in range(draw(st.integers(1, 4))):
        if message:
            message[draw(st.integers(0, len(message) - 1))] = draw(st.integers(0, 255))
    return bytes(message)


messages = st.binary(max_size=600) | _plausible | _mutated()


@given(messages, st.booleans(), st.floats(0, 1e6))
def test_any_bytes_get_a_sound_answer_or_none(message: bytes, is_udp: bool, now: float) -> None:
    answer = responder().respond(message, CLIENT, now, is_udp=is_udp)
    if answer is None:
        return
    assert answer[:2] == message[:2]
    assert answer[2] & 0x80
    dns.message.from_wire(answer)


@given(messages, st.floats(0, 1e6))
def test_no_answer_over_udp_is_larger_than_may_be(message: bytes, now: float) -> None:
    answer = responder().respond(message, CLIENT, now, is_udp=True)
    if answer is None:
        return
    assert len(answer) <= UDP_BYTES_MAX
    assert len(answer) <= AMPLIFICATION_MAX * len(message)
    query = read_query(message)
    if isinstance(query, Query):
        assert len(answer) <= max(UDP_BYTES_PLAIN_MAX, query.udp_bytes or 0)


@given(messages, st.floats(0, 1e6))
def test_beyond_the_rate_no_answer_is_larger_than_its_query(message: bytes, now: float) -> None:
    asked = responder(policy=limited(1))
    for _ in range(3):
        asked.respond(head() + SHOP + b"\0\x01\0\x01", CLIENT, now, is_udp=True)
    for _ in range(2):
        answer = asked.respond(message, CLIENT, now, is_udp=True)
        assert answer is None or len(answer) <= len(message)


@given(messages)
@example(head(additional=1) + SHOP + b"\0\x01\0\x01" + opt())
def test_what_is_read_is_what_dnspython_reads(message: bytes) -> None:
    """What it refuses may be more than what we do: it looks into records that we pass over."""
    query = read_query(message)
    if not isinstance(query, Query):
        return
    try:
        read = dns.message.from_wire(message)
    except (dns.exception.DNSException, ValueError):
        return
    assert read.id == query.id
    (question,) = read.question
    assert question.name.to_wire(origin=None).lower() == query.name  # type: ignore[union-attr]
    assert (int(question.rdtype), int(question.rdclass)) == (query.type, query.class_)
    if query.udp_bytes is not None:
        assert (read.edns, read.payload) == (query.edns_version, query.udp_bytes)
        assert bool(read.ednsflags & 0x8000) is query.dnssec_ok


_withdrawn = st.sets(st.sampled_from([A, B, C]))


@given(_withdrawn, st.floats(0, 1e6), st.sampled_from(["10.0.1.7", "10.0.2.7", CLIENT, "2001:db8::7"]))
def test_an_answer_is_never_empty_and_holds_whoever_lives(withdrawn: set[str], now: float, client: str) -> None:
    asked = responder(withdrawn=sorted(withdrawn))
    wire = asked.respond(head() + SHOP + b"\0\x01\0\x01", client, now, is_udp=True)
    assert wire is not None
    found = {str(record) for rrset in dns.message.from_wire(wire).answer for record in rrset}
    assert found == ({A, B, C} - withdrawn or {A, B, C})


@given(st.lists(messages, max_size=20), st.floats(0, 1e6))
def test_what_is_kept_changes_no_answer(queries: list[bytes], now: float) -> None:
    """A responder that has answered before, and one that was told of another picture in between, says the same."""
    used = Responder()
    used.tell(picture(withdrawn=[A], number=1))
    for query in queries:
        used.respond(query, CLIENT, now, is_udp=True)
    used.tell(picture(number=2))
    for query in queries:
        fresh = responder().respond(query, CLIENT, now, is_udp=True)
        assert used.respond(query, CLIENT, now, is_udp=True) == fresh
