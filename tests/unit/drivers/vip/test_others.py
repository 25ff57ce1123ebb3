"""Who is known to be a node of the mesh, by what it announced."""

from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.vip.frames import Claim, Mark
from lbmesh.drivers.vip.interface import Interface
from lbmesh.drivers.vip.limits import HOLDERS_MAX
from lbmesh.drivers.vip.others import Others
from lbmesh.model.address import Address
from lbmesh.model.front import Front, VipDriver

FRONT = Front(Address("10.0.0.100", 80), "zone-1", driver=VipDriver("eth0", 32))


def mac(number: int) -> bytes:
    return bytes([2, 0, 0, 0, 0, number])


def others_that_heard(*numbers: int) -> Others:
    """Announcements with a mark, each with an epoch that is its sender's number."""
    assert isinstance(FRONT.driver, VipDriver)
    others = Others(FRONT, Interface(FRONT.name, FRONT.driver, Kernel()))
    for number in numbers:
        others.note(Claim(mac(number), Mark(0, number, 0)))
    return others


def known(others: Others, number: int) -> bool:
    """By an answer, which bears no mark."""
    return others.mark_of(Claim(mac(number), None)) == Mark(0, number, 0)


def test_who_announced_with_a_mark_is_known_by_its_hardware_address() -> None:
    others = others_that_heard(1)
    assert known(others, 1)
    assert others.mark_of(Claim(mac(2), None)) is None
    others.note(Claim(mac(2), None))
    assert others.mark_of(Claim(mac(2), None)) is None


def test_no_more_are_remembered_than_the_bound_and_the_latest_stay() -> None:
    others = others_that_heard(*range(HOLDERS_MAX), 0, HOLDERS_MAX)
    assert [number for number in range(HOLDERS_MAX + 1) if not known(others, number)] == [1]
