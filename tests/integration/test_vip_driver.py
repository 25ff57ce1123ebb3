"""The driver's own rules on a real segment, without a mesh: who asks whom, who falls silent, who comes back."""

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lbmesh.drivers.flows.flow_rules import script
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.limits import LEASE_S
from lbmesh.drivers.vip import lease_rules
from lbmesh.drivers.vip.frames import ETHER_ARP, claim_of
from lbmesh.drivers.vip.limits import MUTE_S
from lbmesh_chaos.lab.kernel import in_network
from tests.support.segment import Place, Segment, segment
from tests.support.segment_peers import peers
from tests.support.wait import wait_for

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"),
    reason="needs root, and: apt-get install iproute2 nftables",
)

FRONT = "10.0.0.100"
_REPOSITORY = Path(__file__).parents[2]
_ANSWER_S = 10.0
_KNOWN = ("nft", "list", "set", "ip", "lbmesh_flows", "known")


@dataclass
class Driver:
    """One in its namespace."""

    place: Place
    process: "subprocess.Popen[str]"
    kernel: Kernel
    outcomes: "queue.Queue[str]" = field(default_factory=queue.Queue)
    told: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    said: str = ""

    def read(self) -> None:
        """What it says, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            words = json.loads(line) if line.startswith(('{"outcome"', '{"told"')) else {}
            if "outcome" in words:
                self.said = words.get("said", "")
                self.outcomes.put(words["outcome"])
            elif "told" in words:
                self.told.append(words["said"])

    def do(self, order: str, **words: object) -> str:
        """Give an order; what came of it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": order, **words}) + "\n")
        self.process.stdin.flush()
        return self.outcomes.get(timeout=_ANSWER_S)

    def answers(self) -> bool:
        """Would its kernel answer for the front?"""
        return self.place.has(FRONT) and self.kernel.lease(FRONT) is not None

    def signal(self, number: int) -> None:
        """To its process."""
        self.process.send_signal(number)


@contextlib.contextmanager
def driver(place: Place, *, front_class: str = "overlap", front: str = FRONT) -> Iterator[Driver]:
    """Node 1 is the front's home."""
    words = (f"lb-{place.number}", f"zone-{place.number}", front, front_class)
    argv = ("ip", "netns", "exec", place.name, sys.executable, "-m", "tests.support.vip_driver", *words)
    kernel = Kernel()
    with in_network(place.path):
        assert kernel.problem() == ""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_REPOSITORY) as process:
        made = Driver(place, process, kernel)
        reader = threading.Thread(target=made.read)
        reader.start()
        try:
            assert made.outcomes.get(timeout=_ANSWER_S) == "ready"
            yield made
        finally:
            process.kill()
            reader.join()
            kernel.close()


@pytest.fixture
def place() -> Iterator[Segment]:
    with segment(2) as made:
        yield made


@pytest.fixture
def pair(place: Segment) -> Iterator[tuple[Driver, Driver]]:
    """The home, and another; both serve."""
    with driver(place.nodes[0]) as home, driver(place.nodes[1]) as other:
        for one in (home, other):
            assert one.do("serve") == "Done"
        yield home, other


def stays(condition: Callable[[], bool], for_s: float) -> bool:
    """Does it hold all the time?"""
    until_s = time.monotonic() + for_s
    while time.monotonic() < until_s:
        if not condition():
            return False
        time.sleep(0.01)
    return True


def finds_it_served(asking: Driver, *, ask_first: bool) -> bool:
    """On a machine that is busy with others an answer may take longer than the 30 ms that it is given."""
    return asking.do("acquire", ask_first=ask_first) == "Occupied" and "still serves it" in asking.said


def _dropping(family: str, hook: str, what: str) -> str:
    chain = f"chain drops {{\n type filter hook {hook} priority 0; policy accept;\n {what} drop\n }}"
    return f"table {family} lossy {{\n {chain}\n}}\n"


def test_of_two_holders_the_worse_falls_silent_and_answers_again_when_the_better_is_gone(
    pair: tuple[Driver, Driver],
) -> None:
    home, other = pair
    assert other.do("acquire", epoch=7) == "Done"
    assert home.do("acquire", epoch=1) == "Done"
    wait_for(lambda: not other.answers(), "silence of the worse")
    assert other.do("renew", for_s=60) == "Done"
    assert stays(lambda: home.answers() and not other.answers(), 2 * MUTE_S)
    assert home.do("release") == "Done"
    assert not home.answers()
    wait_for(other.answers, "the other's answers")


