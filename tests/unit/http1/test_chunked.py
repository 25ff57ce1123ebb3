"""Chunk framing: what is well formed passes whole, what is not stops at the same byte however it was cut."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.http1.chunked import ChunkScanner
from lbmesh.model.limits import CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX
from tests.support.chunks import WholeBody, any_bodies, whole_bodies
from tests.support.splits import pieces_of


class Outcome(NamedTuple):
    consumed: int
    payload: bytes
    done: bool
    faulty: bool


def scanned(pieces: list[bytes]) -> Outcome:
    """Feed the pieces one after the other, what was not consumed again in front of the next."""
    scanner = ChunkScanner()
    consumed, payload, rest = 0, b"", b""
    for piece in pieces:
        data = rest + piece
        scan = scanner.scan(data)
        assert 0 <= scan.consumed <= len(data)
        assert all(0 <= start < end <= scan.consumed for start, end in scan.payload)
        consumed += scan.consumed
        payload += b"".join(data[start:end] for start, end in scan.payload)
        rest = data[scan.consumed :]
        if scan.done or scan.fault:
            return Outcome(consumed, payload, scan.done, bool(scan.fault))
    return Outcome(consumed, payload, done=False, faulty=False)


@given(whole_bodies(), st.binary(max_size=20), st.data())
def test_a_whole_body_passes_whole_and_what_follows_stays(
    whole: WholeBody, following: bytes, data: st.DataObject
) -> None:
    body, _, payload = whole
    expected = Outcome(len(body), payload, done=True, faulty=False)
    assert scanned([body + following]) == expected
    assert scanned(data.draw(pieces_of(body + following))) == expected


@given(any_bodies(), st.data())
def test_no_split_changes_anything(body: bytes, data: st.DataObject) -> None:
    assert scanned(data.draw(pieces_of(body))) == scanned([body])


@given(whole_bodies(), st.data())
def test_a_body_cut_off_is_neither_done_nor_faulty(whole: WholeBody, data: st.DataObject) -> None:
    body, _, payload = whole
    outcome = scanned([body[: data.draw(st.integers(0, len(body) - 1))]])
    assert not outcome.done
    assert not outcome.faulty
    assert payload.startswith(outcome.payload)


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"\n",
        b"5\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b"1 \r\n",
        b" 1\r\n",
        b"1 1\r\n",
        b"g\r\n",
        b"\x00\r\n",
        b";a\r\n",
        b"1;\x00\r\n",
        b"1;a\n",
        b"1;a\rb\r\n",
        b"1" * 16 + b"\r\n",
        b"ffffffffffffffff\r\n",
    ],
)
def test_a_size_line_is_malformed(body: bytes) -> None:
    assert scanned([body]) == Outcome(0, b"", done=False, faulty=True)


@pytest.mark.parametrize("ending", [b"x", b"\n", b"\rx", b"x\r\n", b"0\r\n"])
def test_data_does_not_end_where_its_size_says(ending: bytes) -> None:
    assert scanned([b"2\r\nab" + ending]) == Outcome(5, b"ab", done=False, faulty=True)


@pytest.mark.parametrize(
    "line", [b"X\r\n", b": y\r\n", b"X : y\r\n", b" X: y\r\n", b"X: y\n", b"X: \x00\r\n", b"X: a\rb\r\n", b"\n"]
)
def test_a_trailer_line_is_malformed(line: bytes) -> None:
    outcome = scanned([b"0\r\n" + line])
    assert outcome.faulty
    assert not outcome.done


@pytest.mark.parametrize(
    "name",
    [b"Host", b"content-length", b"Transfer-Encoding", b"X-Forwarded-For", b"x_forwarded_prefix", b"Content_Length"],
)
def test_a_trailer_brings_in_no_guarded_field(name: bytes) -> None:
    assert scanned([b"0\r\n" + name + b": 1\r\n"]).faulty
    assert not scanned([b"0\r\nX-" + name + b": 1\r\n"]).faulty


def test_the_largest_size_that_is_read() -> None:
    scan = ChunkScanner().scan(b"f" * 15 + b"\r\nab")
    assert (scan.fault, scan.payload) == ("", ((17, 19),))


@pytest.mark.parametrize("end", [b"", b"\r", b"X: y\r\n", b"X: y\r\n\r", b"X : y\r\n\r\n", b"GET / HTTP/1.1\r\n"])
def test_the_end_does_not_go_on_before_it_is_certain(end: bytes) -> None:
    """Or a server may act on a message that is refused here, or that was cut off."""
    assert scanned([b"1\r\na\r\n0;x\r\n" + end]).consumed == len(b"1\r\na\r\n")


def size_line(length: int) -> bytes:
    return b"1;" + b"a" * (length - 4) + b"\r\n"


def test_a_size_line_has_a_limit() -> None:
    assert not scanned([size_line(CHUNK_LINE_BYTES_MAX)]).faulty
    assert scanned([size_line(CHUNK_LINE_BYTES_MAX + 1)]).faulty
    assert scanned([b"1;" + b"a" * CHUNK_LINE_BYTES_MAX]).faulty


def trailers(length: int) -> bytes:
    return b"X: y\r\n" + b"Z:" + b"z" * (length - 12) + b"\r\n\r\n"


def test_trailers_have_a_limit_together() -> None:
    assert scanned([b"0\r\n" + trailers(TRAILER_BYTES_MAX)]).done
    assert scanned([b"0\r\n" + trailers(TRAILER_BYTES_MAX + 1)]).faulty
    assert scanned([b"0\r\nX:" + b"y" * TRAILER_BYTES_MAX]).faulty
