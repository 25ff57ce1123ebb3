"""Where a body ends: every byte is either passed on or kept for what follows, however the stream was cut."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.forwarder.framing import BodyReader
from lbmesh.http1.message import CHUNKED, UNTIL_CLOSE
from lbmesh.model.limits import TRAILER_BYTES_MAX
from tests.support.chunks import WholeBody, any_bodies, whole_bodies
from tests.support.splits import pieces_of


class Outcome(NamedTuple):
    passed: bytes
    rest: bytes
    done: bool
    faulty: bool


def read(reader: BodyReader, pieces: list[bytes]) -> Outcome:
    """Feed pieces until the body ends or turns out malformed; what comes after that is the rest."""
    passed = b""
    waiting = list(pieces)
    while waiting and not reader.done and not reader.fault:
        passed += reader.take(waiting.pop(0))
    return Outcome(passed, reader.rest + b"".join(waiting), reader.done, bool(reader.fault))


@given(st.binary(max_size=60), st.integers(0, 80), st.data())
def test_a_counted_body(stream: bytes, length: int, data: st.DataObject) -> None:
    outcome = read(BodyReader(length), data.draw(pieces_of(stream)))
    assert outcome == Outcome(stream[:length], stream[length:], done=len(stream) >= length, faulty=False)


@given(st.binary(max_size=60), st.data())
def test_a_body_until_the_end_of_the_stream(stream: bytes, data: st.DataObject) -> None:
    outcome = read(BodyReader(UNTIL_CLOSE), data.draw(pieces_of(stream)))
    assert outcome == Outcome(stream, b"", done=False, faulty=False)


@given(whole_bodies(), st.binary(max_size=20), st.data())
def test_a_chunked_body_loses_its_extensions(whole: WholeBody, following: bytes, data: st.DataObject) -> None:
    body, plain, payload = whole
    pieces = data.draw(pieces_of(body + following))
    assert read(BodyReader(CHUNKED), pieces) == Outcome(plain, following, done=True, faulty=False)
    unframed = read(BodyReader(CHUNKED, payload_only=True), pieces)
    assert unframed == Outcome(payload, following, done=True, faulty=False)


@given(whole_bodies(), st.binary(max_size=20), st.booleans(), st.data())
def test_the_content_of_chunks_is_counted_without_their_framing(
    whole: WholeBody, following: bytes, payload_only: bool, data: st.DataObject
) -> None:
    reader = BodyReader(CHUNKED, payload_only=payload_only)
    reader.counts_content = True
    read(reader, data.draw(pieces_of(whole.body + following)))
    assert reader.content_bytes == len(whole.payload)


@given(any_bodies(), st.booleans(), st.data())
def test_no_split_changes_what_is_passed_on(body: bytes, payload_only: bool, data: st.DataObject) -> None:
    whole = read(BodyReader(CHUNKED, payload_only=payload_only), [body])
    cut = read(BodyReader(CHUNKED, payload_only=payload_only), data.draw(pieces_of(body)))
    assert (cut.passed, cut.done, cut.faulty) == (whole.passed, whole.done, whole.faulty)


def test_what_is_held_back_is_bounded() -> None:
    """The last chunk waits for its trailers."""
    reader = BodyReader(CHUNKED)
    held = len(b"0\r\nX:") - len(reader.take(b"0\r\nX:"))
    while not reader.fault:
        held += 1 - len(reader.take(b"y"))
    assert held <= len(b"0\r\n") + TRAILER_BYTES_MAX + 1
