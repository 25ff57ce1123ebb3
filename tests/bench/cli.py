"""`python -m tests.bench`: the requests benchmark; `memory`, `gossip`, `profile` and `origins` beside it."""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.bench import gone, memory, report
from tests.bench.gossip import cli as gossip
from tests.bench.load import WORKLOADS, Workload
from tests.bench.origins import running_origins
from tests.bench.processes import raise_file_limit
from tests.bench.profile import profile
from tests.bench.proxies import VARIANTS, Variant
from tests.bench.rounds import Plan, run_rounds
from tests.bench.running import choose_cores, missing_for_all, running_all

FULL = Plan(rounds=5, window_s=3)
QUICK = Plan(rounds=1, window_s=2)

_NAMES = "names, joined by commas"


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
    parser.set_defaults(run=_requests, missing=missing_for_all)
    _request_options(parser)
    verbs = parser.add_subparsers(title="other measurements", metavar="VERB")

    idle = verbs.add_parser("memory", help="idle connections and large bodies: resident memory and throughput")
    idle.add_argument("--only", type=_names, default=("lbmesh", "haproxy"), help=_NAMES)
    idle.add_argument("--connections", type=int, default=memory.IDLE_CONNECTIONS, help="idle connections to hold")
    idle.add_argument("--body-mib", type=int, default=memory.BODY_MIB, help="size of the large bodies")
    idle.add_argument("--write", action="store_true", help="put the tables into docs/BENCHMARKS.md")
    idle.set_defaults(run=_memory)

    backups = verbs.add_parser("gone", help="how soon a dead node is gone at its backups, under saturation")
    backups.add_argument("--quick", action="store_true", help="few deaths, half a minute of saturation")
    backups.add_argument("--kills", type=int, help="deaths of each kind (default 30)")
    backups.add_argument("--saturate", type=float, metavar="SECONDS", help="how long nothing dies (default 300)")
    backups.add_argument("--write", action="store_true", help="put the table into docs/BENCHMARKS.md")
    backups.set_defaults(run=_gone)

    running = verbs.add_parser("profile", help="load a proxy that is running already")
    running.add_argument("--target", required=True, metavar="HOST:PORT")
    running.add_argument("--pid", type=_pids, required=True, metavar="PID[,PID]", help="whose CPU time counts")
    running.add_argument("--workload", type=_workloads, default=WORKLOADS, help=_NAMES)
    running.add_argument("--seconds", type=int, default=3)
    running.add_argument("--rounds", type=int, default=1)
    running.set_defaults(run=lambda options, _: profile(options))

    alone = verbs.add_parser("origins", help="run the three origins until interrupted, for a proxy of one's own")
    alone.set_defaults(run=_origins)

    gossip.add_options(verbs.add_parser("gossip", help="membership beside serf's: crashes, faults, bytes and CPU"))
    return parser


def _request_options(parser: argparse.ArgumentParser) -> None:
    known = ", ".join(variant.name for variant in VARIANTS)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK.rounds} round of {QUICK.window_s} s")
    parser.add_argument("--rounds", type=int, help=f"rounds (default {FULL.rounds})")
    parser.add_argument("--seconds", type=int, help=f"length of one window (default {FULL.window_s})")
    parser.add_argument("--only", type=_names, default=(), help=f"names, joined by commas: {known}")
    parser.add_argument("--workload", type=_workloads, default=WORKLOADS, help=_NAMES)
    parser.add_argument("--json", type=Path, metavar="FILE", help="every sample, for other programs")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/BENCHMARKS.md")


def _requests(options: argparse.Namespace, directory: Path) -> int:
    preset = QUICK if options.quick else FULL
    plan = Plan(options.rounds or preset.rounds, options.seconds or preset.window_s)
    cores = choose_cores()
    variants, skipped = _present(options.only)
    with running_all(variants, directory, cores) as (origins, proxies):
        samples = list(run_rounds(options.workload, proxies, origins, plan, cores, _say))
    by_name = {variant.name: variant for variant in variants}
    text = report.requests_report(samples, options.workload, by_name, plan, skipped)
    print(text)
    if options.json:
        report.write_json(options.json, samples, plan)
    if options.write:
        report.write_section("requests", text)
    return int(any(sample.invalid for sample in samples))


def _memory(options: argparse.Namespace, directory: Path) -> int:
    variants, skipped = _present(options.only)
    text, valid = memory.run(variants, directory, choose_cores(), options.connections, options.body_mib, _say)
    text += "".join(f"\nSkipped: {name}, which is missing ({how}).\n" for name, how in skipped.items())
    print(text)
    if options.write:
        report.write_section("memory", text)
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


def _present(only: Sequence[str]) -> tuple[tuple[Variant, ...], dict[str, str]]:
    """The variants asked for that this machine has; and the proxies it has not, with how to get them.

    Raises RuntimeError when it has none.
    """
    wanted = [variant for variant in VARIANTS if not only or variant.name in only]
    skipped = {variant.proxy.title: how for variant in wanted if (how := variant.proxy.missing())}
    present = tuple(variant for variant in wanted if variant.proxy.title not in skipped)
    if not present:
        raise RuntimeError(f"nothing to measure is here: {skipped}")
    return present, skipped


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
