"""Queries a second that one core answers, and the processor time of each: lbmesh's nameserver beside BIND.

`python -m tests.bench.nameserver [--seconds 5] [--rounds 3]`, with Debian's dnsperf and bind9. The server has one core,
dnsperf another one, with 100 queries under way. Each server answers for the same zone, each round takes both.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from lbmesh.model.address import Address
from tests.support import proc
from tests.support.nodes import Node
from tests.support.wait import wait_for

HOST = "127.0.0.1"
ZONE = "mesh.example.com"
NAMES = 50
ADDRESSES = ("203.0.113.10", "203.0.113.20", "203.0.113.30")
SERVER_CORE, LOAD_CORE = 0, 1
IN_FLIGHT = 100

_PER_SECOND = re.compile(r"Queries per second:\s+([0-9.]+)")
_LOST = re.compile(r"Queries lost:\s+([0-9]+)")


@dataclass(frozen=True, slots=True)
class Server:
    """One that answers: its process, and its port."""

    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class Figure:
    """Of one run. `cpu_us`: of the server, for one query."""

    per_second: float
    cpu_us: float
    lost: int


@contextmanager
def lbmesh(directory: Path) -> Iterator[Server]:
    """A node's nameserver."""
    node = Node(directory, "lb-a1", "zone-a", [(Address(HOST, 1), "zone-a")])
    fronts = "".join(f'[[front]]\naddress = "{each}"\nzone = "zone-a"\ndriver = "none"\n' for each in ADDRESSES)
    everything = ", ".join(f'"{each}"' for each in ADDRESSES)
    names = "".join(f"n{number} = [{everything}]\n" for number in range(NAMES))
    node.write_config(f"""{fronts}
[dns]
bind = "{HOST}:0"
zone = "{ZONE}"
rate = 0
name_servers = {{ "ns.example.net" = [] }}
[dns.names]
{names}
""")
    try:
        node.start()
        (line,) = node.log_lines("node starts")
        yield Server(node.child_pid("nameserver"), int(line["dns"][0].rpartition(":")[2]))
    finally:
        node.clean_up()


@contextmanager
def bind(directory: Path) -> Iterator[Server]:
    """named with one thread, without a log of queries."""
    records = "".join(f"n{number} IN A {address}\n" for number in range(NAMES) for address in ADDRESSES)
    (directory / "zone").write_text(
        f"$TTL 5\n@ IN SOA ns.example.net. root.example.net. 1 1h 10m 1d 5\n@ IN NS ns.example.net.\n{records}"
    )
    port = free_port()
    config = directory / "named.conf"
    config.write_text(f"""
options {{
  directory "{directory}"; pid-file none; session-keyfile "{directory}/session.key"; lock-file none;
  listen-on port {port} {{ {HOST}; }}; listen-on-v6 {{ none; }};
  recursion no; minimal-responses yes; dnssec-validation no;
}};
controls {{ }};
zone "{ZONE}" {{ type primary; file "zone"; }};
""")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(["named", "-4", "-g", "-n", "1", "-c", str(config)], stdout=log, stderr=log)
    try:
        yield Server(process.pid, port)
    finally:
        process.kill()
        process.wait()


SERVERS = {"lbmesh": lbmesh, "BIND": bind}


def free_port() -> int:
    """A port that the kernel gives, for a program that cannot say which one it got."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def answers(server: Server) -> bool:
    """Does it answer from the zone?"""
    try:
        return bool(dns.query.udp(dns.message.make_query(f"n0.{ZONE}", "A"), HOST, 1.0, server.port).answer)
    except (dns.exception.DNSException, OSError):
        return False


def pin(pid: int) -> None:
    """All of its threads to the server's core."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {SERVER_CORE})


def cpu_s(pid: int) -> float:
    """What it has used so far."""
    found = proc.stat(pid)
    return (found.user + found.system) / os.sysconf("SC_CLK_TCK")


def run(server: Server, queries: Path, seconds: int) -> Figure:
    """One run of dnsperf."""
    before_s = cpu_s(server.pid)
    command = ["taskset", "-c", str(LOAD_CORE), "dnsperf", "-s", HOST, "-p", str(server.port), "-d", str(queries)]
    command += ["-c", "4", "-T", "1", "-q", str(IN_FLIGHT), "-l", str(seconds), "-e"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found, lost = _PER_SECOND.search(told), _LOST.search(told)
    assert found is not None
    assert lost is not None
    per_second = float(found[1])
    return Figure(per_second, (cpu_s(server.pid) - before_s) / (per_second * seconds) * 1e6, int(lost[1]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Queries a second, lbmesh beside BIND")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    missing = [program for program in ("dnsperf", "named", "taskset") if not shutil.which(program)]
    if missing:
        raise SystemExit(f"needs {', '.join(missing)}: apt-get install dnsperf bind9 util-linux")
    figures: dict[str, list[Figure]] = {name: [] for name in SERVERS}
    with tempfile.TemporaryDirectory(prefix="lbmesh-dns-") as directory:
        queries = Path(directory) / "queries"
        queries.write_text("".join(f"n{number}.{ZONE} A\n" for number in range(NAMES)))
        for number in range(arguments.rounds):
            for name, start in SERVERS.items():
                own = Path(directory) / f"{name}-{number}"
                own.mkdir()
                with start(own) as server:
                    wait_for(lambda one=server: answers(one), f"an answer of {name}")  # type: ignore[misc]
                    pin(server.pid)
                    time.sleep(0.2)
                    figures[name].append(run(server, queries, arguments.seconds))
    print("| name server, one core | queries/s | CPU µs/query | lost |\n|---|---|---|---|")
    for name, all_of in figures.items():
        per_second = statistics.median(one.per_second for one in all_of)
        cpu_us = statistics.median(one.cpu_us for one in all_of)
        print(f"| {name} | {per_second:,.0f} | {cpu_us:.1f} | {sum(one.lost for one in all_of)} |")


if __name__ == "__main__":
    main()
