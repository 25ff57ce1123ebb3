"""Routed balancers in network namespaces: each on a /30 of its own with BIRD, a router with BIRD, BFD and ECMP, a
client behind it, and whole nodes that share a front.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.namespaces import ip, remove
from tests.support.places import Place, PlacedNode, config_of, front_table, origins, running
from tests.support.segment import CLIENT
from tests.support.wait import wait_for

FRONT, OTHER_FRONT = "203.0.113.10", "203.0.113.11"
NEEDED = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nft", "bird", "birdc"))),
    reason="needs root, and: apt-get install iproute2 nftables bird2",
)
ROUTER = 100


@dataclass(frozen=True, slots=True)
class RoutedPlace(Place):
    """A namespace on a /30 of its own; `.1` is the router's."""

    @property
    def address(self) -> str:
        """Its own, of IPv4."""
        return f"10.0.{self.number}.2"

    @property
    def gateway(self) -> str:
        """The router's, on its link."""
        return f"10.0.{self.number}.1"

    @property
    def address_6(self) -> str:
        """Its own, of IPv6."""
        return f"fd00:{self.number}::2"

    @property
    def gateway_6(self) -> str:
        """The router's, on its link."""
        return f"fd00:{self.number}::1"


@dataclass(slots=True)
class BirdProcess:
    """One BIRD in a namespace, with its files in `directory`."""

    place: RoutedPlace
    directory: Path
    config: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def socket(self) -> Path:
        """Its control socket, whose name may have 107 bytes (unix(7)): too few for a test's directory."""
        return Path("/run") / f"{self.place.name}.ctl"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        conf = self.directory / "bird.conf"
        conf.write_text(self.config)
        subprocess.run(("bird", "-p", "-c", str(conf)), check=True)
        command = ("bird", "-f", "-c", str(conf), "-s", str(self.socket), "-P", str(self.directory / "bird.pid"))
        with (self.directory / "bird.log").open("ab") as log:
            argv = ("ip", "netns", "exec", self.place.name, *command)
            self.process = subprocess.Popen(argv, start_new_session=True, stdout=log, stderr=log)
        wait_for(lambda: "up and running" in self.ask("show status"), f"BIRD in {self.place.name}")

    def ask(self, *commands: str) -> str:
        """What it says to a command."""
        argv = ("birdc", "-s", str(self.socket), *commands)
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self.process.wait(30)
        self.socket.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Routed:
    """The router, balancers 1, 2, …, and the client."""

    router: RoutedPlace
    nodes: tuple[RoutedPlace, ...]
    client: RoutedPlace
    router_bird: BirdProcess
    birds: tuple[BirdProcess, ...]

    def next_hops(self, prefix: str = f"{FRONT}/32") -> list[int]:
        """The numbers of the nodes that the router's kernel sends this network to."""
        routes: list[dict[str, Any]] = json.loads(self.router.run("ip", "-j", "route", "show", prefix) or "[]")
        gateways = [hop["gateway"] for route in routes for hop in route.get("nexthops", [route]) if "gateway" in hop]
        return sorted(int(one.split(".")[2]) for one in gateways)

    def wait_route(self, *numbers: int) -> None:
        """Until the router sends clients of the front to these nodes, and to no others."""
        wait_for(lambda: self.next_hops() == [*numbers], f"a route to {numbers}")

    @contextlib.contextmanager
    def never_routed(self) -> Iterator[None]:
        """See to it that the router's kernel gets no route to the front meanwhile, not for a moment."""
        argv = ("ip", "-n", self.router.name, "monitor", "route")
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as monitor:
            try:
                yield
            finally:
                monitor.kill()
                told = monitor.communicate()[0]
        assert not [line for line in told.splitlines() if FRONT in line and not line.startswith("Deleted")], told

    def cut(self, place: RoutedPlace) -> None:
        """Nothing passes on its link any more, which stays up."""
        port = f"p{place.number}"
        rules = (
            f"table inet cut {{\n chain a {{ type filter hook prerouting priority -400; iifname {port} drop; }}\n"
            f" chain b {{ type filter hook postrouting priority -400; oifname {port} drop; }}\n}}\n"
        )
        self.router.run("nft", "-f", "-", text=rules)

    def heal(self) -> None:
        """Everything passes again."""
        self.router.run("nft", "delete", "table", "inet", "cut")


def router_config(nodes: Sequence[RoutedPlace], *, bfd_ms: int, hold_s: int) -> str:
    """BIRD's at the router: all paths of equal worth go to the kernel."""
    bfd = f'protocol bfd {{ interface "*" {{ interval {bfd_ms} ms; multiplier 3; }}; }}' if bfd_ms else ""
    sessions = "\n".join(
        f"protocol bgp node{one.number} {{ local {one.gateway} as 65000; neighbor {one.address} as 65001; "
        f"hold time {hold_s}; connect delay time 1; connect retry time 1; error wait time 1, 1; "
        f"{'bfd yes;' if bfd_ms else ''} ipv4 {{ import all; export none; }}; }}"
        for one in nodes
    )
    return f"""
router id 10.0.{ROUTER}.1;
protocol device {{ scan time 1; }}
protocol kernel {{ merge paths on; ipv4 {{ import none; export all; }}; }}
{bfd}
{sessions}
"""


