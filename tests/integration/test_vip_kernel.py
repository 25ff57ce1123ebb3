"""Netlink and leases against a real kernel, in a namespace: as ip(8) and nft(8) see them."""

import errno
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

import pytest

from lbmesh.control.processes import EndLease, ExtendLease, HoldLease, LeaseAnswer, LeaseTrouble
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.limits import LEASE_S
from lbmesh.drivers.vip.rules import Rules
from lbmesh.sentinel.leases import Leases
from lbmesh.sentinel.log import LogWriter
from lbmesh_chaos.lab.kernel import in_network
from tests.support.segment import Place, looking, segment
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
        "import sys, trio; from lbmesh.drivers.vip.rules import set_rules; print(trio.run(set_rules, sys.argv[1:]))"
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
        rules = Rules(kernel)
        assert not rules.are_there()
        assert set_rules_in(place, FOUR, SIX) == ""
        assert rules.are_there()
        place.run("nft", "flush", "chain", "inet", "lbmesh_fronts", "arrivals")
        assert not rules.are_there()
        assert set_rules_in(place, SIX) == ""
        assert rules.are_there()
        assert FOUR not in place.run("nft", "list", "ruleset")
        assert set_rules_in(place) == ""
        assert place.run("nft", "list", "ruleset") == ""


@pytest.fixture
def said() -> list[object]:
    """What the sentinel says to the agent."""
    return []


@contextmanager
def sentinel_of(place: Place, said: list[object], hangs: Callable[[], bool] = lambda: False) -> Iterator[Leases]:
    """The sentinel's leases at a node; this thread is there meanwhile."""
    with in_network(place.path):
        leases = Leases(tell_agent=said.append, hangs=lambda _: hangs(), log=LogWriter("error"))
        yield leases
        leases.close()


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_a_lease_lives_while_it_is_renewed_and_is_not_taken_up_again_once_lapsed(
    place: Place, said: list[object], address: str
) -> None:
    hangs = False

    def stepping(condition: Callable[[], bool]) -> Callable[[], bool]:
        def look() -> bool:
            leases.step()
            return condition()

        return look

    with kernel_of(place) as kernel, sentinel_of(place, said, lambda: hangs) as leases:
        leases.hold(HoldLease(address, 7, inf, 1))
        assert isinstance(said[-1], LeaseAnswer)
        assert "flushed" in said[-1].problem
        set_rules_in(place, address)
        leases.hold(HoldLease(address, 7, inf, 2))
        assert said[-1] == LeaseAnswer(2)
        beyond_s = leases.next_deadline() + 2 * LEASE_S
        wait_for(stepping(lambda: leases.next_deadline() > beyond_s), "renewals beyond two leases")
        assert kernel.lease(address) == 7
        hangs = True
        leases.extend(ExtendLease(address, 8, inf))
        assert kernel.lease(address) == 7
        wait_for(stepping(lambda: kernel.lease(address) is None), "silence")
        hangs = False
        wait_for(lambda: _has_lapsed(leases, said), "the word of it")
        leases.extend(ExtendLease(address, 8, inf))
        assert kernel.lease(address) is None
        assert leases.next_deadline() == inf
        leases.hold(HoldLease(address, 8, inf, 3))
        assert kernel.lease(address) == 8
        leases.end(EndLease(address, 4))
        assert said[-1] == LeaseAnswer(4)
        assert kernel.lease(address) is None


def test_a_lease_ends_with_the_votes(place: Place, said: list[object]) -> None:
    with kernel_of(place) as kernel, sentinel_of(place, said) as leases:
        set_rules_in(place, FOUR)
        leases.hold(HoldLease(FOUR, 7, time.monotonic() + LEASE_S / 2, 1))
        assert kernel.lease(FOUR) == 7
        assert _lease_ms(place) <= 1000 * LEASE_S / 2
        leases.extend(ExtendLease(FOUR, 8, time.monotonic() + LEASE_S))
        assert kernel.lease(FOUR) == 8
        time.sleep(LEASE_S / 2)
        leases.step()
        assert _lease_ms(place) <= 1000 * LEASE_S / 2
        wait_for(lambda: _has_lapsed(leases, said), "the word of its end")
        leases.hold(HoldLease(FOUR, 8, time.monotonic() - 1, 2))
        assert said[-2:] == [
            LeaseTrouble(FOUR, "its votes ended", has_lapsed=True),
            LeaseAnswer(2, "its time is over already"),
        ]
        assert leases.next_deadline() == inf


