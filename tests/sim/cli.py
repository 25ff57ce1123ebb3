"""`python -m tests.sim`: random schedules, long runs, the marks and the mutants."""

import argparse
import os
from collections.abc import Callable, Sequence
from secrets import randbelow

from tests.bench.report import machine, write_section
from tests.sim.marks import Effort, Table
from tests.sim.marks_detection import detection, healing
from tests.sim.marks_errors import false_downs, lifeguard_grid
from tests.sim.marks_traffic import probes, traffic
from tests.sim.mutants_run import run_all
from tests.sim.schedules import SHAPES, Schedule, draw, run
from tests.sim.spread import spread

HOUR_S = 3600.0
SLICE_S = 600.0
"""Long times are cut into schedules of this length, each with a seed of its own: they run on all cores, and any of
them replays in minutes."""

LONG = (("100", 60.0, 2), ("1000", 45.0, 1))
"""Shape, simulated seconds and number of schedules of the large meshes."""


SIZES = ("3", "9", "30", "100")
MARKS: dict[str, Callable[[Effort], Table]] = {
    "detection": detection,
    "healing": healing,
    "errors": false_downs,
    "lifeguard": lifeguard_grid,
    "traffic": traffic,
    "probes": probes,
}


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

    marks = verbs.add_parser("marks", help="what the mesh must reach, measured: tables and curves")
    marks.add_argument("--only", choices=list(MARKS), action="append", help="one of the tables; may be repeated")
    marks.add_argument("--quick", action="store_true", help="few repeats, small meshes: minutes instead of hours")
    marks.add_argument("--large", action="store_true", help="with 1000 nodes as well")
    marks.add_argument("--hours", type=float, default=24.0, help="simulated hours of the long run without false downs")
    marks.add_argument("--repeats", type=int, default=100, help="kills for each size")
    marks.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    marks.add_argument("--write", action="store_true", help="put the tables into docs/BENCHMARKS.md")
    marks.set_defaults(run=_marks)

    mutants = verbs.add_parser("mutants", help="take the safeguards out one by one: each time a test must fail")
    mutants.add_argument("--only", default="", metavar="TEXT", help="only those with this in their name")
    mutants.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    mutants.set_defaults(run=lambda options: min(1, run_all(options.only, options.processes)))

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
    grid = lifeguard_grid(Effort(1, 0.0, (), (), 0.0, options.processes))
    print(grid.render())
    return 1 if failures or any(figure.holds is False for figure in grid.figures) else 0


def _marks(options: argparse.Namespace) -> int:
    sizes = SIZES[:2] if options.quick else (*SIZES, "1000") if options.large else SIZES
    traffic_sizes = SIZES[:3] if options.quick else sizes
    effort = (
        Effort(10, 0.5, sizes, traffic_sizes, 0.25, options.processes)
        if options.quick
        else Effort(options.repeats, options.hours, sizes, traffic_sizes, 48.0, options.processes)
    )
    tables = [measure(effort) for name, measure in MARKS.items() if not options.only or name in options.only]
    where = f"Simulated on {machine()}; the figures are the simulated clock's, and do not depend on the machine."
    text = "\n\n".join([where, *(table.render() for table in tables)]) + "\n"
    print(text)
    if options.write:
        write_section("simulation", text)
    return int(any(figure.holds is False for table in tables for figure in table.figures))