def node_config(place: RoutedPlace, *, bfd_ms: int, hold_s: int, starts_announcing: bool = False) -> str:
    """BIRD's at a balancer: the front's two protocols, off until they are turned on."""
    bfd = f'protocol bfd {{ interface "*" {{ interval {bfd_ms} ms; multiplier 3; }}; }}' if bfd_ms else ""
    off = "" if starts_announcing else "disabled;"
    return f"""
router id {place.address};
protocol device {{ scan time 1; }}
{bfd}
protocol static front {{ {off} ipv4; route {FRONT}/32 via "lo" {{ bgp_med = 200; }}; }}
protocol static front_takeover {{ disabled; ipv4; route {FRONT}/32 via "lo" {{ bgp_med = 100; }}; }}
protocol static front_b {{ disabled; ipv4; route {OTHER_FRONT}/32 via "lo"; }}
protocol static secret {{ disabled; ipv4; route {FRONT}/32 via "lo"; }}
protocol bgp uplink {{
  local {place.address} as 65001; neighbor {place.gateway} as 65000;
  hold time {hold_s}; connect delay time 1; connect retry time 1; error wait time 1, 1;
  {"bfd yes;" if bfd_ms else ""}
  ipv4 {{ import none; export where proto ~ "front*"; }};
}}
"""


@contextlib.contextmanager
def wired(count: int) -> Iterator[tuple[RoutedPlace, tuple[RoutedPlace, ...], RoutedPlace]]:
    """A router, so many balancers and a client, with links between; nothing is left of it."""
    prefix = f"lbmesh-bgp-{os.getpid()}"
    router = RoutedPlace(f"{prefix}-router", ROUTER)
    nodes = tuple(RoutedPlace(f"{prefix}-{number}", number) for number in range(1, count + 1))
    client = RoutedPlace(f"{prefix}-client", CLIENT)
    made: list[str] = []
    try:
        for one in (router, *nodes, client):
            subprocess.run(("ip", "netns", "add", one.name), check=True)
            made.append(one.name)
        for one in (*nodes, client):
            _link(router, one)
        forwards = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        router.run("sysctl", "-q", "-w", *forwards, "net.ipv4.fib_multipath_hash_policy=1")
        yield router, nodes, client
    finally:
        for name in made:
            remove(name)


@contextlib.contextmanager
def routed(
    count: int, directory: Path, *, bfd_ms: int = 50, hold_s: int = 9, starts_announcing: bool = False
) -> Iterator[Routed]:
    """The same with all their BIRDs. `bfd_ms`: 0 for none."""
    with wired(count) as (router, nodes, client):
        birds = tuple(
            BirdProcess(
                one,
                directory / f"bird-{one.number}",
                node_config(one, bfd_ms=bfd_ms, hold_s=hold_s, starts_announcing=starts_announcing),
            )
            for one in nodes
        )
        router_bird = BirdProcess(router, directory / "bird-r", router_config(nodes, bfd_ms=bfd_ms, hold_s=hold_s))
        try:
            for bird in (router_bird, *birds):
                bird.start()
            yield Routed(router, nodes, client, router_bird, birds)
        finally:
            for bird in (router_bird, *birds):
                bird.kill()


def _link(router: RoutedPlace, place: RoutedPlace) -> None:
    port = f"p{place.number}"
    ip(router.name, "link set lo up", f"link add {port} type veth peer name eth0 netns {place.name}")
    ip(
        router.name,
        f"addr add {place.gateway}/30 dev {port}",
        f"addr add {place.gateway_6}/64 dev {port} nodad",
        f"link set {port} up",
    )
    ip(
        place.name,
        "link set lo up",
        f"addr add {place.address}/30 dev eth0",
        f"addr add {place.address_6}/64 dev eth0 nodad",
        "link set eth0 up",
        f"route add default via {place.gateway}",
        f"route add default via {place.gateway_6}",
    )


@contextlib.contextmanager
def balancers(
    world: Routed, directory: Path, *, held: bool = True, takeover: bool = True, options: str = ""
) -> Iterator[tuple[PlacedNode, ...]]:
    """A node in each place, all alive; the first of them holds the front, unless nobody can. `options`: instead of the
    driver's usual ones.
    """
    nodes = []
    for one, bird in zip(world.nodes, world.birds, strict=True):
        home = directory / f"lb-{one.number}"
        usual = f'protocol = "front", socket = "{bird.socket}"' + (', takeover = "front_takeover"' if takeover else "")
        table = front_table(FRONT, "bgp", options or usual)
        nodes.append(PlacedNode(one, home, config_of(one, world.nodes, world.client, home, [table])))
    with origins(world.client, [one.number for one in world.nodes]), running(nodes):
        if held:
            nodes[0].wait_front(FRONT, "held")
            for node in nodes:
                if len(nodes) > 1:
                    node.wait_mesh(len(nodes))
            world.wait_route(1)
        yield tuple(nodes)


def wait_told(node: Place) -> None:
    """Until two others are told of the front's connections there."""

    def are_told() -> bool:
        maps = (("nft", "list", "map", "ip", "lbmesh_routed_flows", heir) for heir in ("heir1", "heir2"))
        return all(f"{FRONT} : " in node.run(*one, check=False) for one in maps)

    wait_for(are_told, "two heirs who are told")


@contextlib.contextmanager
def taken_port(place: Place, port: int) -> Iterator[None]:
    """Another program has this port of UDP there."""
    program = f"""import socket, sys
held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
held.bind(("", {port}))
print(flush=True)
sys.stdin.read()
"""
    argv = ("ip", "netns", "exec", place.name, sys.executable, "-c", program)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        yield
