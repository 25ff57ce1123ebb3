"""Namespaces with a node in each: what runs in there, what is asked from in there, and how the nodes are configured."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbmesh_chaos.lab.kernel import in_network
from tests.support.json_lines import json_lines
from tests.support.namespaces import pids
from tests.support.nodes import GOSSIP_KEY
from tests.support.wait import wait_for

_NETNS = Path("/run/netns")
_REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace, by default on a segment."""

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


@dataclass(slots=True)
class PlacedNode:
    """One balancer in its namespace. Its replica, at the client's, answers with the node's number."""

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
        lines = json_lines(self.directory / "log")
        return [int(one["pid"]) for one in lines if one["event"] == "child started" and one["child"] == name]

    def clean_up(self) -> None:
        """Whatever is left of it."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()

    def log_text(self) -> str:
        """All it logged."""
        return (self.directory / "log").read_text()


def front_table(address: str, driver: str, options: str) -> str:
    """A front that is at home at node 1."""
    home = 'zone = "zone-1"\nnode = "lb-1"'
    return (
        f'[[front]]\naddress = "{address}"\n{home}\ndriver = "{driver}"\nhold_down = "2s"\noptions = {{ {options} }}\n'
    )


def config_of(
    place: Place, nodes: Sequence[Place], client: Place, directory: Path, fronts: Sequence[str], more: str = ""
) -> str:
    """A node's configuration, with `more` tables. Node 1's zone is `zone-1`, and so on. `fronts`: their tables."""
    seeds = ", ".join(f'"{other.address}:7946"' for other in nodes if other is not place)
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
replicas = [{{ address = "{client.address}:{8000 + place.number}", zone = "zone-1" }}]
{"".join(fronts)}
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
def running(nodes: Sequence[PlacedNode], *wrapper: str) -> Iterator[None]:
    """All of them, started together; they serve when the block begins. `wrapper`: a program that runs each."""
    try:
        for node in nodes:
            node.launch(*wrapper)
        for node in nodes:
            node.wait_ready()
        yield
    finally:
        for node in nodes:
            node.clean_up()


def fetch(client: Place, address: str) -> str:
    """Which node answers at a front, by its number; "" for none. Asked from the client's namespace."""
    return client.get(address, 80, "/", timeout_s=1.0).strip()