def test_what_the_kernel_let_lapse_is_not_renewed_whatever_the_clock_said(place: Place, said: list[object]) -> None:
    with kernel_of(place) as kernel, sentinel_of(place, said) as leases:
        set_rules_in(place, FOUR, SIX)
        leases.hold(HoldLease(FOUR, 7, inf, 1))
        leases.hold(HoldLease(SIX, 7, inf, 2))
        place.run("nft", "flush", "set", "inet", "lbmesh_fronts", "lease4")
        leases.extend(ExtendLease(FOUR, 7, inf))
        assert _has_lapsed(leases, said)
        assert isinstance(said[-1], LeaseTrouble)
        assert (said[-1].front, said[-1].problem.endswith("says the kernel")) == (FOUR, True)
        assert kernel.lease(FOUR) is None
        leases.extend(ExtendLease(SIX, 8, inf))
        assert kernel.lease(SIX) == 8


def test_one_that_lapsed_takes_no_other_with_it(place: Place, said: list[object]) -> None:
    with kernel_of(place) as kernel, sentinel_of(place, said) as leases:
        set_rules_in(place, FOUR, SIX)
        leases.hold(HoldLease(SIX, 7, inf, 1))
        leases.hold(HoldLease(FOUR, 7, inf, 2))
        place.run("nft", "flush", "set", "inet", "lbmesh_fronts", "lease6")
        wait_for(lambda: _has_lapsed(leases, said), "the word of it")
        assert isinstance(said[-1], LeaseTrouble)
        assert said[-1].front == SIX
        beyond_s = leases.next_deadline() + 2 * LEASE_S
        wait_for(lambda: _stepped(leases) > beyond_s, "renewals beyond two leases")
        assert kernel.lease(FOUR) == 7
        assert kernel.lease(SIX) is None


def _stepped(leases: Leases) -> float:
    leases.step()
    return leases.next_deadline()


def _has_lapsed(leases: Leases, said: list[object]) -> bool:
    leases.step()
    return isinstance(said[-1], LeaseTrouble) and said[-1].has_lapsed


def _lease_ms(place: Place) -> int:
    """What nft says of how long the lease lives."""
    listed = place.run("nft", "list", "set", "inet", "lbmesh_fronts", "lease4")
    return int(re.findall(r"timeout (\d+)ms", listed)[0])


def test_a_lease_whose_rules_go_is_told_once_and_lapses(place: Place, said: list[object]) -> None:
    with sentinel_of(place, said) as leases:
        set_rules_in(place, FOUR)
        leases.hold(HoldLease(FOUR, 7, inf, 1))
        place.run("nft", "flush", "ruleset")
        wait_for(lambda: _has_lapsed(leases, said), "the word of its end")
        assert len(said) == 3
        assert isinstance(said[1], LeaseTrouble)
        assert "flushed" in said[1].problem
        leases.hold(HoldLease(FOUR, 7, inf, 2))
        assert leases.next_deadline() == inf
        leases.end(EndLease(FOUR, 3))
        assert said[-1] == LeaseAnswer(3)


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_an_address_without_a_lease_neither_sends_nor_hears(address: str) -> None:
    with segment(1) as made, kernel_of(made.nodes[0]) as kernel:
        place, client = made.nodes[0], made.client
        family, far = (socket.AF_INET6, "fd00::200") if ":" in address else (socket.AF_INET, client.address)
        set_rules_in(place, address)
        link = kernel.link("eth0")
        assert link is not None
        kernel.add(link.index, address, 128 if ":" in address else 32)
        client.run("ip", "neighbour", "replace", address, "lladdr", place.mac, "dev", "eth0")
        leases = Leases(tell_agent=lambda _: None, hangs=lambda _: False, log=LogWriter("error"))
        with in_network(place.path):
            ours = socket.socket(family, socket.SOCK_DGRAM)
            leases.end(EndLease(address, 1))
        with in_network(client.path):
            theirs = socket.socket(family, socket.SOCK_DGRAM)
        with ours, theirs:
            ours.bind((address, 7777))
            ours.settimeout(10)
            before = _arrived(place)
            theirs.sendto(b"without", (address, 7777))
            wait_for(lambda: _arrived(place) > before, "the datagram at the node")
            with pytest.raises(PermissionError):
                ours.sendto(b"", (far, 9))
            leases.hold(HoldLease(address, 1, inf, 2))
            theirs.sendto(b"with", (address, 7777))
            assert ours.recv(100) == b"with"
            leases.hold(HoldLease(address, 1, inf, 2))
            ours.sendto(b"", (far, 9))
        leases.close()


def _arrived(place: Place) -> int:
    return int(place.run("cat", "/sys/class/net/eth0/statistics/rx_packets"))


def test_nobody_learns_from_arp_where_an_address_without_a_lease_is() -> None:
    with segment(1) as made, kernel_of(made.nodes[0]) as kernel:
        place = made.nodes[0]
        link = kernel.link("eth0")
        assert link is not None
        kernel.add(link.index, FOUR, 32)
        with looking(made, FOUR, asks_http=False) as seen:
            time.sleep(0.2)
        assert {mac for _, mac in seen.replies} == {place.mac}
        set_rules_in(place, FOUR)
        with looking(made, FOUR, asks_http=False) as seen:
            time.sleep(0.2)
        assert seen.replies == []
