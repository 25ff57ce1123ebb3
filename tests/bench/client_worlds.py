"""What the client's balancers are in the bench: three processes in their stead, or three real nodes and their origins.

In a network namespace of its own, with all addresses on its loopback.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ZONES = ("a", "b", "c")
HOSTS = tuple(f"10.54.0.{number}" for number in (1, 2, 3))
ADDRESSES = tuple(f"{host}:8080" for host in HOSTS)
ADMINS = tuple(f"127.0.0.1:{port}" for port in (9901, 9902, 9903))
ORIGINS = tuple(f"10.54.1.{number}:8081" for number in (1, 2, 3))
SERVICE_S = 0.02
PATIENCE_S = 60.0

CONFIG = """
[node]
name = "lb-{zone}1"
zone = "zone-{zone}"
state_dir = "{directory}/state"
[gossip]
bind = "{host}:7946"
heartbeat_bind = "{host}:7947"
seeds = [{seeds}]
key_file = "{directory}/gossip.key"
[forwarder]
workers = 1
[[listener]]
bind = "{host}:8080"
[[service]]
name = "shop"
hosts = ["*"]
health = {{ path = "/healthz", interval = "500ms", timeout = "500ms" }}
replicas = [{replicas}]
[admin]
bind = "{admin}"
[log]
access = "off"
"""


@dataclass(frozen=True, slots=True)
class World:
    """Three balancers at ADDRESSES. `victim`: the process group of the first; `logs`: what was carried out."""

    victim: int
    logs: Sequence[Path]

    def strike(self, fault: str) -> None:
        """Do it to the first."""
        match fault:
            case "kill":
                os.killpg(self.victim, signal.SIGKILL)
            case "stop":
                os.killpg(self.victim, signal.SIGSTOP)
            case "drain":
                os.kill(self.victim, signal.SIGTERM)
            case _:
                chain = "add table ip cut\nadd chain ip cut in { type filter hook input priority 0; }\n"
                rule = "add rule ip cut in ip {0} {1} drop\n"
                rules = chain + "".join(rule.format(end, HOSTS[0]) for end in ("daddr", "saddr"))
                subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True)

    def carried_out(self) -> list[str]:
        """A line for each request: its method and number."""
        return [line for log in self.logs for line in log.read_text().splitlines()]


Make = Callable[[Path], contextlib.AbstractContextManager[World]]


def make_addresses() -> None:
    """On the loopback of this process's namespace."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (*ADDRESSES, *ORIGINS):
        subprocess.run(["ip", "address", "add", f"{address.partition(':')[0]}/32", "dev", "lo"], check=True)


@contextlib.contextmanager
def stand_ins(directory: Path) -> Iterator[World]:
    """Each answers itself after SERVICE_S."""
    with _plain(directory, ADDRESSES) as running:
        yield World(running[0].pid, [directory / address for address in ADDRESSES])


@contextlib.contextmanager
def real_nodes(directory: Path) -> Iterator[World]:
    """`lbmesh run` three times, one a zone, before three origins that answer after SERVICE_S."""
    with _plain(directory, ORIGINS), _ended([_node(directory, number) for number in range(3)]) as nodes:
        for number, node in enumerate(nodes):
            _wait(
                partial(_is_whole, ADMINS[number], node, directory), f"whole mesh on http://{ADMINS[number]}/v1/state"
            )
        yield World(nodes[0].pid, [directory / address for address in ORIGINS])


@contextlib.contextmanager
def _plain(directory: Path, addresses: Sequence[str]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    processes = []
    for address in addresses:
        command = [sys.executable, "-m", "tests.support.plain_balancer", address, str(SERVICE_S)]
        with (directory / address).open("wb") as output:
            processes.append(subprocess.Popen(command, stdout=output, start_new_session=True))
    with _ended(processes):
        for address in addresses:
            _wait(partial(_is_ready, directory / address), f"start of {address}")
        yield processes


def _is_ready(log: Path) -> bool:
    return log.read_bytes().startswith(b"ready")


def _node(directory: Path, number: int) -> "subprocess.Popen[bytes]":
    own = directory / f"lb-{ZONES[number]}1"
    own.mkdir()
    key = own / "gossip.key"
    key.write_text("0f" * 32 + "\n")
    key.chmod(0o600)
    seeds = ", ".join(f'"{host}:7946"' for host in HOSTS if host != HOSTS[number])
    replicas = ", ".join(
        f'{{ address = "{address}", zone = "zone-{zone}" }}' for address, zone in zip(ORIGINS, ZONES, strict=True)
    )
    config = own / "lbmesh.toml"
    values = {"zone": ZONES[number], "host": HOSTS[number], "admin": ADMINS[number], "directory": own}
    config.write_text(CONFIG.format(**values, seeds=seeds, replicas=replicas))
    with (own / "log").open("wb") as log:
        command = [sys.executable, "-m", "lbmesh", "run", "-c", str(config)]
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _is_whole(admin: str, node: "subprocess.Popen[bytes]", directory: Path) -> bool:
    """The node sees three members alive and three replicas up. Raises RuntimeError, with logs, when it has ended."""
    if node.poll() is not None:
        raise RuntimeError("\n".join(log.read_text() for log in directory.glob("*/log")))
    try:
        with urllib.request.urlopen(f"http://{admin}/v1/state", timeout=2.0) as response:
            state = json.load(response)
    except OSError:
        return False
    alive = [one["state"] for one in state["members"]].count("alive")
    up = [one["availability"] for service in state["services"] for one in service["replicas"]].count("up")
    return bool(state["node"]["ready"]) and alive == up == len(ZONES)


@contextlib.contextmanager
def _ended(processes: list["subprocess.Popen[bytes]"]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """They are killed at the end, each with all that it has started."""
    try:
        yield processes
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} within {PATIENCE_S:g} s")
        time.sleep(0.05)
