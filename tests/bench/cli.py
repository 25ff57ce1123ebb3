"""`python -m tests.bench`: all parts of the data path's benchmark, or one of them by name; `gone`, `gossip`, `load`,
`origins` and `profile` beside it.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import bodies, gone, latency, memory, overload, profile, report, requests, scale, tls
from tests.bench.external import load_external
from tests.bench.gossip import cli as gossip
from tests.bench.load import WORKLOADS, Workload
from tests.bench.origins import running_origins
from tests.bench.processes import raise_file_limit
from tests.bench.proxies import VARIANTS
from tests.bench.rounds import Plan
from tests.bench.running import choose_cores, missing_for_all
from tests.bench.section import Report, Setting

_NAMES = "names, joined by commas"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its verb, which is its section of docs/BENCHMARKS.md too. `run` gets its own options as well."""

    name: str
    help: str
    run: Callable[[Setting, argparse.Namespace], Report]


PARTS = (
    Part("requests", "CPU per small GET", lambda setting, options: requests.run(setting, _request_plan(options))),
    Part("latency", "latency added at a fixed rate", lambda setting, _: latency.run(setting)),
    Part("bodies", "throughput of 1 MiB and 1 GiB", lambda setting, _: bodies.run(setting)),
    Part("overload", "goodput beyond saturation", lambda setting, _: overload.run(setting)),
    Part("scale", "a thousand routes, ten thousand replicas", lambda setting, _: scale.run(setting)),
    Part("tls", "TLS at the front: CPU per request and per handshake", lambda setting, _: tls.run(setting)),
    Part(
        "memory",
        "resident memory: idle connections and large bodies",
        lambda setting, options: memory.run(setting, options.connections, options.body_mib),
    ),
)


def main(arguments: Sequence[str]) -> int:
    """Exit status 0: all measured; 1: something was invalid or did not start; 2: something is missing."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raise_file_limit()
    if what := options.missing():
        print(f"Nothing can be measured: {what}", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="lbmesh-bench-") as directory:
            return int(options.run(options, Path(directory)))
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.set_defaults(run=lambda options, directory: _run(PARTS, options, directory), missing=missing_for_all)
    _part_options(parser)
    parser.set_defaults(**_ALL_PARTS)
    verbs = parser.add_subparsers(title="one part, or another measurement", metavar="VERB")
    for part in PARTS:
        verb = verbs.add_parser(part.name, help=part.help)
        _part_options(verb)
        verb.set_defaults(run=lambda options, directory, part=part: _run((part,), options, directory))
        if part.name == "requests":
            _request_options(verb)
        if part.name == "memory":
            verb.add_argument("--connections", type=int, default=memory.IDLE_CONNECTIONS, help="idle ones to hold")
            verb.add_argument("--body-mib", type=int, default=memory.BODY_MIB, help="size of the large bodies")

    backups = verbs.add_parser("gone", help="how soon a dead node is gone at its backups, under saturation")
    backups.add_argument("--quick", action="store_true", help="few deaths, half a minute of saturation")
    backups.add_argument("--kills", type=int, help="deaths of each kind (default 30)")
    backups.add_argument("--saturate", type=float, metavar="SECONDS", help="how long nothing dies (default 300)")
    backups.add_argument("--write", action="store_true", help="put the table into docs/BENCHMARKS.md")
    backups.set_defaults(run=_gone)

    where = verbs.add_parser("profile", help="where each microsecond of lbmesh's forwarder goes; needs py-spy")
    where.add_argument("--workload", type=_workloads, default=WORKLOADS, help=_NAMES)
    _part_options(where)
    found = Part(
        "profile", "where each microsecond goes", lambda setting, options: profile.run(setting, options.workload)
    )
    where.set_defaults(run=lambda options, directory: _run((found,), options, directory))

    running = verbs.add_parser("load", help="load a proxy that is running already")
    running.add_argument("--target", required=True, metavar="HOST:PORT")
    running.add_argument("--pid", type=_pids, required=True, metavar="PID[,PID]", help="whose CPU time counts")
    running.add_argument("--workload", type=_workloads, default=WORKLOADS, help=_NAMES)
    running.add_argument("--seconds", type=int, default=3)
    running.add_argument("--rounds", type=int, default=1)
    running.set_defaults(run=lambda options, _: load_external(options))

    alone = verbs.add_parser("origins", help="run the three origins until interrupted, for a proxy of one's own")
    alone.set_defaults(run=_origins)

    gossip.add_options(verbs.add_parser("gossip", help="membership beside serf's: crashes, faults, bytes and CPU"))
    return parser


_ALL_PARTS = {
    "rounds": None,
    "seconds": None,
    "workload": WORKLOADS,
    "json": None,
    "connections": memory.IDLE_CONNECTIONS,
    "body_mib": memory.BODY_MIB,
}
"""What the parts' own options are when all parts are run."""


