"""What callers of `lbmesh.client` notice when one of three balancers dies under load.

`python -m tests.bench.client_losses [--rounds 5]`, as root: it runs in a network namespace of its own. All requests are
at the balancer that gets the fault. Each round is new processes and a new client. Milliseconds beyond the median of the
same round before the fault.
"""

import argparse
import contextlib
import os
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import trio

from lbmesh.client import AsyncMeshTransport, MeshTransport, Policy
from tests.support.plain_balancer import body_of

ADDRESSES = tuple(f"10.54.0.{number}:8080" for number in (1, 2, 3))
VICTIM = ADDRESSES[0]
URL = "http://shop.example.com/"
FAULTS = ("kill", "stop", "silent")
FLAVOURS = ("threads", "trio")
SERVICE_S = 0.02
EVERY_S = 0.01
BEFORE_S, AFTER_S = 1.5, 0.6
READ_TIMEOUT_S = 1.0
POLICY = Policy(spread=False)
KINDS = ("kept GET", "kept POST", "fresh GET", "fresh POST")
SHARE = {"kept GET": 1, "kept POST": 5, "fresh GET": 4, "fresh POST": 5}
"""One request of the kind in so many ticks."""


@dataclass(frozen=True, slots=True)
class Request:
    """When it began and ended, on the monotonic clock; what went wrong, "" when nothing did."""

    kind: str
    began: float
    ended: float
    failed: str
    is_mixed: bool


@contextlib.contextmanager
def balancers(directory: Path) -> Iterator[dict[str, "subprocess.Popen[bytes]"]]:
    """Three processes; what they have carried out is in the directory's files."""
    running = {}
    try:
        for address in ADDRESSES:
            log = directory / address
            command = [sys.executable, "-m", "tests.support.plain_balancer", address, str(SERVICE_S)]
            with log.open("wb") as output:
                running[address] = subprocess.Popen(command, stdout=output)
        while not all((directory / address).read_bytes().startswith(b"ready") for address in ADDRESSES):
            time.sleep(0.01)
        yield running
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def strike(fault: str, victim: "subprocess.Popen[bytes]") -> None:
    """Do it."""
    host = VICTIM.partition(":")[0]
    match fault:
        case "kill":
            victim.kill()
        case "stop":
            victim.send_signal(signal.SIGSTOP)
        case _:
            chain = "add table ip cut\nadd chain ip cut in { type filter hook input priority 0; }\n"
            rules = f"{chain}add rule ip cut in ip daddr {host} drop\nadd rule ip cut in ip saddr {host} drop\n"
            subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True)


def due(tick: int) -> list[str]:
    """The kinds of request that begin at this tick."""
    return [kind for kind in KINDS if tick % SHARE[kind] == 0]


class Load:
    """What was asked so far. The transports of fresh requests remember nothing."""

    def __init__(self) -> None:
        self.done: list[Request] = []
        self._context = ssl.create_default_context()
        self._number = 0

    def number(self) -> str:
        """Of the next request."""
        self._number += 1
        return str(self._number)

    def judge(self, kind: str, number: str, began: float, answer: httpx.Response | Exception) -> None:
        """Write it down."""
        ended = time.monotonic()
        if isinstance(answer, Exception):
            self.done.append(Request(kind, began, ended, str(answer) or repr(answer), False))
        else:
            failed = "" if answer.status_code == httpx.codes.OK else f"status {answer.status_code}"
            self.done.append(Request(kind, began, ended, failed, answer.content != body_of(number)))

    def threads(self, fault: str, victim: "subprocess.Popen[bytes]") -> float:
        """The round with MeshTransport; when the fault was."""
        timeout = httpx.Timeout(READ_TIMEOUT_S)
        kept = httpx.Client(transport=self._sync(), timeout=timeout)

        def ask(kind: str, number: str) -> None:
            began = time.monotonic()
            method = kind.split()[1]
            client = kept if kind.startswith("kept") else httpx.Client(transport=self._sync(), timeout=timeout)
            try:
                answer: httpx.Response | Exception = client.request(method, URL, headers={"X-Id": number})
            except httpx.HTTPError as error:
                answer = error
            self.judge(kind, number, began, answer)
            if client is not kept:
                client.close()

        at, began = 0.0, time.monotonic()
        with kept, ThreadPoolExecutor(64) as pool:
            for tick in range(int((BEFORE_S + AFTER_S) / EVERY_S)):
                time.sleep(max(0.0, began + tick * EVERY_S - time.monotonic()))
                if not at and tick * EVERY_S >= BEFORE_S:
                    strike(fault, victim)
                    at = time.monotonic()
                for kind in due(tick):
                    pool.submit(ask, kind, self.number())
        return at

    async def trio(self, fault: str, victim: "subprocess.Popen[bytes]") -> float:
        """The round with AsyncMeshTransport; when the fault was."""
        timeout = httpx.Timeout(READ_TIMEOUT_S)
        kept = httpx.AsyncClient(transport=self._async(), timeout=timeout)

        async def ask(kind: str, number: str) -> None:
            began = time.monotonic()
            method = kind.split()[1]
            client = kept if kind.startswith("kept") else httpx.AsyncClient(transport=self._async(), timeout=timeout)
            try:
                answer: httpx.Response | Exception = await client.request(method, URL, headers={"X-Id": number})
            except httpx.HTTPError as error:
                answer = error
            self.judge(kind, number, began, answer)
            if client is not kept:
                await client.aclose()

        at, began = 0.0, time.monotonic()
        async with kept, trio.open_nursery() as nursery:
            for tick in range(int((BEFORE_S + AFTER_S) / EVERY_S)):
                await trio.sleep(max(0.0, began + tick * EVERY_S - time.monotonic()))
                if not at and tick * EVERY_S >= BEFORE_S:
                    strike(fault, victim)
                    at = time.monotonic()
                for kind in due(tick):
                    nursery.start_soon(ask, kind, self.number())
        return at

    def _sync(self) -> MeshTransport:
        return MeshTransport(ADDRESSES, policy=POLICY, verify=self._context)

    def _async(self) -> AsyncMeshTransport:
        return AsyncMeshTransport(ADDRESSES, policy=POLICY, verify=self._context)


