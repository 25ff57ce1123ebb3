"""Three nodes that a parent zone delegates to, and a resolver before them, in a network of their own.

`unshare --net --pid --mount-proc --fork --kill-child python -m tests.support.delegation DIRECTORY unbound|named`
prints one JSON object: see `Report`. Name servers are asked at port 53, hence the network. All of it is on loopback.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rrset

ZONES = ("a", "b", "c")
NODES = {zone: f"10.53.0.{number}" for number, zone in enumerate(ZONES, 1)}
FRONTS = {zone: f"203.0.113.{number}" for number, zone in enumerate(ZONES, 1)}
PARENT, RESOLVER = "10.53.0.9", "10.53.0.10"
ZONE = "mesh.example.com"
NAMES = 160
"""Each is asked for once, so that no answer comes from the resolver's memory."""

PATIENCE_S = 20.0
SILENT = "c"


@dataclass(slots=True)
class Report:
    """`before_s`, `silent_s`: what each look-up took, with all name servers and with one silent. `failed`: look-ups
    without an answer then. `withdrawn_s`: from the silence to the first answer without the dead node's front. `left`:
    what was answered then.
    """

    before_s: list[float]
    silent_s: list[float]
    failed: int
    withdrawn_s: float
    left: list[str]


def node_config(
    directory: Path, zone: str, more: str, *, fronts: Mapping[str, str] = FRONTS, replica: str = "127.0.0.1:1"
) -> Path:
    """The configuration of a zone's node. `more`: what [dns] has besides the zone. `fronts`: by zone."""
    host = NODES[zone]
    own = directory / zone
    own.mkdir()
    key = own / "gossip.key"
    key.write_text("0f" * 32 + "\n")
    key.chmod(0o600)
    tables = "".join(
        f'[[front]]\naddress = "{fronts[each]}"\nzone = "zone-{each}"\ndriver = "none"\nhold_down = "1s"\n'
        for each in ZONES
    )
    servers = ", ".join(f'"ns-{each}.{ZONE}" = ["{NODES[each]}"]' for each in ZONES)
    config = own / "lbmesh.toml"
    config.write_text(f"""
[node]
name = "lb-{zone}1"
zone = "zone-{zone}"
state_dir = "{own}/state"
[gossip]
bind = "{host}:7946"
seeds = [{", ".join(f'"{each}:7946"' for each in NODES.values())}]
key_file = "{key}"
[forwarder]
workers = 1
[[listener]]
bind = "{host}:80"
[[service]]
name = "app"
hosts = ["*"]
health = false
replicas = [{{ address = "{replica}", zone = "zone-a" }}]
{tables}
[dns]
bind = "{host}:53"
zone = "{ZONE}"
ttl = "1s"
name_servers = {{ {servers} }}
{more}
[log]
access = "off"
""")
    return config


def resolver_command(directory: Path, program: str) -> list[str]:
    """The resolver, told where example.com is, and nothing of the zone below."""
    config = directory / f"{program}.conf"
    if program == "unbound":
        config.write_text(f"""
server:
  interface: {RESOLVER}
  access-control: 10.53.0.0/24 allow
  do-not-query-localhost: no
  do-ip6: no
  module-config: "iterator"
  directory: "{directory}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
stub-zone:
  name: "example.com"
  stub-addr: {PARENT}
remote-control:
  control-enable: no
""")
        return ["unbound", "-d", "-p", "-c", str(config)]
    config.write_text(f"""
options {{
  directory "{directory}"; pid-file none; session-keyfile "{directory}/session.key"; lock-file none;
  listen-on {{ {RESOLVER}; }}; listen-on-v6 {{ none; }};
  recursion yes; allow-query {{ any; }}; dnssec-validation no; empty-zones-enable no;
}};
controls {{ }};
zone "example.com" {{ type static-stub; server-addresses {{ {PARENT}; }}; }};
""")
    return ["named", "-4", "-g", "-n", "1", "-c", str(config)]


