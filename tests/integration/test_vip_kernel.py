"""Netlink and leases against a real kernel, in a namespace: as ip(8) and nft(8) see them."""

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lbmesh.control.processes import EndLease, HoldLease, LeaseSaid
from lbmesh.drivers.vip.kernel import Kernel
from lbmesh.drivers.vip.limits import LEASE_S
from lbmesh.sentinel.leases import Leases
from lbmesh.sentinel.log import LogWriter
from lbmesh_chaos.lab.kernel import in_network
from tests.support.segment import Place, segment
from tests.support.wait import wait_for

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"),
    reason="needs root, and: apt-get install iproute2 nftables",
)

FOUR, SIX = "10.0.0.100", "fd00::100"


@pytest.fixture
def place() -> Iterator[Place]:
    with segment(1) as made:
        yield made.nodes[0]


@contextmanager
def kernel_of(place: Place) -> Iterator[Kernel]:
    kernel = Kernel()
    with in_network(place.path):
        assert kernel.problem() == ""
    try:
        yield kernel
    finally:
        kernel.close()


def set_rules_in(place: Place, *fronts: str) -> str:
    """In a process of its own: threads that trio keeps are in the namespace in which they began."""
    script = (
        "import sys, trio; from lbmesh.drivers.vip.kernel import set_rules; print(trio.run(set_rules, sys.argv[1:]))"
    )
    return place.run(sys.executable, "-c", script, *fronts).strip()


@pytest.mark.parametrize(("address", "length"), [(FOUR, 32), (FOUR, 24), (SIX, 128), (SIX, 64)])
def test_an_address_is_added_marked_found_and_deleted(place: Place, address: str, length: int) -> None:
    with kernel_of(place) as kernel:
        link = kernel.link("eth0")
        assert link is not None
        assert (link.mac.hex(":"), link.is_up) == (place.mac, True)
        for _ in range(2):
            assert kernel.add(link.index, address, length) == 0
        (found,) = kernel.assigned(address)
        assert (found.index, found.prefix_length, found.is_ours) == (link.index, length, True)
        assert kernel.ours() == (found,)
        (listed,) = [one for one in place.addresses() if one["local"] == address]
        assert listed["prefixlen"] == length
        assert not listed.get("tentative")
        for _ in range(2):
            assert kernel.delete(found) == 0
        assert kernel.assigned(address) == ()


def test_an_address_by_hand_is_not_ours_until_it_is_added_again(place: Place) -> None:
    with kernel_of(place) as kernel:
        place.run("ip", "address", "add", f"{FOUR}/32", "dev", "eth0")
        (found,) = kernel.assigned(FOUR)
        assert not found.is_ours
        assert kernel.add(found.index, FOUR, 32) == 0
        assert kernel.assigned(FOUR)[0].is_ours


def test_links_that_are_not_there_or_down(place: Place) -> None:
    with kernel_of(place) as kernel:
        assert kernel.link("eth7") is None
        loopback = kernel.link("lo")
        assert loopback is not None
        assert loopback.mac == b""
        place.run("ip", "link", "set", "eth0", "down")
        link = kernel.link("eth0")
        assert link is not None
        assert not link.is_up
        assert kernel.add(999, FOUR, 32) == errno.ENODEV


def test_rules_are_set_as_a_whole_and_found_missing(place: Place) -> None:
    with kernel_of(place) as kernel:
        assert not kernel.has_rules()
        assert set_rules_in(place, FOUR, SIX) == ""
        assert kernel.has_rules()
        place.run("nft", "flush", "chain", "inet", "lbmesh_fronts", "arrivals")
        assert not kernel.has_rules()
        assert set_rules_in(place, SIX) == ""
        assert kernel.has_rules()
        assert FOUR not in place.run("nft", "list", "ruleset")
        assert set_rules_in(place) == ""
        assert place.run("nft", "list", "ruleset") == ""


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_a_lease_lives_while_it_is_renewed_and_is_not_taken_up_again_once_lapsed(place: Place, address: str) -> None:
    said: list[object] = []
    hangs = False

    def stepping(condition: Callable[[], bool]) -> Callable[[], bool]:
        def look() -> bool:
            leases.step()
            return condition()

        return look

    leases = Leases(tell_agent=said.append, hangs=lambda _: hangs, log=LogWriter("error"))
    with kernel_of(place) as kernel, in_network(place.path):
        leases.hold(HoldLease(address, 7, float("inf")))
        assert isinstance(said[-1], LeaseSaid)
        assert "flushed" in said[-1].problem
        set_rules_in(place, address)
        leases.hold(HoldLease(address, 7, float("inf")))
        assert said[-1] == LeaseSaid(address)
        beyond_s = leases.next_deadline() + 2 * LEASE_S
        wait_for(stepping(lambda: leases.next_deadline() > beyond_s), "renewals beyond two leases")
        assert kernel.lease(address) == 7
        hangs = True
        wait_for(stepping(lambda: kernel.lease(address) is None), "silence")
        hangs = False
        wait_for(stepping(lambda: isinstance(said[-1], LeaseSaid) and said[-1].has_lapsed), "the word of it")
        leases.step()
        assert kernel.lease(address) is None
        assert leases.next_deadline() == float("inf")
        leases.hold(HoldLease(address, 8, float("inf")))
        assert kernel.lease(address) == 8
        leases.end(EndLease(address))
        assert kernel.lease(address) is None
        leases.close()
