"""How long clients on one L2 miss a front when its holder fails, beside keepalived with HAProxy.

    python -m tests.bench.vip lbmesh kill --rounds 10        one system, one fault
    python -m tests.bench.vip series --systems lbmesh        kill 30, silent 30, stop 10, mute 5, deaf 5, gossip 5
    python -m tests.bench.vip lbmesh saturated --minutes 5   does the front stay, with all cores busy?

Three nodes on one bridge, fresh for each round; a client with requests at a steady rate, half of them over connections
of their own, half over kept ones. What was measured is kept in FILE, which a later call goes on with; the table is of
all that is in it. Needs root, iproute2, nftables, keepalived and haproxy.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.bench.vip import saturated
from tests.bench.vip.faults import FAULTS, WORDS
from tests.bench.vip.figures import figures
from tests.bench.vip.rounds import one_round
from tests.bench.vip.systems import SYSTEMS
from tests.bench.vip.table import keep, kept, table
from tests.bench.vip.words import RATE

SERIES = {"kill": 30, "silent": 30, "stop": 10, "mute": 5, "deaf": 5, "gossip": 5}
_KEPT = Path("build/bench-failover.jsonl")


def run(system: str, fault: str, rounds: int, path: Path) -> None:
    """So many rounds, written down one by one."""
    for number in range(1, rounds + 1):
        began_s = time.monotonic()
        seen = one_round(system, fault)
        for kind in RATE:
            one = figures(seen, kind)
            keep(path, fault, system, kind, one)
            print(
                f"{system} {fault} {number}/{rounds} {kind}: last error {one.last_error_ms:.0f} ms, "
                f"{one.hung} hung, both {one.both_answer_ms:.0f} ms",
                file=sys.stderr,
            )
        print(f"{time.monotonic() - began_s:.1f} s", file=sys.stderr, flush=True)


def series(systems: list[str], share: float, path: Path) -> None:
    """What is missing of the series, the smaller numbers first."""
    for fault, full in sorted(SERIES.items(), key=lambda one: one[1]):
        for system in systems:
            done = len(kept(path).get((fault, system, "fresh"), ()))
            run(system, fault, max(0, round(full * share) - done), path)


def main() -> None:
    """Measure, then print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.vip", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*SYSTEMS, "series", "table"])
    parser.add_argument("fault", nargs="?", choices=[*FAULTS, "saturated"], help=str(WORDS))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--share", type=float, default=1.0, help="of the series' rounds")
    parser.add_argument("--file", type=Path, default=_KEPT)
    order = parser.parse_args()
    if order.what == "series":
        series(order.systems, order.share, order.file)
    elif order.fault == "saturated":
        print(saturated.run(order.what, order.minutes * 60))
        return
    elif order.what != "table":
        if order.fault is None:
            parser.error(f"which fault? write one of {', '.join((*FAULTS, 'saturated'))} after {order.what}")
        run(order.what, order.fault, order.rounds, order.file)
    print(table(kept(order.file)), end="")


if __name__ == "__main__":
    main()
