"""Every response case through both lanes, as a connection to a replica does it."""

import pytest

from lbmesh.http1 import fast_lane, h11_lane
from lbmesh.http1.message import Refusal, ResponseHead
from tests.conformance.response_cases import BAD, PASSED, Bad, Passed


@pytest.mark.parametrize("case", PASSED, ids=lambda case: case.clause)
def test_passed(case: Passed) -> None:
    expected = (case.status, case.body_length, case.keep_alive, len(case.head))
    careful = h11_lane.parse_response(case.head, method=case.method, offered=case.offered)
    assert isinstance(careful, ResponseHead), careful
    assert (careful.status, careful.body_length, careful.keep_alive, careful.head_bytes) == expected
    start_line, *fields = careful.head.removesuffix(b"\r\n").split(b"\r\n")
    assert start_line.startswith(b"HTTP/1.1 %d " % case.status)
    assert [line for line in fields if line in case.fields] == list(case.fields)
    assert not {line.partition(b":")[0].lower() for line in fields} & set(case.gone)
    fast = fast_lane.parse_response(case.head, to_head=case.method == b"HEAD")
    if fast is not None:
        assert (fast.status, fast.body_length, fast.keep_alive, fast.head_bytes) == expected


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.clause)
def test_bad(case: Bad) -> None:
    assert fast_lane.parse_response(case.head, to_head=False) is None
    careful = h11_lane.parse_response(case.head, method=b"GET", offered=case.offered)
    assert isinstance(careful, Refusal)
    assert (careful.status, careful.reason) == (502, "bad_response")


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.clause for case in (*PASSED, *BAD)]
    assert len(names) == len(set(names))
