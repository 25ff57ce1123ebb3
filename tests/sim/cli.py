"""`python -m tests.sim`: random schedules, long runs, the marks and the mutants."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from secrets import randbelow
from typing import TypeVar

from tests.sim.schedules import SHAPES, Schedule, draw, run

T = TypeVar("T")
R = TypeVar("R")

HOUR_S = 3600.0
SLICE_S = 600.0
"""Long times are cut into schedules of this length, each with a seed of its own: they run on all cores, and any of
them replays in minutes."""

LONG = (("100", 60.0, 2), ("1000", 20.0, 1))
"""Shape, simulated seconds and number of schedules of the large meshes."""


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: all held; 1: something did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    one = verbs.add_parser("run", help="one random schedule")
    one.add_argument("--seed", type=int, help="which; chosen by chance and printed when left out")
    one.add_argument("--shape", choices=list(SHAPES), help="how many nodes; drawn from the seed when left out")
    one.add_argument("--seconds", type=float, default=SLICE_S, help="simulated seconds")
    one.set_defaults(run=_run)

    long = verbs.add_parser("long", help="a simulated day at 9 nodes, 100 and 1000 nodes, and the Lifeguard grid")
    long.add_argument("--hours", type=float, default=24.0, help="simulated hours at 9 nodes")
    long.add_argument("--seed", type=int, default=1000, help="the first seed")
    long.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    long.set_defaults(run=_long)

    options = parser.parse_args(arguments)
    return int(options.run(options))


def _run(options: argparse.Namespace) -> int:
    seed = randbelow(10**6) if options.seed is None else options.seed
    schedule = draw(seed, options.shape, options.seconds)
    print(schedule, flush=True)
    failure = attempt(schedule)
    print(failure or f"all invariants held; replay with `make sim SEED={seed}`")
    return 1 if failure else 0


def attempt(schedule: Schedule) -> str:
    """What went wrong in the schedule; empty when nothing did."""
    try:
        run(schedule)
    except AssertionError as error:
        return f"FAILED, {schedule}\n{error}"
    return ""


def _long(options: argparse.Namespace) -> int:
    slices = int(options.hours * HOUR_S / SLICE_S)
    schedules = [draw(options.seed + number, "9", SLICE_S, whole=number % 4 == 0) for number in range(slices)]
    schedules += [
        draw(options.seed + number, shape, seconds, whole=False)
        for shape, seconds, count in LONG
        for number in range(count)
    ]
    failures = [failure for failure in spread(attempt, schedules, options.processes) if failure]
    print("\n\n".join(failures))
    print(f"{len(schedules)} schedules, {len(failures)} failed")
    return 1 if failures else 0


def spread(work: Callable[[T], R], items: Iterable[T], processes: int) -> list[R]:
    """Do the work on several cores; results in the order of the items, progress on standard error."""
    items = list(items)
    results: list[R] = []
    with ProcessPoolExecutor(processes) as pool:
        for number, result in enumerate(pool.map(work, items), start=1):
            results.append(result)
            print(f"\r{number}/{len(items)}", end="" if number < len(items) else "\n", file=sys.stderr, flush=True)
    return results
