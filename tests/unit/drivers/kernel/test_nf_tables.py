"""Elements of sets as the kernel lists them."""

from lbmesh.drivers.kernel import nf_tables
from lbmesh.drivers.kernel.netlink import Message


def test_an_element_of_a_foreign_message_is_none() -> None:
    assert list(nf_tables.elements(Message(1, bytes(40)))) == []
