"""What a lease is in the kernel."""

from lbmesh.drivers.kernel import lease_elements
from lbmesh.drivers.kernel.netlink import Message, answers


def test_a_lease_of_an_ipv4_address_is_in_both_tables_and_only_the_last_change_is_acknowledged() -> None:
    batch = lease_elements.renew([("10.0.0.100", 7)], 0.3, 9)
    kinds = [one.kind for one in answers(batch) if isinstance(one, Message)]
    assert kinds == [0x10, 0xA0E, 0xA0E, 0xA0C, 0xA0C, 0x11]
    flags = [int.from_bytes(batch[at + 6 : at + 8], "little") for at in offsets(batch)]
    assert [bool(one & 0x4) for one in flags] == [False] * 4 + [True, False]


def offsets(batch: bytes) -> list[int]:
    found, at = [], 0
    while at < len(batch):
        found.append(at)
        at += int.from_bytes(batch[at : at + 4], "little")
    return found
