"""Netlink messages: what is built is read back, and nothing that comes is a fault."""

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.drivers.kernel import addresses, lease_elements, nf_tables
from lbmesh.drivers.kernel.netlink import Message, Status, answers, attribute, attributes, message


@given(st.dictionaries(st.integers(1, 100), st.binary(max_size=40)))
def test_attributes_are_padded_and_read_back(wanted: dict[int, bytes]) -> None:
    data = b"".join(attribute(kind, value) for kind, value in wanted.items())
    assert len(data) % 4 == 0
    assert attributes(data) == wanted


@given(st.binary(max_size=200))
def test_nothing_that_comes_is_a_fault(data: bytes) -> None:
    attributes(data)
    foreign = (Message(kind, data) for kind in (16, 20, 0xA06, 0xA0C))
    for one in (*answers(data), *foreign):
        if isinstance(one, Message):
            addresses.parse_address(one)
            addresses.parse_link(one)
            lease_elements.epoch_of(one)
            nf_tables.is_rule(one, "lbmesh_fronts")


def test_a_status_is_an_error_or_an_end() -> None:
    failed = message(2, 0, 5, (-13).to_bytes(4, "little", signed=True) + bytes(16))
    done = message(3, 0, 5, bytes(4))
    other = message(2, 0, 6, bytes(20))
    assert list(answers(failed + other + done, 5)) == [Status(13), Status(0)]
