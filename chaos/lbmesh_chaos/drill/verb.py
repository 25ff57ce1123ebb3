"""`lbmesh drill FILE`: a chaos drill in a lab, and what clients lost."""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random, SystemRandom

from lbmesh_chaos.drill.aimed import intentions, run_aimed
from lbmesh_chaos.drill.aimed_load import AllowedLoad, allow
from lbmesh_chaos.drill.experiment_file import Drill, ExperimentError, read_drill, read_targets
from lbmesh_chaos.drill.run import DrillError, run
from lbmesh_chaos.lab.verbs import LAB_VARIABLE
from lbmesh_chaos.report.as_json import to_json
from lbmesh_chaos.report.as_text import coloured, plain, to_text
from lbmesh_chaos.report.page.page import to_page
from lbmesh_chaos.report.report import make_report
from lbmesh_chaos.report.verdict import Ruling
from lbmesh_chaos.toolkit.admin_target import AdminTarget
from lbmesh_chaos.toolkit.target_list import TargetList

EXIT_CODES = {Ruling.PASSED: 0, Ruling.FAILED: 1, Ruling.INCONCLUSIVE: 3}
"""2 is for what is refused before anything was touched."""
SEED_MAX = 2**32 - 1

_EPILOG = """\
FILE is an experiment of the Chaos Toolkit with our actions, as those in chaos/experiments; `chaos run FILE` runs it
too, in a lab that is up, without load and report. All of it is checked before anything is touched. Ctrl-C, a crash or
SIGKILL heal every fault.

Real nodes are aimed at only with --target LIST, which says what may be done to which of them; they must allow it
themselves ([admin] drills = true). What is about to be done is shown, and must be confirmed with the target's name.
The button: Ctrl-C, or from anywhere `lbmesh drill --abort --target LIST`, after which the nodes undo all and refuse
orders for ten minutes. Load is sent there only with --load RATE, within what the list's [load] allows: to the addresses
that it names, the requests that it gives.

exit codes: 0 passed, 1 failed, 2 refused or could not be run, 3 nothing can be said.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one drill; the exit code."""
    # What a shell starts in the background ignores SIGINT; the abort button, which sends it, is to work there as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    told = _parser().parse_args(arguments)
    log_to_stderr(quiet=told.quiet)
    try:
        targets = read_targets(told.target) if told.target else None
        if told.abort:
            return _abort(targets)
        if told.file is None:
            return _fail("lbmesh drill: which experiment? write its FILE")
        drill = read_drill(told.file, targets)
        load = _load(drill, targets, told.load)
        if told.check:
            return 0
        seed = SystemRandom().randrange(SEED_MAX) if told.seed is None else told.seed
        if targets is not None:
            refusal = _unconfirmed(intentions(drill, targets, load), targets, told)
            if refusal:
                return _fail(refusal)
            outcome = run_aimed(drill, targets, seed, load)
        elif os.geteuid() != 0:
            return _fail("lbmesh drill: needs root, as its lab does (see `lbmesh lab`); run it again with sudo")
        else:
            outcome = run(drill, seed, told.lab)
    except (ExperimentError, DrillError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        _fail("lbmesh drill: interrupted; every fault is healed")
        return 128 + signal.SIGINT
    report = make_report(outcome, Random(outcome.seed))
    if told.report:
        told.report.write_text(to_page(report))
    if told.json:
        print(json.dumps(to_json(report)))
    else:
        print(to_text(report, coloured if sys.stdout.isatty() else plain), end="")
    return EXIT_CODES[report.judged.ruling]


def _abort(targets: TargetList | None) -> int:
    """Press the button."""
    if targets is None:
        return _fail("lbmesh drill --abort: which one? write --target LIST; a drill in a lab ends with Ctrl-C")
    left = AdminTarget(targets, as_they_are=True).abort()
    print("every node that can be drilled undoes its faults, and refuses orders for ten minutes")
    return _fail(*left) if left else 0


def _load(drill: Drill, targets: TargetList | None, rate: float | None) -> AllowedLoad | None:
    """What was asked for, of what real hosts may get. Raises DrillError."""
    if rate is None:
        return None
    if targets is None:
        raise DrillError(
            "--load: is for real hosts; write --target LIST, too. In a lab the experiment says it: load: {rate: 500}"
        )
    return allow(targets, drill.extension.load, rate)


def _unconfirmed(intended: Sequence[str], targets: TargetList, told: argparse.Namespace) -> str:
    """Why the drill must not begin; "" when somebody wants it. `intended`: what it will do."""
    print(f"This drill strikes real hosts, those of {told.target}:", file=sys.stderr)
    print(*(f"  {line}" for line in intended), sep="\n", file=sys.stderr)
    print(f"To end it: Ctrl-C, or `lbmesh drill --abort --target {told.target}`.", file=sys.stderr)
    said = told.yes
    if said is None and sys.stdin.isatty():
        print(f'Write the target\'s name, "{targets.name}", to begin: ', end="", file=sys.stderr, flush=True)
        said = sys.stdin.readline().strip()
    if said == targets.name:
        return ""
    return f"lbmesh drill: not confirmed, nothing was touched; write --yes {targets.name}, or its name when asked"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lbmesh drill",
        description="Run a chaos drill in a lab under load, and say what clients lost.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="the experiment, in YAML or JSON")
    parser.add_argument(
        "--seed", metavar="N", type=int, help="of the load and the faults; default: a new one, reported"
    )
    parser.add_argument("--json", action="store_true", help="print the report as a JSON object")
    parser.add_argument("--report", metavar="PAGE", type=Path, help="write the report as an HTML page, too")
    parser.add_argument(
        "--lab",
        metavar="NAME",
        default=os.environ.get(LAB_VARIABLE, ""),
        help=f"a lab that is up; default: that of {LAB_VARIABLE}, or one for this drill alone",
    )
    parser.add_argument("--target", metavar="LIST", type=Path, help="aim at the real nodes of this safety list")
    parser.add_argument(
        "--load", metavar="RATE", type=float, help="send so many requests a second to the load addresses of --target"
    )
    parser.add_argument("--yes", metavar="NAME", help="confirm with the target's name, without being asked")
    parser.add_argument("--abort", action="store_true", help="end whatever drill runs at the nodes of --target")
    parser.add_argument("--check", action="store_true", help="only say what is wrong with the experiment")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not say on standard error what is going on")
    return parser


def log_to_stderr(*, quiet: bool) -> None:
    """What the Chaos Toolkit says goes to standard error: all of it, or errors alone."""
    log = logging.getLogger("chaostoolkit")
    log.handlers[:] = [logging.StreamHandler(sys.stderr)]
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    log.propagate = False


def _fail(*messages: str) -> int:
    with contextlib.suppress(OSError):
        print(*messages, sep="\n", file=sys.stderr)
    return 2
