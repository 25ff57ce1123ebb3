"""The kernel's part in knowing a front's connections and resetting them: rules, copies and tickles on a segment."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator

import pytest

from lbmesh.drivers.flows.flow_rules import script
from lbmesh.drivers.flows.limits import FLOWS_MAX, TICKLES_AT_ONCE
from tests.support.places import Place
from tests.support.segment import Segment, segment
from tests.support.segment_peers import peers
from tests.support.wait import wait_for

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"),
    reason="needs root, and: apt-get install iproute2 nftables",
)

FRONTS = {"ip": "10.0.0.100", "ip6": "fd00::100"}
BACKUPS = {"ip": ("10.0.0.2", "10.0.0.3"), "ip6": ("fd00::2", "fd00::3")}


@pytest.fixture(params=["ip", "ip6"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def place() -> Iterator[Segment]:
    """Node 1 has the fronts; 2 and 3 are their backups."""
    with segment(3) as made:
        for node in made.nodes:
            set_rules(node, script((front, "eth0") for front in FRONTS.values()))
        for family, front in FRONTS.items():
            take(made.nodes[0], front)
            for number, backup in enumerate(BACKUPS[family], 1):
                element = f"{{ {front} : {backup} }}"
                made.nodes[0].run("nft", "add", "element", family, "lbmesh_flows", f"heir{number}", element)
        yield made


def set_rules(node: Place, text: str) -> None:
    node.run("nft", "-f", "-", text=text)


def take(node: Place, front: str) -> None:
    node.run("ip", "address", "add", front, "dev", "eth0", *(("nodad",) if ":" in front else ()))


def count(node: Place, name: str, family: str) -> int:
    return node.run("nft", "list", "set", family, "lbmesh_flows", name).count(" expires ")


def wait_known(place: Segment, family: str, *expected: int) -> None:
    """Until the backups know so many."""

    def known() -> list[int]:
        return [count(node, "known", family) for node in place.nodes[1:]]

    wait_for(lambda: known() == list(expected), f"{expected} known connections")


def tickle(node: Place, front: str) -> None:
    code = (
        "import sys, trio\n"
        "from lbmesh.drivers.flows.flows import Flows\n"
        "from lbmesh.drivers.flows.segment_way import SegmentWay\n"
        "from lbmesh.drivers.kernel.kernel import Kernel\n"
        "flows = Flows(Kernel(), SegmentWay('lb', Kernel()), lambda _: ())\n"
        "trio.run(flows.tickle, sys.argv[1], lambda: True)\n"
    )
    node.run(sys.executable, "-c", code, front)


def test_both_backups_know_a_connection_from_its_request_to_its_end(place: Segment, family: str) -> None:
    with peers(place.nodes[0], place.client) as (server, client):
        server.do("listen", 80)
        client.do("connect", "silent", FRONTS[family], 80)
        client.do("connect", "one", FRONTS[family], 80)
        client.do("send", "one", "request")
        wait_known(place, family, 1, 1)
        client.do("connect", "two", FRONTS[family], 80)
        client.do("send", "two", "request")
        wait_known(place, family, 2, 2)
        client.do("close", "one")
        wait_known(place, family, 1, 1)
        server.do("close-all")
        client.do("close", "two")
        client.do("close", "silent")
        wait_known(place, family, 0, 0)


def test_what_a_node_hears_of_while_its_processes_are_frozen_is_known(place: Segment) -> None:
    with peers(place.nodes[0], place.client) as (server, client):
        server.do("listen", 80)
        server.signal(signal.SIGSTOP)
        client.do("connect", "one", FRONTS["ip"], 80)
        client.do("send", "one", "request")
        wait_known(place, "ip", 1, 1)


def test_a_copy_is_neither_answered_nor_forwarded(place: Segment) -> None:
    backup = place.nodes[1]
    backup.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0")
    set_rules(
        backup,
        """table ip seen {
          chain passing { type filter hook forward priority 0; counter; }
          chain answers { type filter hook output priority 0; meta l4proto { tcp, icmp } counter; }
        }""",
    )
    with peers(place.nodes[0], place.client) as (server, client):
        server.do("listen", 80)
        client.do("connect", "one", FRONTS["ip"], 80)
        client.do("send", "one", "request")
        wait_known(place, "ip", 1, 1)
        client.do("close", "one")
        wait_known(place, "ip", 0, 0)
    assert backup.run("nft", "list", "table", "ip", "seen").count("counter packets 0 bytes 0") == 2


def test_packets_of_no_connection_are_not_told_of(place: Segment) -> None:
    with peers(place.nodes[0], place.client) as (server, client):
        server.do("listen", 80)
        for flags in ("S", "A", "PA", "FA"):
            client.do("forge", place.client.address, FRONTS["ip"], 80, flags, 20)
        client.do("connect", "one", FRONTS["ip"], 80)
        client.do("send", "one", "request")
        wait_known(place, "ip", 1, 1)
    assert count(place.nodes[0], "told", "ip") == 1


def test_who_finds_no_room_is_not_known_and_the_oldest_stay(place: Segment) -> None:
    text = script([(FRONTS["ip"], "eth0")])
    assert text.count(f"size {FLOWS_MAX};") == 2
    place.nodes[1].run("nft", "delete", "table", "ip", "lbmesh_flows")
    set_rules(place.nodes[1], text.replace(f"size {FLOWS_MAX};", "size 2;"))
    with peers(place.nodes[0], place.client) as (server, client):
        server.do("listen", 80)
        ports = [client.do("connect", name, FRONTS["ip"], 80) for name in ("one", "two", "three")]
        for known, name in enumerate(("one", "two", "three"), 1):
            client.do("send", name, "request")
            wait_known(place, "ip", min(2, known), known)
    listed = place.nodes[1].run("nft", "list", "set", "ip", "lbmesh_flows", "known")
    assert [f" . {port} . " in listed for port in ports] == [True, True, False]


def test_a_port_that_is_used_again_is_told_of_again(place: Segment) -> None:
    with peers(place.nodes[0], place.client) as (server, client):
        server.do("listen", 80)
        port = client.do("connect", "one", FRONTS["ip"], 80)
        client.do("send", "one", "request")
        wait_known(place, "ip", 1, 1)
        client.do("abort", "one")
        wait_known(place, "ip", 0, 0)
        assert client.do("connect", "two", FRONTS["ip"], 80, port) == port
        client.do("send", "two", "request")
        wait_known(place, "ip", 1, 1)


def test_whoever_takes_the_address_has_the_clients_reset(place: Segment, family: str) -> None:
    _, heir, _ = place.nodes
    with peers(place.nodes[0], heir, place.client) as (server, server_of_heir, client):
        server.do("listen", 80)
        server_of_heir.do("listen", 80)
        client.do("connect", "waiting", FRONTS[family], 80)
        client.do("send", "waiting", "request")
        wait_known(place, family, 1, 1)
        place.cut(place.nodes[0])
        take(heir, FRONTS[family])
        move(place, heir, FRONTS[family])
        client.tell("wait", "waiting")
        # The first round is lost.
        chain = "chain arrivals { type filter hook input priority 0; tcp sequence == 0 drop; }"
        lost = f"table {family} lost {{ {chain}; }}"
        set_rules(place.client, lost)
        tickle(heir, FRONTS[family])
        assert client.answer() == "reset"


def test_a_connection_of_the_new_holder_comes_to_no_harm(place: Segment) -> None:
    _, heir, _ = place.nodes
    with peers(heir, place.client) as (server, client):
        place.cut(place.nodes[0])
        take(heir, FRONTS["ip"])
        move(place, heir, FRONTS["ip"])
        server.do("listen", 80)
        port = client.do("connect", "one", FRONTS["ip"], 80)
        flow = f"{{ {place.client.address} . {port} . {FRONTS['ip']} . 80 }}"
        heir.run("nft", "add", "element", "ip", "lbmesh_flows", "known", flow)
        tickle(heir, FRONTS["ip"])
        client.do("send", "one", "request")
        assert server.do("heard") == "request"
        assert server.do("close-all") == "closed"
        assert client.do("wait", "one") == "closed"


def test_others_get_their_turn_among_many_that_are_read_and_tickled() -> None:
    """The agent's steps are bounded by what is done in one, however many connections are known."""
    known = 5000
    with segment(1) as alone:
        lines = alone.nodes[0].run(sys.executable, "-m", "tests.support.tickling", str(known)).splitlines()
    said = json.loads(lines[-1])
    assert said["packets"] >= known
    assert said["most_packets"] <= TICKLES_AT_ONCE
    # The kernel tells of some hundred in a datagram.
    assert said["before_packets"] >= 8


def move(place: Segment, heir: Place, front: str) -> None:
    """As an announcement does."""
    for one in (place.client, place.watcher):
        one.run("ip", "neigh", "replace", front, "lladdr", heir.mac, "dev", "eth0", "nud", "reachable")
