"""Netlink messages: what is built is read back, and nothing that comes is a fault."""

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.drivers.vip import addresses, lease_elements
from lbmesh.drivers.vip.netlink import Message, Status, answers, attribute, attributes, message


@given(st.dictionaries(st.integers(1, 100), st.binary(max_size=40)))
def test_attributes_are_padded_and_read_back(wanted: dict[int, bytes]) -> None:
    data = b"".join(attribute(kind, value) for kind, value in wanted.items())
    assert len(data) % 4 == 0
    assert attributes(data) == wanted


@given(st.binary(max_size=200))
def test_nothing_that_comes_is_a_fault(data: bytes) -> None:
    attributes(data)
    for one in (*answers(data), Message(20, data), Message(16, data), Message(0xA0C, data), Message(0xA06, data)):
        if isinstance(one, Message):
            addresses.parse_address(one)
            addresses.parse_link(one)
            lease_elements.epoch_of(one)
            lease_elements.is_rule(one)


def test_a_status_is_an_error_or_an_end() -> None:
    failed = message(2, 0, 5, (-13).to_bytes(4, "little", signed=True) + bytes(16))
    done = message(3, 0, 5, bytes(4))
    other = message(2, 0, 6, bytes(20))
    assert list(answers(failed + other + done, 5)) == [Status(13), Status(0)]


def test_an_address_bears_our_mark_and_goes_without_detection() -> None:
    (said,) = answers(addresses.add_address(3, "fd00::100", 128, 1))
    assert isinstance(said, Message)
    found = attributes(said.body[8:])
    assert found[11] == b"\x4c"
    assert found[8] == b"\x02\0\0\0"
    assert found[6][:8] == bytes(4) + b"\xff" * 4
    assert addresses.parse_address(said) == addresses.Assigned(3, "fd00::100", 128, is_ours=True)


def test_a_lease_of_an_ipv4_address_is_in_both_tables_and_only_the_last_change_is_acknowledged() -> None:
    batch = lease_elements.renew([("10.0.0.100", 7)], 0.3, 9)
    kinds = [one.kind for one in answers(batch) if isinstance(one, Message)]
    assert kinds == [0x10, *([0xA0C, 0xA0E, 0xA0C] * 2), 0x11]
    flags = [int.from_bytes(batch[at + 6 : at + 8], "little") for at in offsets(batch)]
    assert [bool(one & 0x4) for one in flags] == [False] * 6 + [True, False]


def offsets(batch: bytes) -> list[int]:
    found, at = [], 0
    while at < len(batch):
        found.append(at)
        at += int.from_bytes(batch[at : at + 4], "little")
    return found