def test_the_better_of_two_holders_answers_on_when_a_worse_one_begins(pair: tuple[Driver, Driver]) -> None:
    home, other = pair
    assert home.do("acquire") == "Done"
    assert other.do("acquire", epoch=7) == "Done"
    assert stays(home.answers, MUTE_S)
    assert not other.answers()


def test_a_better_one_that_hears_nothing_silences_nobody_until_it_hears_again(
    place: Segment, pair: tuple[Driver, Driver]
) -> None:
    home, other = pair
    assert home.do("acquire") == "Done"
    place.cut_incoming(home.place)
    assert other.do("acquire") == "Done"
    with announcements(other.place) as heard:
        wait_for(lambda: home.place.mac in heard(), "the announcement of the deaf")
        assert stays(other.answers, MUTE_S)
    place.heal(home.place)
    wait_for(lambda: not other.answers(), "silence of the worse")
    wait_for(home.answers, "answers of the better")


def test_who_hands_it_over_and_freezes_does_not_take_it_back(pair: tuple[Driver, Driver]) -> None:
    home, other = pair
    assert home.do("acquire") == "Done"
    assert home.do("drain") == "Done"
    home.signal(signal.SIGSTOP)
    wait_for(lambda: not home.answers(), "silence of the frozen")
    assert other.do("acquire") == "Done"
    home.signal(signal.SIGCONT)
    assert stays(lambda: other.answers() and not home.answers(), 2 * MUTE_S)


def test_a_repair_takes_nothing_from_a_better_holder_that_serves(pair: tuple[Driver, Driver]) -> None:
    home, other = pair
    assert other.do("acquire") == "Done"
    assert home.do("acquire") == "Done"
    wait_for(lambda: not other.answers(), "silence of the worse")
    wait_for(lambda: finds_it_served(other, ask_first=False), "the better one's answer to a question")
    assert home.answers()
    wait_for(lambda: not other.answers(), "silence of the worse")


def test_who_thaws_leaves_the_front_with_a_better_holder(pair: tuple[Driver, Driver]) -> None:
    home, other = pair
    assert other.do("acquire") == "Done"
    other.signal(signal.SIGSTOP)
    wait_for(lambda: not other.answers(), "silence of the frozen")
    assert home.do("acquire", ask_first=True) == "Done"
    other.signal(signal.SIGCONT)
    assert stays(lambda: home.answers() and not other.answers(), 2 * MUTE_S)
    assert not other.place.has(FRONT)


def test_a_home_that_thaws_takes_its_front_back_and_the_other_falls_silent(pair: tuple[Driver, Driver]) -> None:
    home, other = pair
    assert home.do("acquire") == "Done"
    home.signal(signal.SIGSTOP)
    wait_for(lambda: not home.answers(), "silence of the frozen")
    assert other.do("acquire", ask_first=True) == "Done"
    home.signal(signal.SIGCONT)
    wait_for(lambda: home.answers() and not other.answers(), "the front at its home alone")
    assert not [line for line in home.lines if "served elsewhere" in line]


def test_who_thaws_before_anybody_took_the_front_answers_again(place: Segment) -> None:
    with driver(place.nodes[1]) as alone:
        assert alone.do("acquire") == "Done"
        alone.signal(signal.SIGSTOP)
        wait_for(lambda: not alone.answers(), "silence of the frozen")
        alone.signal(signal.SIGCONT)
        wait_for(alone.answers, "answers of the thawed")


def test_an_exclusive_front_that_lapsed_waits_for_the_word_of_who_has_the_votes(place: Segment) -> None:
    with driver(place.nodes[0], front_class="exclusive") as alone:
        assert alone.do("acquire") == "Done"
        alone.signal(signal.SIGSTOP)
        wait_for(lambda: not alone.answers(), "silence of the frozen")
        alone.signal(signal.SIGCONT)
        wait_for(lambda: any("lapsed" in one for one in alone.told), "a word about it")
        assert stays(lambda: not alone.answers(), MUTE_S)
        assert alone.do("acquire") == "Done"
        assert alone.answers()


def test_a_lease_that_ended_without_a_word_is_missed(place: Segment) -> None:
    with driver(place.nodes[0]) as alone:
        assert alone.do("acquire") == "Done"
        assert alone.do("forget") == "Done"
        assert not alone.answers()
        wait_for(alone.answers, "answers again")


