"""Every case of claims through the pure rules: who the client is, and what a replica is told."""

import pytest

from lbmesh.http1 import fast_lane, h11_lane
from lbmesh.http1.message import RequestHead
from lbmesh.http1.provenance import ProvenanceRules
from lbmesh.model.provenance import ForwardedField, ProvenancePolicy
from tests.conformance.claim_cases import FORWARDED, PEER, TRUSTED, X_FORWARDED, Claimed

CASES = [(ForwardedField.X_FORWARDED, case) for case in X_FORWARDED]
CASES += [(ForwardedField.FORWARDED, case) for case in FORWARDED]


@pytest.mark.parametrize(("field", "case"), CASES, ids=lambda each: each.name if isinstance(each, Claimed) else each)
def test_claims(field: ForwardedField, case: Claimed) -> None:
    data = b"\r\n".join((b"GET / HTTP/1.1", b"Host: a", *case.lines, b"", b""))
    head = fast_lane.parse_request(data + b"GET / HTTP/1.1\r\n") or h11_lane.parse_request(data)
    assert isinstance(head, RequestHead)
    assert not any(
        name in head.head.lower() for name in (b"x-forwarded-", b"\nforwarded", b"x-real-ip") if b"X-A" not in data
    )
    rules = ProvenanceRules(ProvenancePolicy(TRUSTED, field, (field,)), "lb-a1")
    for _ in range(2):  # the second time from memory
        who = rules.introduce(data + b"X-Forwarded-For: 6.6.6.6\r\n", head.head_bytes, PEER, b"http", b"a")
        assert who.client == case.client
        assert who.fields + who.editable == b"".join(line + b"\r\n" for line in case.told)


def test_every_case_has_a_name_of_its_own() -> None:
    for cases in (X_FORWARDED, FORWARDED):
        names = [case.name for case in cases]
        assert len(names) == len(set(names))
