"""Every request case through both lanes, as a connection does it."""

import pytest

from lbmesh.http1 import fast_lane, h11_lane
from lbmesh.http1.message import Refusal, RequestHead
from tests.conformance.request_cases import ACCEPTED, CONNECTING, REFUSED, Accepted, Refused


def lines_of(head: RequestHead) -> list[bytes]:
    return head.head.removesuffix(b"\r\n").split(b"\r\n")


def agrees(head: RequestHead, case: Accepted) -> None:
    assert (head.target, head.host, head.body_length, head.keep_alive) == (
        case.target,
        case.host,
        case.body_length,
        case.keep_alive,
    )
    start_line, *fields = lines_of(head)
    assert start_line.split(b" ")[1:] == [case.target, b"HTTP/1.1"]
    assert [line for line in fields if line in case.fields] == list(case.fields)
    assert not {line.partition(b":")[0].lower() for line in fields} & set(case.gone)


@pytest.mark.parametrize("case", [*ACCEPTED, *CONNECTING], ids=lambda case: case.clause)
def test_accepted(case: Accepted) -> None:
    careful = h11_lane.parse_request(case.head)
    assert isinstance(careful, RequestHead), careful
    agrees(careful, case)
    assert careful.head_bytes == len(case.head)
    fast = fast_lane.parse_request(case.head)
    if fast is not None:
        assert (fast.target, fast.host, fast.body_length, fast.keep_alive) == (
            case.target,
            case.host,
            case.body_length,
            case.keep_alive,
        )


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.clause)
def test_refused(case: Refused) -> None:
    assert fast_lane.parse_request(case.head) is None
    careful = h11_lane.parse_request(case.head)
    assert isinstance(careful, Refusal)
    assert careful.status == case.status, careful


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.clause for case in (*ACCEPTED, *CONNECTING, *REFUSED)]
    assert len(names) == len(set(names))
