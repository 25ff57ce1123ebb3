"""Whose a body is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh_chaos.load.bodies import SIZES, body_of, judge_body
from lbmesh_chaos.model.flow import Body
from lbmesh_chaos.model.tally import DAMAGED_BODY, FOREIGN_BODY, OK

IDENTITIES = st.from_regex(r"[a-z][a-z0-9-]{0,20}-[0-9]{1,6}", fullmatch=True)
SMALL, STREAM = SIZES[Body.SMALL], SIZES[Body.STREAM]


@pytest.mark.parametrize("size", [0, 1, SMALL, 1024, 1025, STREAM])
@given(identity=IDENTITIES)
def test_a_body_is_its_own(identity: str, size: int) -> None:
    body = body_of(identity, size)
    assert len(body) == size
    assert judge_body(identity, body, size) == (OK, "")


@given(identity=IDENTITIES, other=IDENTITIES)
def test_the_body_of_another_names_its_owner(identity: str, other: str) -> None:
    if identity != other:
        assert judge_body(identity, body_of(other, SMALL), SMALL) == (FOREIGN_BODY, other)


@given(at=st.integers(1, STREAM - 2000))
def test_bytes_of_another_in_the_middle_of_a_stream_name_their_owner(at: int) -> None:
    whole, other = body_of("a1-kept-17", STREAM), body_of("a1-kept-1", STREAM)
    assert judge_body("a1-kept-17", whole[:at] + other[at:], STREAM) == (FOREIGN_BODY, "a1-kept-1")


def test_a_short_body_is_damaged() -> None:
    word, what = judge_body("a-1", body_of("a-1", SMALL)[:-1], SMALL)
    assert (word, what) == (DAMAGED_BODY, "255 bytes instead of 256")


@given(at=st.integers(0, SMALL - 1))
def test_a_changed_byte_is_damage(at: int) -> None:
    body = bytearray(body_of("a-1", SMALL))
    body[at] ^= 0x80
    assert judge_body("a-1", bytes(body), SMALL)[0] == DAMAGED_BODY


def test_blocks_in_the_wrong_order_are_damage() -> None:
    body = body_of("a-1", 3072)
    assert judge_body("a-1", body[1024:2048] + body[:1024] + body[2048:], 3072)[0] == DAMAGED_BODY
