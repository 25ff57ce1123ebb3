"""The kernel's part in knowing the connections of fronts behind routers: the tunnel, what goes through it, and what is
let out of it.
"""

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pytest

from lbmesh.drivers.flows.limits import FLOWS_MAX, TUNNEL, TUNNEL_PORT
from lbmesh.drivers.flows.tunnel_rules import script
from tests.support.bgp_world import RoutedPlace, taken_port, wired
from tests.support.segment_peers import peers
from tests.support.wait import wait_for

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"),
    reason="needs root, and: apt-get install iproute2 nftables",
)

FRONTS = {"ip": "203.0.113.10", "ip6": "2001:db8::10"}
TABLE = "lbmesh_routed_flows"


@dataclass(frozen=True, slots=True)
class World:
    """Node 1 has the fronts; 2 and 3 are their backups."""

    router: RoutedPlace
    nodes: tuple[RoutedPlace, ...]
    client: RoutedPlace


@pytest.fixture(params=["ip", "ip6"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world() -> Iterator[World]:
    with wired(3) as (router, nodes, client):
        made = World(router, nodes, client)
        take(made, nodes[0])
        with ThreadPoolExecutor() as agents:
            kept = [agents.submit(keep, made, node) for node in nodes[1:]]
            keep(made, nodes[0], successors=("lb-2", "lb-3"), held=list(FRONTS.values()))
            for one in kept:
                one.result()
        yield made


def keep(
    world: World,
    node: RoutedPlace,
    *words: str,
    successors: Sequence[str] = (),
    held: Sequence[str] = (),
    hosts: dict[str, str] | None = None,
) -> str:
    """As the node's agent does each second; what it logs."""
    members = hosts or {f"lb-{one.number}": one.address for one in world.nodes}
    lists = (",".join(one) for one in (successors, FRONTS.values(), held))
    program = (sys.executable, "-m", "tests.support.routed_flows", f"lb-{node.number}", json.dumps(members))
    return node.run(*program, *lists, *words)


def take(world: World, node: RoutedPlace) -> None:
    """It has the fronts, and the router's routes to them lead there."""
    for front, gateway in zip(FRONTS.values(), (node.address, node.address_6), strict=True):
        node.run("ip", "address", "add", front, "dev", "lo")
        world.router.run("ip", "route", "replace", front, "via", gateway)


def count(node: RoutedPlace, name: str, family: str) -> int:
    return node.run("nft", "list", "set", family, TABLE, name).count(" expires ")


def are_known(node: RoutedPlace, expected: int) -> bool:
    """So many of IPv4?"""
    return count(node, "known", "ip") == expected


def wait_known(world: World, family: str, expected: int) -> None:
    """Until both backups know so many."""
    wait_for(lambda: [count(node, "known", family) for node in world.nodes[1:]] == [expected] * 2, f"{expected} known")


def test_both_backups_know_a_connection_from_its_request_to_its_end(world: World, family: str) -> None:
    with peers(world.nodes[0], world.client) as (server, client):
        server.do("listen", 80)
        client.do("connect", "one", FRONTS[family], 80)
        client.do("send", "one", "request")
        wait_known(world, family, 1)
        client.do("connect", "two", FRONTS[family], 80)
        client.do("send", "two", "request")
        wait_known(world, family, 2)
        client.do("close", "one")
        wait_known(world, family, 1)
        client.do("abort", "two")
        wait_known(world, family, 0)


def test_what_a_node_hears_of_while_its_processes_are_frozen_is_known(world: World) -> None:
    with peers(world.nodes[0], world.client) as (server, client):
        server.do("listen", 80)
        server.signal(signal.SIGSTOP)
        client.do("connect", "one", FRONTS["ip"], 80)
        client.do("send", "one", "request")
        wait_known(world, "ip", 1)


def test_no_data_goes_through_the_tunnel_and_long_requests_are_known(world: World) -> None:
    # An Ethernet header, VXLAN, UDP and IP are 50 bytes, an ACK with timestamps 52.
    rules = f"chain a {{ type filter hook forward priority 0; udp dport {TUNNEL_PORT} meta length > 102 counter; }}"
    world.router.run("nft", "-f", "-", text=f"table ip seen {{ {rules}; }}")
    with peers(world.nodes[0], world.client) as (server, client):
        server.do("listen", 80)
        client.do("connect", "one", FRONTS["ip"], 80)
        client.do("send", "one", "request" * 2000)
        wait_known(world, "ip", 1)
        client.do("send", "one", "request" * 2000)
        client.do("close", "one")
        wait_known(world, "ip", 0)
    assert "packets 0 bytes 0" in world.router.run("nft", "list", "table", "ip", "seen")


def test_packets_of_no_connection_are_not_told_of(world: World) -> None:
    with peers(world.nodes[0], world.client) as (server, client):
        server.do("listen", 80)
        # The last two together are a handshake whose numbers were guessed.
        for flags in ("A", "PA", "FA", "S", "A"):
            client.do("forge", world.client.address, FRONTS["ip"], 80, flags, 20)
        client.do("connect", "one", FRONTS["ip"], 80)
        client.do("send", "one", "request")
        wait_known(world, "ip", 1)
    assert count(world.nodes[0], "told", "ip") == 1


def test_nothing_comes_out_of_the_tunnel(world: World) -> None:
    holder, backup, _ = world.nodes
    before = came_out(backup)
    send_through(holder, backup)
    wait_for(lambda: came_out(backup) > before, "a packet through the tunnel")
    assert counted(backup, "beyond") == 0


def test_who_is_no_member_is_not_heard(world: World) -> None:
    _, backup, _ = world.nodes
    client = world.client
    before = came_out(backup)
    hosts = {f"lb-{one.number}": one.address for one in (client, backup)}
    keep(world, client, successors=("lb-2",), held=list(FRONTS.values()), hosts=hosts)
    send_through(client, backup)
    assert (came_out(backup), counted(backup, "beyond")) == (before, 0)


def send_through(sender: RoutedPlace, backup: RoutedPlace) -> None:
    """A datagram to an address of the backup's, by the tunnel. It has come, if it was heard."""
    backup.run("ip", "address", "add", "192.0.2.2", "dev", "lo")
    # All come from one port: for conntrack they are one flow.
    both = f"udp sport {TUNNEL_PORT} udp dport {TUNNEL_PORT}"
    rules = f"""table ip seen {{
      counter before {{ }}
      counter beyond {{ }}
      chain first {{ type filter hook prerouting priority -400; {both} counter name before; }}
      chain last {{ type filter hook input priority 0; ip daddr 192.0.2.2 counter name beyond; }}
    }}"""
    backup.run("nft", "-f", "-", text=rules)
    sender.run("ip", "route", "add", "192.0.2.2", "via", "240.76.66.1", "dev", TUNNEL, "onlink")
    send = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'?', ('192.0.2.2', 9))"
    sender.run(sys.executable, "-c", send)
    wait_for(lambda: counted(backup, "before") == 1, "a packet for the tunnel")


def counted(node: RoutedPlace, name: str) -> int:
    (found,) = re.findall(r"packets (\d+)", node.run("nft", "list", "counter", "ip", "seen", name))
    return int(found)


def came_out(node: RoutedPlace) -> int:
    """Packets that the tunnel's device received, before any rule about what they are."""
    (link,) = json.loads(node.run("ip", "-j", "-s", "link", "show", "dev", TUNNEL))
    return int(link["stats64"]["rx"]["packets"])


def test_who_finds_no_room_is_not_known_and_the_oldest_stay(world: World) -> None:
    text = script(FRONTS.values())
    assert text.count(f"size {FLOWS_MAX};") == 4
    backup = world.nodes[1]
    small = text.replace(f"size {FLOWS_MAX};", "size 2;")
    backup.run("nft", "-f", "-", text=f"delete table ip {TABLE}\ndelete table ip6 {TABLE}\n{small}")
    backup.run("nft", "add", "element", "ip", TABLE, "peers", f"{{ {world.nodes[0].address} }}")
    with peers(world.nodes[0], world.client) as (server, client):
        server.do("listen", 80)
        ports = [client.do("connect", name, FRONTS["ip"], 80) for name in ("one", "two", "three")]
        for known, name in enumerate(("one", "two", "three"), 1):
            client.do("send", name, "request")
            wait_for(partial(are_known, world.nodes[2], known), f"{known} known")
    listed = backup.run("nft", "list", "set", "ip", TABLE, "known")
    assert [f" . {port} . " in listed for port in ports] == [True, True, False]


def test_whoever_the_route_leads_to_has_the_clients_reset(world: World, family: str) -> None:
    holder, heir, _ = world.nodes
    with peers(holder, heir, world.client) as (server, server_of_heir, client):
        server.do("listen", 80)
        server_of_heir.do("listen", 80)
        client.do("connect", "waiting", FRONTS[family], 80)
        client.do("send", "waiting", "request")
        wait_known(world, family, 1)
        client.tell("wait", "waiting")
        take(world, heir)
        # The first round is lost.
        chain = "chain arrivals { type filter hook input priority 0; tcp sequence == 0 drop; }"
        world.client.run("nft", "-f", "-", text=f"table {family} lost {{ {chain}; }}")
        keep(world, heir, "tickle", held=[FRONTS[family]])
        assert client.answer() == "reset"


def test_what_somebody_takes_away_by_hand_is_made_anew(world: World) -> None:
    holder, backup, _ = world.nodes
    backup.run("nft", "flush", "ruleset")
    keep(world, backup, "again")
    keep(world, holder, "again", successors=("lb-2", "lb-3"), held=list(FRONTS.values()))
    with peers(holder, world.client) as (server, client):
        server.do("listen", 80)
        client.do("connect", "one", FRONTS["ip"], 80)
        client.do("send", "one", "request")
        wait_known(world, "ip", 1)


def test_what_a_crash_left_goes_when_no_front_is_routed_any_more(world: World) -> None:
    node = world.nodes[0]
    assert TUNNEL in node.run("ip", "link")
    code = (
        "import trio\n"
        "from lbmesh.drivers.kernel.kernel import Kernel\n"
        "from lbmesh.drivers.leftovers import take_away_leftovers\n"
        "trio.run(take_away_leftovers, Kernel(), ())\n"
    )
    node.run(sys.executable, "-c", code)
    assert TUNNEL not in node.run("ip", "link")
    assert TABLE not in node.run("nft", "list", "tables")


def test_a_port_that_another_program_has_is_said(world: World) -> None:
    client = world.client
    hosts = {f"lb-{one.number}": one.address for one in (client, *world.nodes)}
    with taken_port(client, TUNNEL_PORT):
        assert f"UDP port {TUNNEL_PORT} is another program's" in keep(world, client, hosts=hosts)
