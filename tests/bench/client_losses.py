"""What callers of `lbmesh.client` notice when one of three balancers dies under load, or leaves.

`python -m tests.bench.client_losses [--real] [--rounds 5]`, as root: it runs in a network namespace of its own. The
balancers are three processes in their stead, or with `--real` three nodes of `lbmesh run`. All requests are at the one
that gets the fault. Each round is new processes and a new client. Milliseconds beyond the median of the same round
before the fault.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from tests.bench.client_load import FLAVOURS, KINDS, Load, Request
from tests.bench.client_worlds import ADDRESSES, Make, make_addresses, real_nodes, stand_ins

AFTER_S = {"kill": 0.6, "stop": 0.6, "silent": 0.6, "drain": 3.0}
"""How long the load goes on after each fault. A node that drains refuses new connections after a second only."""


@dataclass(slots=True)
class Row:
    """Of one fault, flavour and group of requests, over all rounds."""

    extra_ms: list[float]
    failed: int = 0
    mixed: int = 0


@dataclass(slots=True)
class Doubled:
    """Requests that were carried out more than once: POSTs ever, and GETs of all those before the fault."""

    posts: int = 0
    gets: int = 0
    gets_of: int = 0

    def count(self, lines: list[str], done: Sequence[Request], at: float) -> None:
        """One round more."""
        times = Counter(lines)
        well = [f"GET {request.number}" for request in done if request.kind.endswith("GET") and request.ended < at]
        self.posts += sum(number > 1 for line, number in times.items() if line.startswith("POST"))
        self.gets += sum(times[line] > 1 for line in well)
        self.gets_of += len(well)


def group_of(request: Request, at: float) -> str | None:
    """Where a request belongs: in flight at the fault, or begun after it."""
    if request.began >= at:
        return f"{request.kind}, begun after"
    return f"{request.kind}, in flight" if request.ended >= at else None


def run(make: Make, fault: str, flavour: str, rounds: int) -> tuple[dict[str, Row], Doubled]:
    """The rows, and what was carried out twice."""
    rows: dict[str, Row] = defaultdict(lambda: Row([]))
    doubled = Doubled()
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as made:
            with make(Path(made)) as world:
                load = Load(ADDRESSES, AFTER_S[fault])
                strike = partial(world.strike, fault)
                at = load.threads(strike) if flavour == "threads" else trio.run(load.trio, strike)
            subprocess.run(["nft", "flush", "ruleset"], check=True)
            doubled.count(world.carried_out(), load.done, at)
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
    return rows, doubled


def main() -> None:
    """The table, in Markdown."""
    parser = argparse.ArgumentParser(description="What callers of lbmesh.client notice of a balancer's death")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--real", action="store_true", help="three nodes of lbmesh run")
    parser.add_argument("--faults", nargs="+", choices=AFTER_S, help="all by default; only a real node drains")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        command = [sys.executable, "-m", "tests.bench.client_losses", *sys.argv[1:], "--inside"]
        os.execvp("unshare", ["unshare", "--net", *command])
    make_addresses()
    make = real_nodes if arguments.real else stand_ins
    print("| fault | client | requests | number | failed | extra ms, median / worst |\n|---|---|---|---|---|---|")
    for fault in arguments.faults or (AFTER_S if arguments.real else list(AFTER_S)[:3]):
        for flavour in FLAVOURS:
            rows, doubled = run(make, fault, flavour, arguments.rounds)
            for group, row in sorted(rows.items()):
                took = f"{statistics.median(row.extra_ms):.0f} / {max(row.extra_ms):.0f}" if row.extra_ms else "-"
                number = len(row.extra_ms) + row.failed
                print(f"| {fault} | {flavour} | {group} | {number} | {row.failed} | {took} |", flush=True)
            mixed = sum(row.mixed for row in rows.values())
            print(
                f"| {fault} | {flavour} | POSTs carried out twice: {doubled.posts}, mixed bodies: {mixed}, "
                f"GETs asked twice before: {doubled.gets} of {doubled.gets_of} | | | |",
                flush=True,
            )


if __name__ == "__main__":
    main()