def test_who_hands_it_over_gives_way_to_a_worse_one_until_told_to_keep_it(pair: tuple[Driver, Driver]) -> None:
    home, other = pair
    assert home.do("acquire") == "Done"
    assert home.do("drain") == "Done"
    assert other.do("acquire") == "Done"
    wait_for(lambda: not home.answers(), "silence of who hands it over")
    assert stays(lambda: other.answers() and not home.answers(), 2 * MUTE_S)
    assert other.do("release") == "Done"
    assert home.do("acquire") == "Done"
    assert other.do("acquire") == "Done"
    wait_for(lambda: not other.answers(), "silence of the worse")
    assert home.answers()


def test_what_a_dead_node_of_the_mesh_left_is_taken_while_its_kernel_still_answers(
    pair: tuple[Driver, Driver],
) -> None:
    """Its lease is held by a sentinel of its own here, so that it does not lapse before the question comes."""
    home, other = pair
    assert home.do("acquire", epoch=1) == "Done"
    wait_for(lambda: finds_it_served(other, ask_first=True), "the holder's answer to a question")
    wait_for(home.answers, "answers of the better one")
    # Its kernel answers on; nothing comes to its web server any more.
    home.place.run("nft", "-f", "-", text=_dropping("ip", "input", "tcp dport 80"))
    assert other.do("acquire", ask_first=True) == "Done"


def test_a_copy_that_comes_while_the_front_is_being_taken_is_remembered(place: Segment) -> None:
    """What a frozen holder took last: its client has been told that it was received, and never sends it again."""
    _, heir = place.nodes
    heir.run("nft", "-f", "-", text=script([(FRONT, "eth0")]))
    place.client.run("ip", "neigh", "replace", FRONT, "lladdr", heir.mac, "dev", "eth0", "nud", "permanent")
    with driver(heir) as taking, peers(place.client) as (client,):
        assert taking.do("stall") == "Done"
        assert taking.do("acquire") == "Asked"
        assert client.do("forge", place.client.address, FRONT, 80, "PA", 1) == "forged"
        wait_for(lambda: place.client.address in heir.run(*_KNOWN), "the connection among the known")


def test_one_answer_of_three_to_its_probes_is_enough_for_a_stranger(place: Segment) -> None:
    stranger = place.watcher
    stranger.run("ip", "address", "add", f"{FRONT}/24", "dev", "eth0")
    stranger.run("nft", "-f", "-", text=_dropping("arp", "output", "numgen inc mod 3 < 2"))
    with driver(place.nodes[0]) as alone:
        assert alone.do("acquire", ask_first=True) == "Occupied"
        assert not alone.place.has(FRONT)
        stranger.run("ip", "address", "del", f"{FRONT}/24", "dev", "eth0")
        assert alone.do("acquire", ask_first=True) == "Done"


def test_without_a_lease_nothing_is_claimed(place: Segment) -> None:
    with driver(place.nodes[0]) as alone, announcements(place.client) as heard:
        assert alone.do("hang") == "Done"
        assert alone.do("acquire") == "Failed"
        assert "all forwarders of this node hang" in alone.said
        assert not alone.place.has(FRONT)
        assert heard() == []


def test_what_is_let_go_has_neither_address_nor_lease(place: Segment) -> None:
    with driver(place.nodes[0]) as alone:
        assert alone.do("acquire") == "Done"
        assert alone.do("release") == "Done"
        assert stays(lambda: not alone.place.has(FRONT) and alone.kernel.lease(FRONT) is None, LEASE_S)


def test_an_address_with_another_prefix_is_replaced(place: Segment) -> None:
    alone_at = place.nodes[0]
    alone_at.run("ip", "address", "add", f"{FRONT}/24", "dev", "eth0")
    with driver(alone_at) as alone:
        assert alone.do("acquire") == "Done"
        assert [one["prefixlen"] for one in alone_at.addresses() if one["local"] == FRONT] == [32]


def test_an_interface_that_gets_another_hardware_address_is_announced_with_that(place: Segment) -> None:
    alone_at = place.nodes[0]
    with driver(alone_at) as alone, announcements(place.client) as heard:
        assert alone.do("acquire") == "Done"
        alone_at.run("ip", "link", "set", "eth0", "address", "02:00:00:00:00:77")
        wait_for(lambda: "02:00:00:00:00:77" in heard(), "the new hardware address at the client")


