"""Orders and replies as lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.dev.verbs import Order, Reply, Verb, decode_order, decode_reply, encode_order, encode_reply


@given(st.builds(Order, st.sampled_from(Verb), st.text()))
def test_orders_survive_the_line(order: Order) -> None:
    line = encode_order(order)

    assert line.count(b"\n") == 1
    assert decode_order(line) == order


@given(st.builds(Reply, st.booleans(), st.lists(st.text()).map(tuple)))
def test_replies_survive_the_line(reply: Reply) -> None:
    assert decode_reply(encode_reply(reply)) == reply


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]\n", b'{"verb": "burn", "name": "x"}\n', b'{"verb": "kill"}\n', b"\xff"]
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode_order(line)
    with pytest.raises(ValueError):
        decode_reply(line)
