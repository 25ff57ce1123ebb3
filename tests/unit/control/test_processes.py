"""The control channel's vocabulary survives its codec, and its packets stay bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.control.processes import (
    ERRORS_MAX,
    MESSAGE_BYTES_MAX,
    AgentLink,
    ControlMessage,
    Drain,
    Drained,
    EndLease,
    ExtendLease,
    ForwarderLink,
    HoldLease,
    LameDuck,
    LeaseAnswer,
    LeaseTrouble,
    Leave,
    Left,
    Ready,
    Reload,
    Reloaded,
    decode_control,
    encode_control,
)

_COUNTS = st.integers(min_value=0, max_value=2**40)
_MESSAGES: st.SearchStrategy[ControlMessage] = st.one_of(
    st.builds(AgentLink, _COUNTS),
    st.builds(ForwarderLink, _COUNTS, _COUNTS),
    st.builds(LameDuck),
    st.builds(Drain, st.floats(min_value=0, max_value=1e6)),
    st.builds(Reload),
    st.builds(Leave),
    st.builds(Ready),
    st.builds(Reloaded, st.booleans(), st.lists(st.text(max_size=100), max_size=ERRORS_MAX).map(tuple)),
    st.builds(Left),
    st.builds(Drained),
    st.builds(HoldLease, st.text(max_size=40), _COUNTS, st.floats(min_value=0), _COUNTS),
    st.builds(ExtendLease, st.text(max_size=40), _COUNTS, st.floats(min_value=0)),
    st.builds(EndLease, st.text(max_size=40), _COUNTS),
    st.builds(LeaseAnswer, _COUNTS, st.text(max_size=100)),
    st.builds(LeaseTrouble, st.text(max_size=40), st.text(max_size=100), st.booleans()),
)


@given(_MESSAGES)
def test_every_message_survives_the_codec(message: ControlMessage) -> None:
    assert decode_control(encode_control(message)) == message


@given(st.lists(st.text(max_size=3000), min_size=30, max_size=60))
def test_a_refusal_with_many_long_errors_still_fits_one_packet(errors: list[str]) -> None:
    packet = encode_control(Reloaded(ok=False, errors=tuple(errors)))
    assert len(packet) <= MESSAGE_BYTES_MAX
    message = decode_control(packet)
    assert isinstance(message, Reloaded)
    assert len(message.errors) == min(len(errors), ERRORS_MAX)


def test_the_longest_refusal_fits_one_packet() -> None:
    assert len(encode_control(Reloaded(ok=False, errors=("\x00" * 10_000,) * 1000))) <= MESSAGE_BYTES_MAX


def test_a_cut_list_of_errors_says_how_many_are_missing() -> None:
    message = decode_control(encode_control(Reloaded(ok=False, errors=("wrong",) * (ERRORS_MAX + 3))))
    assert isinstance(message, Reloaded)
    assert message.errors[-1].startswith("and 4 more")


@pytest.mark.parametrize(
    "packet",
    [b"", b"[]", b"null", b'{"kind":"dance"}', b'{"kind":"drain"}', b"\xff", b'{"kind":"reload","x":1}'],
)
def test_a_malformed_packet_is_a_value_error(packet: bytes) -> None:
    with pytest.raises(ValueError):
        decode_control(packet)