def _part_options(parser: argparse.ArgumentParser) -> None:
    known = ", ".join(variant.name for variant in VARIANTS)
    parser.add_argument("--quick", action="store_true", help="one short round: figures that only tell that it works")
    parser.add_argument("--only", type=_names, default=(), help=f"{_NAMES}: {known}")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/BENCHMARKS.md")


def _request_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, help=f"rounds (default {requests.FULL.rounds})")
    parser.add_argument("--seconds", type=int, help=f"length of one window (default {requests.FULL.window_s})")
    parser.add_argument("--workload", type=_workloads, default=WORKLOADS, help=_NAMES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="every sample, for other programs")


def _request_plan(options: argparse.Namespace) -> requests.Wanted:
    preset = requests.QUICK if options.quick else requests.FULL
    plan = Plan(options.rounds or preset.rounds, options.seconds or preset.window_s)
    return requests.Wanted(options.workload, plan, options.json)


def _run(parts: Sequence[Part], options: argparse.Namespace, directory: Path) -> int:
    """Each part by itself: one that fails does not take the others with it."""
    valid = True
    for part in parts:
        place = directory / part.name
        place.mkdir()
        _say(f"{part.name}: {part.help}")
        began = time.monotonic()
        setting = Setting(place, choose_cores(), _say, options.quick, options.only)
        try:
            found = part.run(setting, options)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            if len(parts) == 1:
                raise
            found = Report(f"**Invalid**: {error}\n", valid=False)
        _say(f"{part.name} took {time.monotonic() - began:.0f} s")
        print(f"## {part.help[0].upper()}{part.help[1:]}\n\n{found.text}" if len(parts) > 1 else found.text, flush=True)
        if options.write:
            report.write_section(part.name, found.text)
        valid = valid and found.valid
    return int(not valid)


def _gone(options: argparse.Namespace, directory: Path) -> int:
    preset = gone.QUICK if options.quick else gone.FULL
    plan = gone.Plan(options.kills or preset.kills, options.saturate or preset.saturate_s)
    text, valid = gone.run(plan, directory, choose_cores(), _say)
    print(text)
    if options.write:
        report.write_section("gone", text)
    return int(not valid)


def _origins(_: argparse.Namespace, directory: Path) -> int:
    with (
        running_origins(directory, cpu=choose_cores().others) as origins,
        contextlib.suppress(KeyboardInterrupt),
    ):
        print("\n".join(f"127.0.0.1:{port}" for port in origins.ports), flush=True)
        while True:
            time.sleep(60)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _names(text: str) -> tuple[str, ...]:
    known = {variant.name for variant in VARIANTS}
    names = tuple(text.split(","))
    if unknown := set(names) - known:
        raise _unknown(unknown, known)
    return names


def _workloads(text: str) -> tuple[Workload, ...]:
    known = {workload.name: workload for workload in WORKLOADS}
    if unknown := set(text.split(",")) - known.keys():
        raise _unknown(unknown, known)
    return tuple(known[name] for name in text.split(","))


def _unknown(unknown: Iterable[str], known: Iterable[str]) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(
        f"unknown: {', '.join(sorted(unknown))}; write some of {', '.join(sorted(known))}"
    )


def _pids(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))
