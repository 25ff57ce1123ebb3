"""Real nodes: `lbmesh run` with a configuration of the test's own, on sockets that the kernel numbered."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lbmesh.model.address import Address
from tests.support.json_lines import json_lines
from tests.support.wait import wait_for

_ACTIVATE = Path(__file__).with_name("activate.py")
GOSSIP_KEY = "0f" * 32


class NodeSockets:
    """A listener, an admin and a gossip socket, kept open so that a node can be started on them again."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.admin = socket.create_server(("127.0.0.1", 0))
        self.gossip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.gossip.bind(("127.0.0.1", 0))

    def all(self) -> tuple[socket.socket, ...]:
        """In the order in which they are inherited."""
        return self.listener, self.admin, self.gossip

    def close(self) -> None:
        """Close this side of them."""
        for each in self.all():
            each.close()


class Node:
    """One balancer under the test's control. `replicas`: (address, zone) of service "app"."""

    def __init__(
        self,
        directory: Path,
        name: str,
        zone: str,
        replicas: Sequence[tuple[Address, str]],
        *,
        seeds: Sequence[Address] = (),
        workers: int = 1,
    ) -> None:
        self.name = name
        self.zone = zone
        self.sockets = NodeSockets()
        self.directory = directory / name
        self.directory.mkdir()
        self.config = self.directory / "lbmesh.toml"
        self.replicas = list(replicas)
        self.seeds = tuple(seeds)
        self.workers = workers
        self.admin_lines = self.token = ""
        self.listener_tls = self.service_tls = ""
        """`tls = …`, where there is to be some."""
        self.process: subprocess.Popen[bytes] | None = None
        key_file = self.directory / "gossip.key"
        key_file.write_text(GOSSIP_KEY + "\n")
        key_file.chmod(0o600)
        self.write_config()

    @property
    def address(self) -> Address:
        """Where clients are served."""
        return _address(self.sockets.listener)

    @property
    def gossip_address(self) -> Address:
        """Where the other nodes reach this one."""
        return _address(self.sockets.gossip)

    @property
    def admin_address(self) -> Address:
        """Where the node is asked."""
        return _address(self.sockets.admin)

    def write_config(self, extra: str = "") -> None:
        """The configuration with today's replicas."""
        replicas = ",\n".join(f'  {{ address = "{address}", zone = "{zone}" }}' for address, zone in self.replicas)
        seeds = ", ".join(f'"{seed}"' for seed in self.seeds)
        gossip = f"""
[gossip]
bind = "{self.gossip_address}"
heartbeat_bind = "127.0.0.1:0"
seeds = [{seeds}]
key_file = "{self.directory}/gossip.key"
"""
        self.config.write_text(f"""
[node]
name = "{self.name}"
zone = "{self.zone}"
state_dir = "{self.directory}/state"
drain_timeout = "10s"
{gossip if self.seeds else ""}
[forwarder]
workers = {self.workers}
[[listener]]
bind = "{self.address}"
{self.listener_tls}
[[service]]
name = "app"
{self.service_tls}
hosts = ["*"]
health = {{ path = "/healthz", interval = "500ms", timeout = "500ms", fall = 3, rise = 1 }}
replicas = [
{replicas}
]
[admin]
bind = "{self.admin_address}"
{self.admin_lines}
[log]
access = "{self.directory}/access.log"
{extra}
""")

    def change_config(self, old: str, new: str) -> None:
        """Write something else in one place of the configuration. Raises AssertionError when that is not there once."""
        text = self.config.read_text()
        assert text.count(old) == 1, old
        self.config.write_text(text.replace(old, new))

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it."""
        sockets = self.sockets.all() if self.seeds else self.sockets.all()[:2]
        numbers = ",".join(str(each.fileno()) for each in sockets)
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    str(_ACTIVATE),
                    numbers,
                    sys.executable,
                    "-m",
                    "lbmesh",
                    "run",
                    "-c",
                    str(self.config),
                ],
                pass_fds=[each.fileno() for each in sockets],
                start_new_session=True,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> None:
        """Until readiness is reported."""
        assert self.process is not None
        process = self.process
        wait_for(lambda: process.poll() is not None or self.get("/readyz")[0] == 200, f"readiness of {self.name}")
        assert process.poll() is None, self.log_text()[-3000:]

    def get(self, path: str) -> tuple[int, bytes]:
        """One answer of the admin API; status 0 when nobody answers."""
        host, port = self.sockets.admin.getsockname()
        fields = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(f"http://{host}:{port}{path}", headers=fields)
        try:
            with urllib.request.urlopen(request, timeout=5.0) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def state(self) -> dict[str, Any]:
        """What the node believes; empty when it does not answer."""
        status, body = self.get("/v1/state")
        return json.loads(body) if status == 200 else {}

    def member_states(self) -> dict[str, str]:
        """Every balancer this node knows of and what it believes of it."""
        return {member["name"]: member["state"] for member in self.state().get("members", ())}

    def wait_member(self, name: str, state: str) -> None:
        """Until this node believes that of another."""
        wait_for(lambda: self.member_states().get(name) == state, f"{name} {state} at {self.name}")

    def wait_all_alive(self, names: Collection[str]) -> None:
        """Until this node sees all these alive, and nobody else."""
        expected = dict.fromkeys(names, "alive")
        wait_for(lambda: self.member_states() == expected, f"all alive at {self.name}")

    def wait_availability(self, address: Address, availability: str) -> None:
        """Until this node believes that of a replica."""
        wait_for(
            lambda: self.availability().get(str(address)) == availability, f"{address} {availability} at {self.name}"
        )

    def availability(self) -> dict[str, str]:
        """Every replica's address and whether it is up."""
        return {
            replica["address"]: replica["availability"]
            for service in self.state().get("services", ())
            for replica in service["replicas"]
        }

    def connections(self) -> dict[int, int]:
        """How many client connections each forwarder last said it holds; none as long as it has said nothing."""
        return {each["worker"]: each["connections"] or 0 for each in self.state().get("forwarders", ())}

    def log_text(self) -> str:
        """Everything the node's processes have logged."""
        path = self.directory / "log"
        return path.read_text() if path.exists() else ""

    def log_lines(self, event: str) -> list[dict[str, Any]]:
        """The log's lines with this event."""
        return [line for line in json_lines(self.directory / "log") if line["event"] == event]

    def access_lines(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return json_lines(self.directory / "access.log")

    def child_pid(self, child: str) -> int:
        """The process id of the "agent" or of "forwarder-0", as last started."""
        pids: list[int] = [line["pid"] for line in self.log_lines("child started") if line["child"] == child]
        return pids[-1]

    def reload(self) -> None:
        """Have it read its configuration again, and wait until that is taken."""
        assert self.process is not None
        before = len(self.log_lines("reloaded"))
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(self.log_lines("reloaded")) > before, f"a reload of {self.name}")

    def kill_agent(self) -> None:
        """SIGKILL to the agent, and wait until another answers."""
        agent = self.child_pid("agent")
        os.kill(agent, signal.SIGKILL)
        wait_for(lambda: self.child_pid("agent") != agent, f"another agent of {self.name}")
        self.wait_ready()

    def signal_all(self, signal_number: int) -> None:
        """To every process of the node at once, as the death or freeze of a machine would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal_number)

    def end(self) -> int:
        """Ask it to leave; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def clean_up(self) -> None:
        """Kill whatever still runs of it."""
        if self.process is not None and self.process.poll() is None:
            self.signal_all(signal.SIGCONT)
            self.signal_all(signal.SIGKILL)
            self.process.wait(30)
        self.sockets.close()


@contextmanager
def running_mesh(
    directory: Path,
    replicas: Sequence[tuple[Address, str]],
    *,
    size: int = 3,
    workers: int = 1,
    admin_lines: str = "",
    token: str = "",
) -> Iterator[tuple[Node, ...]]:
    """`size` nodes, one a zone, that have found each other and whose replicas are up."""
    nodes = tuple(
        Node(directory, f"lb-{zone}1", f"zone-{zone}", replicas, workers=workers) for zone in "abcdefg"[:size]
    )
    try:
        for node in nodes:
            node.admin_lines, node.token = admin_lines, token
            node.seeds = tuple(other.gossip_address for other in nodes if other is not node)
            node.write_config()
            node.launch()
        for node in nodes:
            node.wait_ready()
        for node in nodes:
            if size > 1:
                node.wait_all_alive([other.name for other in nodes])
            for address, _ in replicas:
                node.wait_availability(address, "up")
        yield nodes
    finally:
        for node in nodes:
            node.clean_up()


def _address(bound: socket.socket) -> Address:
    host, port = bound.getsockname()[:2]
    return Address(host, port)
