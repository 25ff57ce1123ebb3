"""The laws of lbmesh.http1: both lanes mean the same, and a body ends at the same byte however it is cut."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.support.chunks import any_bodies
from tests.support.fuzz import fuzz_profile
from tests.support.heads import request_data, response_data
from tests.support.lane_law import check_chunks, check_request, check_response

ACCEPTED_SHARE_MIN = 0.3
"""So many of all examples must come through the fast lane, or the law is tested on nothing."""


def test_requests() -> None:
    seen: Counter[str] = Counter()

    @fuzz_profile()
    @given(request_data())
    def agree(data: bytes) -> None:
        seen.update(["all", *check_request(data)])

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
            seen.update(["all", *check_response(data, method)])

    agree()
    assert seen["fast"] >= ACCEPTED_SHARE_MIN * seen["all"], seen
    expected = ("left to h11", "refused", "length -2", "length -1", "length 0", "length 1", "kept True", "kept False")
    assert not [feature for feature in expected if seen[feature] < seen["all"] / 100], seen


def test_chunk_framing() -> None:
    seen: Counter[str] = Counter()

    @fuzz_profile()
    @given(any_bodies(), st.lists(st.integers(0, 200), max_size=4).map(tuple))
    def agree(data: bytes, cuts: tuple[int, ...]) -> None:
        seen.update(["all", *check_chunks(data, tuple(min(cut, len(data)) for cut in cuts))])

    agree()
    assert not [kind for kind in ("whole", "faulty", "unfinished") if seen[kind] < seen["all"] / 20], seen
