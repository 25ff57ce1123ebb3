"""Addresses as the kernel is told of them."""

from lbmesh.drivers.kernel import addresses
from lbmesh.drivers.kernel.netlink import Message, answers, attributes


def test_an_address_bears_our_mark_and_goes_without_detection() -> None:
    (said,) = answers(addresses.add_address(3, "fd00::100", 128, 1))
    assert isinstance(said, Message)
    found = attributes(said.body[8:])
    assert found[11] == b"\x4c"
    assert found[8] == b"\x02\0\0\0"
    assert found[6][:8] == bytes(4) + b"\xff" * 4
    assert addresses.parse_address(said) == addresses.Assigned(3, "fd00::100", 128, is_ours=True)
