"""One L2 in network namespaces: whole nodes that share fronts, a client and a watcher, with IPv4 and IPv6."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lbmesh.failover.front_limits import SETTLE_S
from tests.support.namespaces import ip, remove
from tests.support.places import Place as Place
from tests.support.places import PlacedNode, config_of, front_table, origins, running
from tests.support.sightings import Sightings, probing

CLIENT, WATCHER = 200, 201
"""Their numbers: the client's address is 10.0.0.200."""

_NUMBERS = count()
"""Of segments that this process has made."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The bridge, nodes 1, 2, …, a client, and a watcher who asks whom an address leads to: the answers must not come
    to the client, whose own knowledge of that they would freshen.
    """

    bridge: str
    nodes: tuple[Place, ...]
    client: Place
    watcher: Place

    def cut(self, place: Place) -> None:
        """Its cable leads nowhere; its link stays up."""
        self._ip("link", "set", f"p{place.number}", "nomaster")

    def cut_outgoing(self, place: Place) -> None:
        """What it sends comes to nobody; what others send comes to it."""
        self._set_port(place, "learning", "off", "locked", "on")

    def cut_incoming(self, place: Place) -> None:
        """What others send does not come to it; what it sends comes to them."""
        self._set_port(place, "learning", "off", "flood", "off", "mcast_flood", "off", "bcast_flood", "off")

    def cut_gossip(self, place: Place) -> None:
        """Gossip and heartbeats do not get through, nor VRRP; ARP and HTTP do."""
        place.run("nft", "-f", "-", text=_NO_GOSSIP)

    def _set_port(self, place: Place, *options: str) -> None:
        port = f"p{place.number}"
        subprocess.run(("bridge", "-n", self.bridge, "link", "set", "dev", port, *options), check=True)
        self._ip("link", "set", port, "type", "bridge_slave", "fdb_flush")

    def heal(self, place: Place) -> None:
        """It is on the bridge again."""
        port = f"p{place.number}"
        self._ip("link", "set", port, "nomaster")
        self._ip("link", "set", port, "master", "bridge")

    def plug(self, place: Place) -> None:
        """Make its eth0, with its addresses, on the bridge."""
        port = f"p{place.number}"
        ip(
            self.bridge,
            f"link add {port} type veth peer name eth0 address {place.mac} netns {place.name}",
            f"link set {port} master bridge up",
        )
        ip(
            place.name,
            f"addr add {place.address}/24 dev eth0",
            f"addr add fd00::{place.number}/64 dev eth0 nodad",
            "link set eth0 up",
        )

    def plug_anew(self, place: Place) -> None:
        """Its eth0 goes, and another comes."""
        ip(place.name, "link del eth0")
        self.plug(place)

    def _ip(self, *argv: str) -> None:
        subprocess.run(("ip", "-n", self.bridge, *argv), check=True)


_NO_GOSSIP = "".join(
    f"add table inet cut; add chain inet cut {hook} {{ type filter hook {hook} priority 0; }}\n"
    f"add rule inet cut {hook} udp dport {{ 7946, 7947 }} drop\n"
    f"add rule inet cut {hook} tcp dport 7946 drop\n"
    f"add rule inet cut {hook} ip protocol 112 drop\n"
    for hook in ("input", "output")
)


@contextlib.contextmanager
def segment(nodes: int) -> Iterator[Segment]:
    """So many nodes, a client and a watcher; nothing is left of it."""
    prefix = f"lbmesh-l2-{os.getpid()}-{next(_NUMBERS)}"
    bridge = f"{prefix}-bridge"
    places = [Place(f"{prefix}-{number}", number) for number in (*range(1, nodes + 1), CLIENT, WATCHER)]
    made: list[str] = []
    try:
        for name in (bridge, *(place.name for place in places)):
            subprocess.run(("ip", "netns", "add", name), check=True)
            made.append(name)
        ip(bridge, "link add bridge type bridge mcast_snooping 0", "link set bridge up")
        made_of = Segment(bridge, tuple(places[:-2]), places[-2], places[-1])
        for place in places:
            ip(place.name, "link set lo up")
            made_of.plug(place)
        yield made_of
    finally:
        for name in made:
            remove(name)


@contextlib.contextmanager
def mesh(
    place: Segment,
    directory: Path,
    fronts: Sequence[str],
    *,
    held: bool = True,
    options: str = 'interface = "eth0"',
    wrapper: Sequence[str] = (),
    own_origins: bool = True,
    more: str = "",
) -> Iterator[tuple[PlacedNode, ...]]:
    """A node in each place, all alive; the first of them holds the fronts, unless nobody can. `options`: the driver's.
    `wrapper`: a program that runs the nodes. `own_origins`: have replicas run for them. `more`: tables of their
    configuration.
    """
    tables = [front_table(front, "vip", options) for front in fronts]
    nodes = tuple(
        PlacedNode(one, home, config_of(one, place.nodes, place.client, home, tables, more))
        for one in place.nodes
        for home in (directory / one.name,)
    )
    numbers = [one.number for one in place.nodes]
    with origins(place.client, numbers) if own_origins else contextlib.nullcontext(), running(nodes, *wrapper):
        if held:
            _wait_settled(nodes, fronts)
        yield nodes


def _wait_settled(nodes: Sequence[PlacedNode], fronts: Sequence[str]) -> None:
    for front in fronts:
        nodes[0].wait_front(front, "held")
    if len(nodes) == 1:
        return
    for node in nodes:
        node.wait_mesh(len(nodes))
    # A node that has just started takes nothing: it says by no other sign that this is over.
    time.sleep(SETTLE_S)


@contextlib.contextmanager
def looking(place: Segment, front: str, *, asks_http: bool = True) -> Iterator[Sightings]:
    """Filled when the block is left. Without `asks_http`, only who answers ARP is looked at."""
    seen = Sightings()
    arp = (place.watcher, ("arp", front, place.watcher.mac, place.watcher.address))
    http = (place.client, ("http", front))
    with probing(arp, *((http,) if asks_http else ())) as found:
        yield seen
    seen.replies, *requests = found
    seen.requests = requests[0] if requests else []
