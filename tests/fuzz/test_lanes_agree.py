"""The one law of lbmesh.http1: whatever the fast lane accepts, the h11 lane accepts with the same meaning."""

from collections import Counter

from hypothesis import given

from lbmesh.http1 import fast_lane, h11_lane
from lbmesh.http1.fields import HOP_BY_HOP
from lbmesh.http1.message import RequestHead, ResponseHead
from tests.support.fuzz import fuzz_profile
from tests.support.heads import request_data, response_data

Fields = list[tuple[bytes, bytes]]
ACCEPTED_SHARE_MIN = 0.3
"""So many of all examples must come through the fast lane, or the law is tested on nothing."""


def whole_head(data: bytes) -> bytes:
    """What a connection hands to the h11 lane."""
    return data[: data.find(b"\r\n\r\n") + 4]


def fields_of(head: bytes) -> Fields:
    """Name and value of every line after the first; each line must be whole."""
    assert head.endswith(b"\r\n")
    lines = head[:-2].split(b"\r\n")[1:]
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    return [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]


def without(fields: Fields, name: bytes) -> Fields:
    return [field for field in fields if field[0].lower() != name]


def values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for field_name, value in fields if field_name.lower() == name]


def forwarded(head: bytes) -> Fields:
    """The fields as forwarded, without the keep-alive that the fast lane leaves: it is the proxy's own statement."""
    fields = fields_of(head)
    assert {value.lower() for value in values(fields, b"connection")} <= {b"keep-alive"}
    return without(fields, b"connection")


def request_meaning(head: RequestHead) -> tuple[object, ...]:
    """Everything a request head means; the place of Host among the other fields is of no account."""
    fields = forwarded(head.head)
    assert values(fields, b"host") == [head.host]
    return (
        head.head.partition(b"\r\n")[0],
        without(fields, b"host"),
        head.method,
        head.target,
        head.host,
        head.minor_version,
        head.body_length,
        head.keep_alive,
        head.request_id,
        head.head_bytes,
    )


def goes_on_plainly(head: RequestHead) -> None:
    """Nothing that a replica could read otherwise leaves the node: what was accepted is accepted again, unchanged."""
    names = {name.lower() for name, _ in fields_of(head.head)}
    assert not names & HOP_BY_HOP
    assert not names & {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
    if not head.host:
        assert head.minor_version == 0
        return
    again = h11_lane.parse_request(head.head + b"\r\n")
    assert isinstance(again, RequestHead)
    assert again.head == head.head
    assert (again.target, again.host, again.body_length, again.request_id) == (
        head.target,
        head.host,
        head.body_length,
        head.request_id,
    )


def goes_back_plainly(head: ResponseHead) -> None:
    assert not {name.lower() for name, _ in fields_of(head.head)} & HOP_BY_HOP
    again = h11_lane.parse_response(head.head + b"\r\n", method=b"GET")
    assert isinstance(again, ResponseHead)
    assert (again.head, again.status) == (head.head, head.status)


def test_requests() -> None:
    seen: Counter[str] = Counter()

    @fuzz_profile()
    @given(request_data())
    def agree(data: bytes) -> None:
        seen["all"] += 1
        fast = fast_lane.parse_request(data)
        careful = h11_lane.parse_request(whole_head(data))
        if isinstance(careful, RequestHead):
            goes_on_plainly(careful)
        else:
            assert 400 <= careful.status <= 599
        if fast is None:
            seen["left to h11" if isinstance(careful, RequestHead) else "refused"] += 1
            return
        assert isinstance(careful, RequestHead), careful
        assert request_meaning(fast) == request_meaning(careful)
        seen.update(
            [
                "fast",
                f"length {min(fast.body_length, 1)}",
                f"kept {fast.keep_alive}",
                f"id {fast.request_id is not None}",
            ]
        )
        seen["rewritten"] += len(fast.head) + 2 != fast.head_bytes

    agree()
    assert seen["fast"] >= ACCEPTED_SHARE_MIN * seen["all"], seen
    expected = (
        "left to h11",
        "refused",
        "length -1",
        "length 0",
        "length 1",
        "kept True",
        "kept False",
        "id True",
        "id False",
        "rewritten",
    )
    assert not [feature for feature in expected if seen[feature] < seen["all"] / 100], seen


def test_responses() -> None:
    seen: Counter[str] = Counter()

    @fuzz_profile()
    @given(response_data())
    def agree(data: bytes) -> None:
        for method in (b"GET", b"HEAD"):
            seen["all"] += 1
            fast = fast_lane.parse_response(data, to_head=method == b"HEAD")
            careful = h11_lane.parse_response(whole_head(data), method=method)
            if isinstance(careful, ResponseHead):
                goes_back_plainly(careful)
            else:
                assert (careful.status, careful.reason) == (502, "bad_response")
            if fast is None:
                seen["left to h11" if isinstance(careful, ResponseHead) else "refused"] += 1
                continue
            assert isinstance(careful, ResponseHead), careful
            assert fast.head.partition(b"\r\n")[0] == careful.head.partition(b"\r\n")[0]
            assert forwarded(fast.head) == forwarded(careful.head)
            assert (fast.status, fast.body_length, fast.keep_alive, fast.head_bytes) == (
                careful.status,
                careful.body_length,
                careful.keep_alive,
                careful.head_bytes,
            )
            seen.update(["fast", f"length {min(fast.body_length, 1)}", f"kept {fast.keep_alive}"])

    agree()
    assert seen["fast"] >= ACCEPTED_SHARE_MIN * seen["all"], seen
    expected = ("left to h11", "refused", "length -2", "length -1", "length 0", "length 1", "kept True", "kept False")
    assert not [feature for feature in expected if seen[feature] < seen["all"] / 100], seen
