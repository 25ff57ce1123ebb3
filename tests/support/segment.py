"""One L2 in network namespaces: whole nodes that share fronts, a client and a watcher, with IPv4 and IPv6."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbmesh.failover.front_limits import SETTLE_S
from lbmesh_chaos.lab.kernel import in_network
from tests.support.namespaces import ip, pids, remove
from tests.support.nodes import GOSSIP_KEY
from tests.support.wait import wait_for

_NETNS = Path("/run/netns")
_REPOSITORY = Path(__file__).parents[2]
CLIENT, WATCHER = 200, 201
"""Their numbers: the client's address is 10.0.0.200."""

_GAP_S = 0.15
"""Asked every 10 ms, who does not answer for so long does not answer any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace on the L2."""

    name: str
    number: int

    @property
    def address(self) -> str:
        """Its own, of IPv4."""
        return f"10.0.0.{self.number}"

    @property
    def mac(self) -> str:
        """Of its only interface, eth0."""
        return f"02:00:00:00:00:{self.number:02x}"

    @property
    def path(self) -> Path:
        """The namespace."""
        return _NETNS / self.name

    def run(self, *argv: str, text: str | None = None, check: bool = True) -> str:
        """What a program says in there."""
        command = ("ip", "netns", "exec", self.name, *argv)
        return subprocess.run(command, input=text, capture_output=True, text=True, check=check).stdout

    def get(self, host: str, port: int, path: str, timeout_s: float) -> str:
        """What is answered to one request from in there; "" when nobody answers, or with an error."""
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        try:
            with in_network(self.path):
                connection.connect()
            connection.request("GET", path, headers={"Connection": "close"})
            response = connection.getresponse()
            text = response.read().decode()
            return text if response.status == 200 else ""
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()

    def addresses(self) -> list[dict[str, Any]]:
        """All of eth0, as ip(8) has them."""
        return [
            one for link in json.loads(self.run("ip", "-j", "address", "show", "eth0")) for one in link["addr_info"]
        ]

    def pids(self) -> list[int]:
        """All processes in there."""
        return pids(self.name)

    def has(self, address: str) -> bool:
        """Is it on eth0?"""
        return any(one.get("local") == address for one in self.addresses())


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


@contextlib.contextmanager
def segment(nodes: int) -> Iterator[Segment]:
    """So many nodes, a client and a watcher; nothing is left of it."""
    prefix = f"lbmesh-l2-{os.getpid()}"
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


@dataclass(slots=True)
class SegmentNode:
    """One balancer in its namespace. Its replica, at the client's, answers with the node's name."""

    place: Place
    directory: Path
    config: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def name(self) -> str:
        """As the mesh knows it."""
        return f"lb-{self.place.number}"

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.launch()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until it serves."""
        wait_for(lambda: self.get("/readyz") is not None, f"readiness of {self.name}")

    def launch(self, *wrapper: str) -> None:
        """Start it, as a program that `wrapper` runs."""
        self.directory.mkdir(exist_ok=True)
        key_file = self.directory / "gossip.key"
        key_file.write_text(GOSSIP_KEY + "\n")
        key_file.chmod(0o600)
        config = self.directory / "lbmesh.toml"
        config.write_text(self.config)
        lbmesh = (sys.executable, "-m", "lbmesh")
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ("ip", "netns", "exec", self.place.name, *wrapper, *lbmesh, "run", "-c", str(config)),
                start_new_session=True,
                cwd=_REPOSITORY,
                stdout=log,
                stderr=log,
            )

    def get(self, path: str) -> Any:
        """What the admin API answers; None when it does not, or with an error."""
        said = self.place.get("127.0.0.1", 9900, path, timeout_s=5.0)
        return json.loads(said) if said.startswith(("{", "[")) else said.strip() or None

    def front(self, address: str) -> dict[str, Any]:
        """What this node says of a front."""
        fronts = (self.get("/v1/state") or {}).get("fronts", ())
        return next((one for one in fronts if one["address"] == address), {})

    def wait_front(self, address: str, state: str) -> None:
        """Until the front is in that state at this node."""
        wait_for(lambda: self.front(address).get("state") == state, f"{address} {state} at {self.name}")

    def wait_mesh(self, size: int) -> None:
        """Until it sees so many nodes alive."""

        def is_whole() -> bool:
            members: list[dict[str, Any]] = (self.get("/v1/state") or {}).get("members", [])
            return [one["state"] for one in members].count("alive") == size

        wait_for(is_whole, f"a whole mesh at {self.name}")

    def signal(self, number: int) -> None:
        """To all its processes."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL to all its processes, at once."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(30)

    def end(self) -> None:
        """Ask it to leave."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def children(self, name: str) -> list[int]:
        """The processes of this kind that the sentinel has started, the newest last."""
        started = [json.loads(line) for line in self.log_text().splitlines() if '"child started"' in line]
        return [int(one["pid"]) for one in started if one["child"] == name]

    def clean_up(self) -> None:
        """Whatever is left of it."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()

    def log_text(self) -> str:
        """All it logged."""
        return (self.directory / "log").read_text()


