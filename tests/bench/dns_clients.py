"""How long plain clients with nothing but DNS are without an answer when the balancer of their zone dies.

`python -m tests.bench.dns_clients [--write docs/DNS.md]`, as root: in a network and a mount namespace of its own.
Three real nodes, one a zone, are the name servers, too; they name the client's zone first. Then that one is killed (its
machine goes on and refuses), or nothing comes from it or to it any more. Each client is a real process, loaded before,
that asks for the first time at that moment; a second one does so when DNS has moved. Takes about three minutes, most of
them spent on waiting for clients that nobody told when to give up. requests and aiohttp are skipped where they are not
installed.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.delegation import NODES, ZONE, ZONES, ask, running_nodes, set_loopback, until

NAME = f"app.{ZONE}"
URL = f"http://{NAME}/"
DIED = "a"
FAULTS = ("refuses", "silent")
PATIENCE_S = 160.0
"""Longer than a TCP connect that nobody bounds (about 131 s on Linux)."""

NODE_PROGRAM = """
const http = require("http");
process.stdout.write("ready\\n");
process.stdin.once("data", () => {
  const began = process.hrtime.bigint();
  let errors = 0;
  const again = () => { errors++; setTimeout(once, 50); };
  const once = () => {
    http.get(process.argv[1], (answer) => {
      answer.resume();
      if (answer.statusCode !== 200) return again();
      console.log(Number(process.hrtime.bigint() - began) / 1e9, errors);
      process.exit(0);
    }).on("error", again);
  };
  once();
});
"""
CURL_PROGRAM = """
echo ready; read word; began=$(date +%s.%N); errors=0
until curl -sf -o /dev/null "$@"; do errors=$((errors + 1)); sleep 0.05; done
echo "$(echo "$(date +%s.%N) $began" | awk '{print $1 - $2}') $errors"
"""
CLIENTS: dict[str, str] = {
    "curl": "`--connect-timeout 5`, see the next line",
    "curl (5 s)": "goes on to the next address before it is over",
    "requests": "`timeout=(3.05, 10)`, see the next line",
    "requests (3.05 s)": "once for each address that is dead",
    "httpx": "`Timeout(10, connect=1)`, see the next line",
    "httpx (1 s)": "once for each address that is dead",
    "httpx async": "nothing (RFC 8305)",
    "aiohttp": "nothing (RFC 8305)",
    "Node": "nothing (from 20 on; `autoSelectFamily` before)",
    "lbmesh.client": "nothing",
    "lbmesh.client async": "nothing",
}
"""Each client, and what is to be set there."""


def command_of(client: str) -> list[str] | None:
    """None for a program that is missing."""
    match client:
        case "Node":
            return ["node", "-e", NODE_PROGRAM, URL] if shutil.which("node") else None
        case "curl" | "curl (5 s)":
            bound = [] if client == "curl" else ["--connect-timeout", "5"]
            return ["sh", "-c", CURL_PROGRAM, "curl", *bound, URL] if shutil.which("curl") else None
        case _:
            return [sys.executable, "-m", "tests.support.dns_caller", client, URL]


class Caller:
    """A client that is loaded and waits for the word."""

    def __init__(self, client: str) -> None:
        command = command_of(client)
        self._process = command and subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self.is_here = bool(self._process and self._process.stdout and self._process.stdout.readline() == "ready\n")

    def go(self) -> None:
        """Let it ask."""
        if self.is_here and self._process and self._process.stdin:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()

    def told(self, until_s: float) -> str:
        """What it took, as a cell of the table."""
        if not self.is_here or not self._process:
            return "not installed"
        try:
            output, _ = self._process.communicate(timeout=max(0.0, until_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.end()
            return f"over {PATIENCE_S:.0f} s"
        took, errors = output.split()
        number = int(errors)
        return f"{float(took):.2f} s" + (f", {number} error{'s' * (number > 1)}" if number else "")

    def end(self) -> None:
        """Whatever it does."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Origin(BaseHTTPRequestHandler):
    """The only replica."""

    def do_GET(self) -> None:
        """Says fine."""
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"fine")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def origin() -> Iterator[int]:
    """Its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def strike(fault: str, node: "subprocess.Popen[bytes]") -> None:
    """The node of the clients' zone dies."""
    if fault == "refuses":
        os.killpg(node.pid, signal.SIGKILL)
        return
    host = NODES[DIED]
    rules = "add table ip cut\nadd chain ip cut in { type filter hook input priority 0; }\n"
    rules += f"add rule ip cut in ip daddr {host} drop\nadd rule ip cut in ip saddr {host} drop\n"
    subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True)