def parent(ear: socket.socket) -> None:
    """Be example.com's name server: all it knows is whom it delegated to."""
    while True:
        wire, source = ear.recvfrom(4096)
        query = dns.message.from_wire(wire)
        answer = dns.message.make_response(query)
        name = query.question[0].name.to_text().lower()
        if name == f"{ZONE}." or name.endswith(f".{ZONE}."):
            servers = [f"ns-{zone}.{ZONE}." for zone in ZONES]
            answer.authority.append(dns.rrset.from_text(f"{ZONE}.", 3600, "IN", "NS", *servers))
            answer.additional = [
                dns.rrset.from_text(server, 3600, "IN", "A", NODES[zone])
                for server, zone in zip(servers, ZONES, strict=True)
            ]
        else:
            answer.flags |= dns.flags.AA
            soa = "ns.example.com. root.example.com. 1 3600 600 86400 5"
            answer.authority.append(dns.rrset.from_text("example.com.", 3600, "IN", "SOA", soa))
        ear.sendto(answer.to_wire(), source)


def ask(name: str, host: str, timeout_s: float) -> list[str]:
    """The addresses of a name; none when there is no answer. Raises TimeoutError when nothing is said in time."""
    try:
        answer = dns.query.udp(dns.message.make_query(name, "A"), host, timeout=timeout_s)
    except dns.exception.Timeout as late:
        raise TimeoutError from late
    return sorted(str(record) for rrset in answer.answer for record in rrset)


def until(wanted: list[str], name: str, host: str) -> float:
    """Ask until this is answered; how long that took."""
    began = time.monotonic()
    found: list[str] = []
    while found != wanted:
        if time.monotonic() - began > PATIENCE_S:
            raise AssertionError(f"{host} says {found}, not {wanted}, for {PATIENCE_S:g} s")
        try:
            found = ask(name, host, 5.0)
        except TimeoutError:
            continue
        time.sleep(0.02)
    return time.monotonic() - began


def look_up(numbers: range) -> tuple[list[float], int]:
    """What each look-up took, and how many had no answer."""
    took, failed = [], 0
    for number in numbers:
        began = time.monotonic()
        try:
            failed += not ask(f"n{number}.{ZONE}", RESOLVER, PATIENCE_S)
        except TimeoutError:
            failed += 1
        took.append(round(time.monotonic() - began, 4))
    return took, failed


@contextmanager
def running(command: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process group of its own, which is killed at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def running_nodes(
    directory: Path, more: str, *, fronts: Mapping[str, str] = FRONTS, replica: str = "127.0.0.1:1"
) -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """One of each zone (`node_config`), that names all fronts."""
    with ExitStack() as stack:
        nodes = {}
        for zone in ZONES:
            config = node_config(directory, zone, more, fronts=fronts, replica=replica)
            command = [sys.executable, "-m", "lbmesh", "run", "-c", str(config)]
            nodes[zone] = stack.enter_context(running(command, directory / f"{zone}.log"))
        for host in NODES.values():
            until(sorted(fronts.values()), f"app.{ZONE}", host)
        yield nodes


def set_loopback(*more: str) -> None:
    """In a network that has nothing yet: the nodes' addresses, and some more."""
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    for host in (*NODES.values(), *more):
        subprocess.run(("ip", "address", "add", f"{host}/32", "dev", "lo"), check=True)


def main() -> None:
    """Run, and print the report."""
    directory, program = Path(sys.argv[1]), sys.argv[2]
    set_loopback(PARENT, RESOLVER)
    everything = sorted(FRONTS.values())
    answer = ", ".join(f'"{address}"' for address in everything)
    names = "[dns.names]\n" + "".join(f"n{number} = [{answer}]\n" for number in range(NAMES))
    with ExitStack() as stack:
        ear = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        ear.bind((PARENT, 53))
        threading.Thread(target=parent, args=(ear,), daemon=True).start()
        nodes = stack.enter_context(running_nodes(directory, names))
        stack.enter_context(running(resolver_command(directory, program), directory / "resolver.log"))
        until(everything, f"app.{ZONE}", RESOLVER)
        before_s, _ = look_up(range(NAMES // 2))
        os.killpg(nodes[SILENT].pid, signal.SIGSTOP)
        began = time.monotonic()
        left = sorted(address for zone, address in FRONTS.items() if zone != SILENT)
        until(left, f"app.{ZONE}", NODES["a"])
        withdrawn_s = time.monotonic() - began
        silent_s, failed = look_up(range(NAMES // 2, NAMES))
        until(left, f"app.{ZONE}", RESOLVER)
        print(json.dumps(asdict(Report(before_s, silent_s, failed, round(withdrawn_s, 3), left))))


if __name__ == "__main__":
    main()