def config_of(
    place: Place, nodes: Sequence[Place], directory: Path, fronts: Sequence[str], options: str, more: str = ""
) -> str:
    """A node's configuration, with `more` tables. Node 1's zone is `zone-1`, where the fronts are at home, etc."""
    seeds = ", ".join(f'"{other.address}:7946"' for other in nodes if other is not place)
    tables = "\n".join(
        f'[[front]]\naddress = "{one}"\nzone = "zone-1"\nnode = "lb-1"\ndriver = "vip"\nhold_down = "2s"\n'
        f"options = {{ {options} }}"
        for one in fronts
    )
    gossip = f"""
[gossip]
bind = "{place.address}:7946"
seeds = [{seeds}]
key_file = "{directory}/gossip.key"
"""
    return f"""
[node]
name = "lb-{place.number}"
zone = "zone-{place.number}"
state_dir = "{directory}/state"
drain_timeout = "1s"
{gossip if seeds else ""}
[forwarder]
workers = 1
[[listener]]
bind = "0.0.0.0:80"
[[listener]]
bind = "[::]:80"
[[service]]
name = "app"
hosts = ["*"]
replicas = [{{ address = "10.0.0.{CLIENT}:{8000 + place.number}", zone = "zone-1" }}]
{tables}
[admin]
bind = "127.0.0.1:9900"
[log]
access = "off"
{more}"""


@contextlib.contextmanager
def origins(client: Place, numbers: Sequence[int]) -> Iterator[None]:
    """A replica for each node, that answers with its number."""
    script = _REPOSITORY / "tests" / "support" / "segment_origin.py"
    command = ("ip", "netns", "exec", client.name, sys.executable, str(script), *map(str, numbers))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"listening\n"
            yield
        finally:
            process.kill()


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
) -> Iterator[tuple[SegmentNode, ...]]:
    """A node in each place, all alive; the first of them holds the fronts, unless nobody can. `options`: the driver's.
    `wrapper`: a program that runs the nodes. `own_origins`: have replicas run for them. `more`: tables of their
    configuration.
    """
    nodes = tuple(
        SegmentNode(one, directory / one.name, config_of(one, place.nodes, directory / one.name, fronts, options, more))
        for one in place.nodes
    )
    numbers = [one.number for one in place.nodes]
    with origins(place.client, numbers) if own_origins else contextlib.nullcontext():
        try:
            for node in nodes:
                node.launch(*wrapper)
            for node in nodes:
                node.wait_ready()
            if held:
                _wait_settled(nodes, fronts)
            yield nodes
        finally:
            for node in nodes:
                node.clean_up()


def _wait_settled(nodes: Sequence[SegmentNode], fronts: Sequence[str]) -> None:
    for front in fronts:
        nodes[0].wait_front(front, "held")
    if len(nodes) == 1:
        return
    for node in nodes:
        node.wait_mesh(len(nodes))
    # A node that has just started takes nothing: it says by no other sign that this is over.
    time.sleep(SETTLE_S)


