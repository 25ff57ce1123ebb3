"""When another answer may go on with a body that broke off, and what of it is new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.client.attempts import Answered
from lbmesh.client.resumption import Continuation, DiffersError, Resumption, is_short
from lbmesh.model.address import Address

A, B = Address("10.0.1.10", 80), Address("10.0.2.10", 80)
FROM_A, FROM_B = Answered(A, 1, ()), Answered(B, 2, ())
HEAD = [(b"Content-Type", b"text/plain"), (b"Date", b"now")]
TAGGED = [*HEAD, (b"ETag", b'"v1"'), (b"Accept-Ranges", b"bytes")]


def begun(
    given: bytes, fields: list[tuple[bytes, bytes]], asked: list[tuple[bytes, bytes]] | None = None
) -> Resumption:
    """So much of an answer with this head was given to the caller when A broke off."""
    resumption = Resumption(FROM_A, 200, fields, asked or [])
    resumption.gave(given)
    resumption.broke("broke off")
    return resumption


@given(body=st.binary(), at=st.integers(0, 60), cuts=st.lists(st.integers(1, 9)))
def test_the_caller_gets_exactly_the_second_body_however_it_is_cut(body: bytes, at: int, cuts: list[int]) -> None:
    given, got = body[:at], body[:at]
    continuation = begun(given, HEAD).goes_on(FROM_B, 200, HEAD)
    assert continuation is not None
    left = body
    for cut in [*cuts, len(body) or 1]:
        part, left = left[:cut], left[cut:]
        if part:
            got += continuation.take(part)
    continuation.end()
    assert got == body
    assert continuation.has_caught_up


@given(body=st.binary(min_size=1), flip=st.integers(0, 1000))
def test_another_beginning_is_never_gone_on_with(body: bytes, flip: int) -> None:
    other = bytearray(body)
    other[flip % len(body)] ^= 1
    continuation = begun(body, HEAD).goes_on(FROM_B, 200, HEAD)
    assert continuation is not None
    with pytest.raises(DiffersError):
        continuation.take(bytes(other) + b"and more")


def test_a_shorter_body_is_never_gone_on_with() -> None:
    continuation = begun(b"twelve bytes", HEAD).goes_on(FROM_B, 200, HEAD)
    assert continuation is not None
    assert continuation.take(b"twelve") == b""
    with pytest.raises(DiffersError):
        continuation.end()


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (503, HEAD),
        (200, [(b"Content-Type", b"text/html")]),
        (200, [*HEAD, (b"Content-Encoding", b"gzip")]),
        (200, [*HEAD, (b"Content-Length", b"7")]),
        (200, [*HEAD, (b"ETag", b'"v2"')]),
        (206, [*HEAD, (b"Content-Range", b"bytes 5-9/10")]),
    ],
)
def test_a_head_that_means_something_else_is_refused(status: int, fields: list[tuple[bytes, bytes]]) -> None:
    assert begun(b"given", HEAD).goes_on(FROM_B, status, fields) is None


def test_what_says_nothing_of_the_bytes_may_differ() -> None:
    assert begun(b"given", HEAD).goes_on(FROM_B, 200, [(b"content-type", b"text/plain"), (b"Date", b"later")])


def test_the_rest_alone_is_asked_for_under_a_strong_validator() -> None:
    resumption = begun(b"given", TAGGED)
    assert resumption.asks() == [(b"Range", b"bytes=5-"), (b"If-Range", b'"v1"')]
    part = [(b"ETag", b'"v1"'), (b"Content-Range", b"bytes 5-9/10")]
    continuation = resumption.goes_on(FROM_B, 206, part)
    assert continuation is not None
    assert continuation.take(b" rest") == b" rest"


@pytest.mark.parametrize("content_range", [b"bytes 4-9/10", b"bytes 6-9/10", b"bytes */10", b"", b"items 5-9/10"])
def test_another_part_than_the_rest_is_refused(content_range: bytes) -> None:
    fields = [(b"ETag", b'"v1"'), (b"Content-Range", content_range)]
    assert begun(b"given", TAGGED).goes_on(FROM_B, 206, fields) is None


def test_the_rest_of_another_version_is_refused() -> None:
    fields = [(b"ETag", b'"v2"'), (b"Content-Range", b"bytes 5-9/10")]
    assert begun(b"given", TAGGED).goes_on(FROM_B, 206, fields) is None


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        (HEAD, []),
        ([*HEAD, (b"ETag", b'W/"v1"'), (b"Accept-Ranges", b"bytes")], []),
        ([*HEAD, (b"ETag", b'"v1"')], []),
        (TAGGED, [(b"Range", b"bytes=100-")]),
    ],
)
def test_all_is_asked_for_where_the_rest_could_be_another_version_s(
    fields: list[tuple[bytes, bytes]], asked: list[tuple[bytes, bytes]]
) -> None:
    assert begun(b"given", fields, asked).asks() == []


def test_events_are_never_gone_on_with() -> None:
    assert not Resumption(FROM_A, 200, [(b"Content-Type", b"text/event-stream; charset=utf-8")], []).is_open


def test_the_report_tells_where_it_broke_off() -> None:
    report = begun(b"given", HEAD).report
    assert [str(failure) for failure in report.failures] == [f"{A} broke off, 5 bytes into the body (after 0.000 s)"]


@pytest.mark.parametrize(
    ("length", "is_held"),
    [(b"0", True), (b"100", True), (b"101", False), (b"-1", False), (b"", False), (b"1" * 5000, False)],
)
def test_only_a_length_that_is_promised_and_short_is_held(length: bytes, is_held: bool) -> None:
    assert is_short([(b"Content-Length", length)], 100) is is_held
    assert not is_short([(b"Transfer-Encoding", b"chunked")], 100)


def test_nothing_to_skip_is_caught_up_at_once() -> None:
    assert Continuation(0, b"").has_caught_up
