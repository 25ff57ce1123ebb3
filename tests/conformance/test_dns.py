"""Every case of the corpus: the code, the flags, what is in the answer, and that dnspython reads it."""

import dns.message
import dns.rdatatype
import pytest

from tests.conformance.dns_cases import CASES, HEAD, Case
from tests.support.dns_zone import CLIENT, responder


@pytest.mark.parametrize("is_udp", [True, False], ids=["udp", "tcp"])
@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_a_query_gets_what_its_clause_says(case: Case, *, is_udp: bool) -> None:
    answer = responder().respond(case.query, CLIENT, 0.0, is_udp=is_udp)
    if case.rcode is None:
        assert answer is None
        return
    assert answer is not None
    assert answer[:2] == HEAD
    assert int.from_bytes(answer[2:4], "big") == case.flags | case.rcode & 0xF
    read = dns.message.from_wire(answer)
    assert read.rcode() == case.rcode
    counts = sum(map(len, read.answer)), sum(map(len, read.authority))
    assert case.counts in (None, counts)
    assert (read.edns >= 0) is case.has_opt
    if case.rcode in (0, 3):
        # The question is echoed as it came, whatever the case of its letters (draft-vixie-dnsext-dns0x20).
        question = read.question[0].name.to_wire()
        assert question is not None
        assert question in case.query


def test_titles_are_different() -> None:
    assert len({case.title for case in CASES}) == len(CASES)