def carried_out_twice(directory: Path) -> int:
    """POSTs that more than one balancer, or one more than once, has carried out."""
    lines = [line for address in ADDRESSES for line in (directory / address).read_text().splitlines()]
    return sum(times > 1 for line, times in Counter(lines).items() if line.startswith("POST"))


@dataclass(slots=True)
class Row:
    """Of one fault, flavour and group of requests, over all rounds."""

    extra_ms: list[float]
    failed: int = 0
    mixed: int = 0


def group_of(request: Request, at: float) -> str | None:
    """Where a request belongs: in flight at the fault, or begun after it."""
    if request.began >= at:
        return f"{request.kind}, begun after"
    return f"{request.kind}, in flight" if request.ended >= at else None


def run(fault: str, flavour: str, rounds: int) -> tuple[dict[str, Row], int]:
    """The rows, and how many POSTs were carried out twice."""
    rows: dict[str, Row] = defaultdict(lambda: Row([]))
    twice = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as made:
            with balancers(Path(made)) as running:
                load = Load()
                victim = running[VICTIM]
                at = load.threads(fault, victim) if flavour == "threads" else trio.run(load.trio, fault, victim)
            subprocess.run(["nft", "flush", "ruleset"], check=True)
            twice += carried_out_twice(Path(made))
        usual = {
            kind: statistics.median(r.ended - r.began for r in load.done if r.kind == kind and r.ended < at)
            for kind in KINDS
        }
        for request in load.done:
            group = group_of(request, at)
            if group is None:
                continue
            row = rows[group]
            row.failed += bool(request.failed)
            row.mixed += request.is_mixed
            if not request.failed:
                row.extra_ms.append((request.ended - request.began - usual[request.kind]) * 1e3)
    return rows, twice


def main() -> None:
    """The table, in Markdown."""
    parser = argparse.ArgumentParser(description="What callers of lbmesh.client notice of a balancer's death")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        os.execvp(
            "unshare",
            ["unshare", "--net", sys.executable, "-m", "tests.bench.client_losses", *sys.argv[1:], "--inside"],
        )
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", f"{address.partition(':')[0]}/32", "dev", "lo"], check=True)
    print("| fault | client | requests | number | failed | extra ms, median / worst |\n|---|---|---|---|---|---|")
    for fault in FAULTS:
        for flavour in FLAVOURS:
            rows, twice = run(fault, flavour, arguments.rounds)
            for group, row in sorted(rows.items()):
                took = f"{statistics.median(row.extra_ms):.0f} / {max(row.extra_ms):.0f}" if row.extra_ms else "-"
                number = len(row.extra_ms) + row.failed
                print(f"| {fault} | {flavour} | {group} | {number} | {row.failed} | {took} |", flush=True)
            mixed = sum(row.mixed for row in rows.values())
            print(
                f"| {fault} | {flavour} | POSTs carried out twice: {twice}, mixed bodies: {mixed} | | | |", flush=True
            )


if __name__ == "__main__":
    main()
