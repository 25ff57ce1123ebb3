"""HTTP/2 frames are cut out whole, wherever what brings them is cut."""

import struct

import pytest
from h2.exceptions import FrameTooLargeError
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.agent.probes.h2_frames import FRAME_BYTES_MAX, lets_finish, may_begin, take_frame

octets = st.integers(0, 255)


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


frames = st.builds(frame, octets, octets, st.integers(0, 2**32 - 1), st.binary(max_size=300))


@given(st.lists(frames, max_size=8), st.integers(1, 400))
def test_frames_come_whole_and_in_order(sent: list[bytes], size: int) -> None:
    said, unread, taken = b"".join(sent), bytearray(), list[bytes]()
    for at in range(0, len(said), size):
        unread += said[at : at + size]
        while found := take_frame(unread):
            taken.append(found)
    assert taken == sent
    assert not unread


def test_the_longest_frame_is_taken_and_a_longer_one_refused_by_its_head() -> None:
    longest = frame(0, 0, 1, b"x" * FRAME_BYTES_MAX)
    assert take_frame(bytearray(longest)) == longest
    assert take_frame(bytearray(longest[:-1])) is None
    with pytest.raises(FrameTooLargeError):
        take_frame(bytearray(frame(0, 0, 1, b"x" * (FRAME_BYTES_MAX + 1))[:9]))


@pytest.mark.parametrize(
    ("said", "fits"), [(b"", True), (b"HTT", True), (b"HTTP", False), (b"\0\0\0\4", True), (b"\0\0\0\7", False)]
)
def test_a_beginning_is_told_by_its_fourth_byte(said: bytes, fits: bool) -> None:
    assert may_begin(bytearray(said)) is fits


@pytest.mark.parametrize(
    ("kind", "stream", "last", "code", "finishes"),
    [
        (7, 0, 1, 0, True),
        (7, 0, 2**31 - 1, 0, True),
        (7, 0, 2**31 + 1, 0, True),
        (7, 0, 2**31, 0, False),
        (7, 0, 0, 0, False),
        (7, 0, 1, 2, False),
        (7, 1, 1, 0, False),
        (6, 0, 1, 0, False),
    ],
)
def test_which_farewell_lets_a_call_finish(kind: int, stream: int, last: int, code: int, finishes: bool) -> None:
    body = struct.pack("!II", last, code)
    assert lets_finish(frame(kind, 0, stream, body), 1) is finishes
    assert lets_finish(frame(kind, 0, stream, body + b"why"), 1) is finishes
    assert not lets_finish(frame(kind, 0, stream, body[:-1]), 1)