def measure(directory: Path, fault: str, clients: Sequence[str]) -> tuple[dict[str, tuple[str, str]], float]:
    """By client: at the moment of the death, and when DNS has moved; and how long DNS took for that."""
    left = sorted(address for zone, address in NODES.items() if zone != DIED)
    with ExitStack() as stack:
        origin_port = stack.enter_context(origin())
        stack.callback(subprocess.run, ["nft", "flush", "ruleset"], check=True)
        clients_of = f'[dns.clients]\nzone-{DIED} = ["10.53.0.0/24"]'
        replica = f"127.0.0.1:{origin_port}"
        nodes = stack.enter_context(running_nodes(directory, clients_of, fronts=NODES, replica=replica))
        callers = {(client, late): Caller(client) for late in (False, True) for client in clients}
        for caller in callers.values():
            stack.callback(caller.end)
        assert ask(NAME, NODES["b"], 5.0)[0] == NODES[DIED]
        strike(fault, nodes[DIED])
        began = time.monotonic()
        for (_, late), caller in callers.items():
            if not late:
                caller.go()
        until(left, NAME, NODES["b"])
        moved_s = time.monotonic() - began
        time.sleep(2.0)  # the others have had their share of the processors by now
        for (_, late), caller in callers.items():
            if late:
                caller.go()
        told = {key: caller.told(began + PATIENCE_S) for key, caller in callers.items()}
    return {client: (told[client, False], told[client, True]) for client in clients}, moved_s


def inside(mark: Sequence[str]) -> None:
    """Be in namespaces of our own, with the surviving nodes as resolvers."""
    if "--inside" not in mark:
        command = [sys.executable, "-m", "tests.bench.dns_clients", *mark, "--inside"]
        os.execvp("unshare", ["unshare", "--net", "--mount", *command])
    set_loopback()


def table(results: dict[str, tuple[dict[str, tuple[str, str]], float]]) -> str:
    """In Markdown."""
    lines = [
        "| client | refuses: at once | when DNS has moved | silent: at once | when DNS has moved | to be set |",
        "|---|---|---|---|---|---|",
    ]
    for client, advice in CLIENTS.items():
        cells = [cell for fault in FAULTS for cell in results[fault][0][client]]
        lines.append(f"| {client} | {' | '.join(cells)} | {advice} |")
    moved = ", ".join(f"{results[fault][1]:.2f} s ({fault})" for fault in FAULTS)
    return "\n".join([*lines, "", f"DNS had moved after {moved}."])


def write(table: str, path: Path) -> None:
    """Between the marks in a document."""
    begin, end = "<!-- dns_clients -->", "<!-- /dns_clients -->"
    text = path.read_text()
    changed = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{table}\n{end}", text, flags=re.DOTALL)
    assert begin in text, f"{path} has no {begin}"
    path.write_text(changed)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="How long plain clients wait when their zone's balancer dies")
    parser.add_argument("--write", type=Path, help="the document whose table is to be replaced")
    parser.add_argument("--client", action="append", choices=list(CLIENTS), help="only these")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    inside(sys.argv[1:])
    clients = arguments.client or list(CLIENTS)
    results = {}
    with tempfile.TemporaryDirectory() as made:
        resolvers = Path(made) / "resolv.conf"
        resolvers.write_text("".join(f"nameserver {NODES[zone]}\n" for zone in ZONES if zone != DIED))
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "--bind", str(resolvers), "/etc/resolv.conf"], check=True)
        for fault in FAULTS:
            directory = Path(made) / fault
            directory.mkdir()
            results[fault] = measure(directory, fault, clients)
            print(fault, *results[fault], sep="\n", flush=True)
    if not arguments.client:
        print(table(results))
        if arguments.write:
            write(table(results), arguments.write)


if __name__ == "__main__":
    main()