def fetch(client: Place, address: str) -> str:
    """Which node answers at a front, by its number; "" for none. Asked from the client's namespace."""
    return client.get(address, 80, "/", timeout_s=1.0).strip()


@dataclass(slots=True)
class Sightings:
    """What the probers saw of a front. `requests`: (begun, ended, answer); `replies`: (heard, hardware address)."""

    requests: list[tuple[float, float, str]] = field(default_factory=list)
    replies: list[tuple[float, str]] = field(default_factory=list)

    def overlap_s(self) -> float:
        """The longest time for which two nodes answered."""
        spans = [span for mac in {mac for _, mac in self.replies} for span in self._spans(mac)]
        pairs = [(one, other) for one in spans for other in spans if one[0] != other[0]]
        return max([0.0, *(min(one[2], other[2]) - max(one[1], other[1]) for one, other in pairs)])

    def _spans(self, mac: str) -> list[tuple[str, float, float]]:
        """From when until when this one answered; a gap ends a span."""
        spans: list[tuple[str, float, float]] = []
        for heard in (heard for heard, other in self.replies if other == mac):
            if spans and heard - spans[-1][2] < _GAP_S:
                spans[-1] = (mac, spans[-1][1], heard)
            else:
                spans.append((mac, heard, heard))
        return spans

    def outage_s(self, fault_s: float) -> float:
        """From the fault to the begin of the last request that was not answered; 0 when all were."""
        return max((begun for begun, _, answer in self.requests if not answer), default=fault_s) - fault_s

    def first_answer_s(self, fault_s: float, by: str) -> float:
        """From the fault to the first answer of another node."""
        return min(ended for _, ended, answer in self.requests if ended > fault_s and answer and answer != by) - fault_s


@dataclass(frozen=True, slots=True)
class Wait:
    """One client's connection. `kind`: waiting, idle or late (`segment_waiters.py`). `ended_s`: None for one that still
    waited at the end. `how` it ended.
    """

    kind: str
    begun_s: float
    ended_s: float | None
    how: str

    def after_s(self, fault_s: float) -> float:
        """From the fault, or its begin if that was later, to its end; infinite for none."""
        return (self.ended_s or float("inf")) - max(fault_s, self.begun_s)


@contextlib.contextmanager
def waiting(place: Segment, front: str, crowd: int, idle: int) -> Iterator[list[Wait]]:
    """Clients that wait, begun when the block is entered; filled when it is left."""
    script = _REPOSITORY / "tests" / "support" / "segment_waiters.py"
    command = ("ip", "netns", "exec", place.client.name, sys.executable, str(script), front, str(crowd), str(idle))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"looking\n"
            seen: list[Wait] = []
            yield seen
            seen += [Wait(*one) for one in json.loads(process.communicate()[0])]
        finally:
            process.kill()


@contextlib.contextmanager
def looking(place: Segment, front: str, *, asks_http: bool = True) -> Iterator[Sightings]:
    """Filled when the block is left. Without `asks_http`, only who answers ARP is looked at."""
    seen = Sightings()
    program = (sys.executable, str(_REPOSITORY / "tests" / "support" / "segment_prober.py"))
    asked = (
        (place.watcher, (*program, "arp", front, place.watcher.mac, place.watcher.address)),
        *(((place.client, (*program, "http", front)),) if asks_http else ()),
    )
    probers = [
        subprocess.Popen(
            ("ip", "netns", "exec", where.name, *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        )
        for where, command in asked
    ]
    try:
        for one in probers:
            assert one.stdout is not None
            assert one.stdout.readline() == b"looking\n"
        yield seen
        arp, *http = (json.loads(one.communicate()[0]) for one in probers)
        seen.replies = sorted(map(tuple, arp))
        seen.requests = sorted(map(tuple, http[0])) if http else []
    finally:
        for one in probers:
            with one:
                one.kill()