def test_an_interface_that_is_down_is_a_failure_in_words_and_is_opened_again_when_it_is_up(
    pair: tuple[Driver, Driver],
) -> None:
    home, other = pair
    other.place.run("ip", "link", "set", "eth0", "down")
    assert other.do("acquire") == "Failed"
    other.place.run("ip", "link", "set", "eth0", "up")
    assert other.do("acquire") == "Done"
    assert home.do("acquire") == "Done"
    wait_for(lambda: not other.answers(), "silence of the worse, which hears again")


def test_an_address_whose_mark_somebody_takes_away_is_told(place: Segment) -> None:
    with driver(place.nodes[0]) as alone:
        assert alone.do("acquire") == "Done"
        for change in ("del", "add"):
            alone.place.run("ip", "address", change, f"{FRONT}/32", "dev", "eth0")
        wait_for(lambda: any("not marked as ours" in one for one in alone.told), "a word about it")


def test_who_comes_back_after_a_better_one_asks_whether_it_is_served(pair: tuple[Driver, Driver]) -> None:
    """The better one's announcements are lost from now on; it answers still."""
    home, other = pair
    assert other.do("acquire") == "Done"
    assert home.do("acquire") == "Done"
    wait_for(lambda: not other.answers(), "silence of the worse")
    home.place.run("nft", "-f", "-", text=_dropping("arp", "output", "arp operation request"))
    home.place.run("nft", "-f", "-", text=_dropping("netdev", "egress device eth0", "arp operation request"))
    assert stays(lambda: not other.answers(), 3 * MUTE_S)


def test_what_a_crash_left_is_taken_away_before_anything_is_ordered(place: Segment) -> None:
    with driver(place.nodes[0]) as first:
        assert first.do("acquire") == "Done"
        first.signal(signal.SIGKILL)
        wait_for(lambda: first.kernel.lease(FRONT) is None, "silence of the killed")
    assert place.nodes[0].has(FRONT)
    with driver(place.nodes[0]):
        wait_for(lambda: not place.nodes[0].has(FRONT), "the address gone")


def test_a_lease_that_a_crash_left_without_its_address_is_ended(place: Segment) -> None:
    element = f'{{ {FRONT} timeout 60s comment "epoch 7" }}\n'
    added = "".join(f"add element {family} lbmesh_fronts lease4 {element}" for family in ("arp", "inet"))
    place.nodes[0].run("nft", "-f", "-", text=lease_rules.script([FRONT]) + added)
    with driver(place.nodes[0]) as alone:
        wait_for(lambda: alone.kernel.lease(FRONT) is None, "the lease's end")


def test_a_frozen_holder_announces_nothing_before_it_has_asked(pair: tuple[Driver, Driver]) -> None:
    home, other = pair
    assert other.do("acquire") == "Done"
    other.signal(signal.SIGSTOP)
    wait_for(lambda: not other.answers(), "silence of the frozen")
    assert home.do("acquire") == "Done"
    with words_of_the_front(home.place) as heard:
        other.signal(signal.SIGCONT)
        said = wait_for(lambda: [word for mac, word in heard() if mac == other.place.mac], "a word of the thawed")
        assert said[0] == "asks"
        assert stays(home.answers, MUTE_S)
        wait_for(lambda: not other.answers(), "silence of the worse")


@contextlib.contextmanager
def announcements(place: Place) -> Iterator[Callable[[], list[str]]]:
    """Who has announced the front there since, by hardware address."""
    with words_of_the_front(place) as heard:
        yield lambda: [mac for mac, word in heard() if word == "has it"]


@contextlib.contextmanager
def words_of_the_front(place: Place) -> Iterator[Callable[[], list[tuple[str, str]]]]:
    """What was said of the front there since: by which hardware address, and "asks" (a probe) or "has it"."""
    heard: list[tuple[str, str]] = []

    def hear() -> list[tuple[str, str]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                frame = listening.recv(2048)
                claim = claim_of(frame, FRONT)
                if claim is not None and claim.mark is not None:
                    heard.append((claim.mac_text, "has it"))
                elif frame[28:32] == bytes(4) and frame[38:42] == socket.inet_aton(FRONT):
                    heard.append((frame[22:28].hex(":"), "asks"))
        return heard

    with in_network(place.path):
        listening = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHER_ARP))
    with listening:
        listening.bind(("eth0", ETHER_ARP))
        listening.setblocking(False)
        yield hear
