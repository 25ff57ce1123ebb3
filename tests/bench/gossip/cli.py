"""`python -m tests.bench gossip`: options, and what must be here before anything starts."""

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

from lbmesh.dev.processes import adopting_orphans
from tests.bench.gossip import namespaces
from tests.bench.gossip.plan import FULL, QUICK, Plan, run
from tests.bench.gossip.report import report
from tests.bench.gossip.systems import SYSTEMS, System
from tests.bench.report import machine, write_section

MEASUREMENTS = ("rest", "crash", "faults")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    known = ", ".join(system.name for system in SYSTEMS)
    sizes = ",".join(map(str, FULL.sizes))
    parser.add_argument("--quick", action="store_true", help="small meshes, two kills, short faults: 2.5 minutes")
    parser.add_argument("--only", type=_systems, default=SYSTEMS, help=f"names, joined by commas: {known}")
    parser.add_argument("--sizes", type=_sizes, help=f"members of the meshes, joined by commas (default {sizes})")
    parser.add_argument("--repeats", type=int, help=f"kills at each size (default {FULL.repeats})")
    parser.add_argument("--measure", type=_measurements, default=MEASUREMENTS, help="some of rest,crash,faults")
    parser.add_argument("--faults-at", type=_sizes, help="sizes at which the network is broken, too (default 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every sample, for other programs")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/BENCHMARKS.md")
    parser.set_defaults(run=_run, missing=missing)


def missing() -> str | None:
    """What is needed before anything at all can be measured."""
    if os.geteuid() != 0:
        return "it makes network namespaces, which takes root: run it as root"
    absent = [package for program, package in (("ip", "iproute2"), ("nft", "nftables")) if not shutil.which(program)]
    return f"apt-get install {' '.join(absent)}" if absent else None


def _run(options: argparse.Namespace, directory: Path) -> int:
    skipped = {system.title: how for system in options.only if (how := system.missing())}
    systems = [system for system in options.only if system.title not in skipped]
    if not systems:
        raise RuntimeError(f"nothing to measure is here: {skipped}")
    if leftovers := namespaces.remove_leftovers():
        _say(f"removed what a run that was killed had left: {len(leftovers)} namespaces")
    plan = _plan(options)
    with adopting_orphans():
        samples = run(plan, systems, directory, _say)
    text = report(samples, plan, systems, machine(), skipped)
    print(text)
    if options.json:
        content = {"machine": machine(), "plan": asdict(plan), **asdict(samples)}
        options.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if options.write:
        write_section("gossip", text)
    return 0


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else FULL
    plan = replace(plan, sizes=options.sizes or plan.sizes, repeats=options.repeats or plan.repeats)
    plan = replace(plan, fault_sizes=options.faults_at or plan.fault_sizes)
    if "rest" not in options.measure:
        plan = replace(plan, rest_s=0)
    if "crash" not in options.measure:
        plan = replace(plan, repeats=0)
    if "faults" not in options.measure:
        plan = replace(plan, fault_sizes=())
    return plan


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _systems(text: str) -> tuple[System, ...]:
    known = {system.name: system for system in SYSTEMS}
    names = text.split(",")
    if unknown := set(names) - known.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; write some of {', '.join(known)}")
    return tuple(known[name] for name in names)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(map(int, text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError("write numbers, joined by commas: 3,10") from None
    if not all(2 <= size <= namespaces.NODES_MAX for size in sizes):
        raise argparse.ArgumentTypeError(f"a mesh has 2 to {namespaces.NODES_MAX} members here")
    return sizes


def _measurements(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(MEASUREMENTS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; write some of {', '.join(MEASUREMENTS)}")
    return names
