"""BIRD's replies: transcripts of BIRD 2.0.12, however they are cut, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.drivers.bgp.limits import LINE_BYTES_MAX, REPLY_BYTES_MAX
from lbmesh.drivers.bgp.replies import Line, NotBirdError, Reply, ReplyReader

GREETING = b"0001 BIRD 2.0.12 ready.\n"
PROTOCOLS = (
    b"2002-Name       Proto      Table      State  Since         Info\n"
    b"1002-device1    Device     ---        up     12:23:06.555  \n"
    b" front_a    Static     master4    down   12:23:06.555  \n"
    b"0000 \n"
)
ENABLED = b"0011-front_a: enabled\n0000 \n"
UNKNOWN = b"8003 No protocols match\n"


def test_a_line_without_a_code_is_under_the_one_before() -> None:
    (reply,) = ReplyReader().feed(PROTOCOLS)
    assert reply.under(1002) == (
        "device1    Device     ---        up     12:23:06.555  ",
        "front_a    Static     master4    down   12:23:06.555  ",
    )
    assert (reply.code, reply.text, reply.is_fault) == (0, "", False)


def test_a_fault_has_its_words() -> None:
    (reply,) = ReplyReader().feed(UNKNOWN)
    assert (reply.code, reply.text, reply.is_fault) == (8003, "No protocols match", True)


def test_what_is_logged_in_between_is_no_part_of_a_reply() -> None:
    (reply,) = ReplyReader().feed(b"+<TRACE> front_a: Started\n" + ENABLED)
    assert reply == Reply((Line(11, "front_a: enabled"), Line(0, "")))


@given(st.lists(st.integers(0, 200), max_size=10))
def test_replies_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    data = GREETING + PROTOCOLS + ENABLED + UNKNOWN
    whole = ReplyReader().feed(data)
    assert [reply.code for reply in whole] == [1, 0, 0, 8003]
    reader, at, found = ReplyReader(), 0, []
    for cut in [*sorted(cuts), len(data)]:
        found += reader.feed(data[at:cut]) if cut > at else []
        at = max(at, cut)
    assert found == whole


@given(st.binary(max_size=300))
def test_whatever_comes_is_replies_or_not_bird(data: bytes) -> None:
    try:
        replies = ReplyReader().feed(data)
    except NotBirdError:
        return
    assert all(reply.lines and 0 <= reply.code <= 9999 for reply in replies)


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\n", b" no code before\n", b"00\n", b"0000\n", b"0000+x\n"])
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(NotBirdError):
        ReplyReader().feed(data)


def test_a_line_and_a_reply_have_an_end() -> None:
    with pytest.raises(NotBirdError, match="a line of more than"):
        ReplyReader().feed(b"1002-" + b"x" * LINE_BYTES_MAX)
    with pytest.raises(NotBirdError, match="an answer of more than"):
        ReplyReader().feed((b"1002-" + b"x" * 1000 + b"\n") * (REPLY_BYTES_MAX // 1000 + 1))


def test_a_long_reply_does_not_count_against_the_next() -> None:
    reader = ReplyReader()
    for _ in range(3):
        assert len(reader.feed((b"1002-" + b"x" * 1000 + b"\n") * (REPLY_BYTES_MAX // 2000) + b"0000 \n")) == 1
