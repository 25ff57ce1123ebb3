"""What is written down of protocols, and read back by the next run."""

from pathlib import Path

from lbmesh.drivers.bgp.steered import PLACE, Steered, read_back, steered_of, write_down
from lbmesh.drivers.kernel import nf_tables
from lbmesh.drivers.kernel.netlink import Message
from lbmesh.model.address import Address
from lbmesh.model.front import BgpDriver, Front, VipDriver

SOCKET, FAR = Path("/run/bird/bird.ctl"), Path("/" + "s" * 106)


def front(driver: BgpDriver | VipDriver) -> Front:
    return Front(Address("203.0.113.10", 80), "zone-1", driver=driver)


def test_what_is_written_down_is_read_back() -> None:
    steered = {Steered(SOCKET, "front_a"), Steered(FAR, "b" * 64), Steered(Path("/run/a b"), "front_c")}
    first, *added = write_down(steered)
    assert first == nf_tables.empty(PLACE)
    said = [Message(one.kind, one.body) for one in added]
    found = [element for one in said for element in nf_tables.elements(one)]
    assert len({nf_tables.key_of(one) for one in found}) == len(steered)
    assert read_back(map(nf_tables.comment_of, found)) == steered


def test_the_comment_of_another_make_is_passed_over() -> None:
    assert read_back(["", "front_a", " /run/bird/bird.ctl"]) == frozenset()


def test_a_front_steers_both_of_its_protocols_and_one_that_bird_does_not_move_none() -> None:
    both = front(BgpDriver("front_a", "203.0.113.10/32", SOCKET, "front_a_takeover"))
    assert steered_of([both, front(VipDriver("eth0", 32))]) == {
        Steered(SOCKET, "front_a"),
        Steered(SOCKET, "front_a_takeover"),
    }
