"""A drill of hours: a fault a minute, drawn by the seed, and the availability that all of it supports.

    python -m lbmesh_chaos.drill.endurance build/six-nines [--requests 3000000] [--faults N] [--seed 1]

Each round is a drill with one fault. What came of it is a line in DIRECTORY/rounds.jsonl, written when the round is
over; so the run can be ended at any time with Ctrl-C, which reports what was done so far, and the same command goes on
with the next round. A round that was cut off counts for nothing and is done again.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

from lbmesh.config.values import duration_s
from lbmesh_chaos.drill.draws import Drawn, draw
from lbmesh_chaos.drill.experiment_file import Drill
from lbmesh_chaos.drill.run import DISTRIBUTION, DrillError, lab_of, opened, run_in
from lbmesh_chaos.drill.verb import log_to_stderr
from lbmesh_chaos.lab.client import LabClient, LabError, NoLabError
from lbmesh_chaos.lab.start import StartError
from lbmesh_chaos.lab.verbs import SHIPPED
from lbmesh_chaos.load.logs import LogError
from lbmesh_chaos.model.outcome import Marks
from lbmesh_chaos.model.world import World
from lbmesh_chaos.model.world_file import parse_world
from lbmesh_chaos.report.as_text import to_text as report_to_text
from lbmesh_chaos.report.endurance import Round, endurance, from_json, round_of, to_json, to_text
from lbmesh_chaos.report.report import make_report
from lbmesh_chaos.toolkit.check import CONTROL, check
from lbmesh_chaos.toolkit.extension import Extension, Load
from lbmesh_chaos.toolkit.target import RefusedError
from lbmesh_chaos.toolkit.whole import wait_until_whole

APART_S = 6.0
"""From the end of a round's load to the beginning of the next one's: logs are read, and clients start."""
TAIL_S = 3.0
"""Of the load, after which nothing is broken any more: what is under way must end."""
AILING_AGREE_S = 30.0
"""An ejection ends when its time is over, not with the heal: here 15 s for the last request to fail, and then 3 to 7.2.
"""
WHOLE_WITHIN_S = 330.0
"""Before a round. Replicas that were out three times in as many minutes are held back for up to HOLD_MAX_S, 300 s."""
WORLD = "three-zones"
_Failures = (RefusedError, LabError, NoLabError, StartError, LogError, DrillError)


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes two runs one: of another plan than the file's first line says, no round is added to it."""

    seed: int
    rate: float
    plain_share: float
    every_s: float
    world: str
    revision: str


class Book:
    """DIRECTORY/rounds.jsonl: the plan, then a line for each round that is over."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        """Raises DrillError when the file is of another plan, or is none."""
        directory.mkdir(parents=True, exist_ok=True)
        self.file = directory / "rounds.jsonl"
        self.rounds: list[Round] = []
        if not self.file.exists():
            self._append({"plan": asdict(plan)})
            return
        # A line that was not written to its end is that of a round which does not count.
        whole, _, rest = self.file.read_text().rpartition("\n")
        lines = whole.splitlines()
        try:
            found = Plan(**json.loads(lines[0])["plan"])
            self.rounds = [from_json(json.loads(line)) for line in lines[1:]]
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise DrillError(f"{self.file}: is no such book ({error!r}); name another directory") from error
        if found != plan:
            raise DrillError(f"{self.file}: is of {found}, and this is {plan}; name another directory")
        if rest:
            self.file.write_text(f"{whole}\n")

    def add(self, one: Round) -> None:
        """It is over."""
        self.rounds.append(one)
        self._append(to_json(one))

    def _append(self, line: dict[str, Any]) -> None:
        with self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def main(arguments: Sequence[str]) -> int:
    """Run, or go on; the exit code: 0 when all was done and held, 1 when something broke, 130 after Ctrl-C."""
    told = _parser().parse_args(arguments)
    log_to_stderr(quiet=True)
    began_s, interrupted = time.monotonic(), False
    try:
        plan = Plan(told.seed, told.rate, told.plain_share, told.every, WORLD, version(DISTRIBUTION))
        book = Book(told.directory, plan)
        if os.geteuid() != 0:
            raise DrillError("needs root, as its lab does; run it again with sudo")
        _rounds(book, plan, lambda: _is_enough(book.rounds, told))
    except KeyboardInterrupt:
        interrupted = True
    except _Failures as error:
        print(f"endurance: {error}", file=sys.stderr)
        return 2
    found = endurance(book.rounds, Random(plan.seed))
    text = to_text(found, told.requests, time.monotonic() - began_s)
    (told.directory / "report.txt").write_text(text)
    print(text, end="")
    if interrupted:
        print(f"interrupted; the same command goes on with round {len(book.rounds) + 1}", file=sys.stderr)
        return 130
    return 1 if found.broken else 0


def _is_enough(rounds: Sequence[Round], told: argparse.Namespace) -> bool:
    done = sum(one.mesh.sent for one in rounds if not one.open)
    return done >= told.requests or (told.faults is not None and len(rounds) >= told.faults)


def _rounds(book: Book, plan: Plan, is_enough: Callable[[], bool]) -> None:
    """Round after round in one lab. Raises what the lab raises."""
    if is_enough():
        return
    file = SHIPPED / f"{plan.world}.toml"
    text = file.read_text()
    world = parse_world(text, file=str(file))
    assert isinstance(world, World), "it is shipped"
    base = Drill({"title": "", "method": []}, Extension(plan.world), world, text, str(file))
    with lab_of(base, "") as lab:
        while not is_enough():
            number = len(book.rounds) + 1
            one = _round(base, plan, number, lab, book.file.parent)
            book.add(one)
            print(f"{number:5}  {one.sort:<28} {_cost(one)}", file=sys.stderr, flush=True)


def _round(base: Drill, plan: Plan, number: int, lab: str, directory: Path) -> Round:
    rng = Random(f"{plan.seed}-{number}")
    drawn = draw(rng, base.world)
    load = Load(plan.rate, max(plan.every_s - APART_S, 4.0), plain_share=plan.plain_share)
    calm_s = max(0.0, load.lasts_s - drawn.stands_s - load.lead_s - TAIL_S)
    load = replace(load, lead_s=round(min(load.lead_s, load.lasts_s / 4) + rng.uniform(0.0, calm_s / 2), 2))
    drawn = replace(drawn, stands_s=max(1.0, min(drawn.stands_s, load.lasts_s - load.lead_s - TAIL_S)))
    drill = replace(
        base,
        experiment=experiment_of(drawn, number),
        extension=Extension(plan.world, load=load, marks=marks_of(drawn)),
    )
    wrong = check(drill.experiment, drill.world)
    assert not wrong, wrong
    with opened(lab, plan.seed + number) as now, LabClient(lab) as client:
        wait_until_whole(now.target, WHOLE_WITHIN_S)
        report = make_report(run_in(drill, plan.seed + number, lab, now, client), rng)
    if report.outcome.aborted == "the experiment was interrupted":
        raise KeyboardInterrupt
    found = round_of(number, drawn.sort, report)
    if found.broken or found.open or found.idempotent.lost:
        (directory / f"round-{number}.txt").write_text(report_to_text(report))
    return found


def marks_of(drawn: Drawn) -> Marks:
    """What a round is asked for; what was lost counts in the end alone."""
    marks = Marks(mesh_lost_max=None)
    return replace(marks, agree_s=AILING_AGREE_S) if drawn.fault == "ailing" else marks


def experiment_of(drawn: Drawn, number: int) -> dict[str, Any]:
    """A round as an experiment."""
    label = f"round-{number}"

    def activity(kind: str, module: str, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        where = f"lbmesh_chaos.toolkit.{module}"
        provider = {"type": "python", "module": where, "func": function, "arguments": arguments}
        return {"type": kind, "name": function, "provider": provider}

    whole = activity("probe", "probes", "mesh_is_whole", {"within": "30s"})
    clean = activity("probe", "probes", "nothing_is_left", {})
    begin = activity("action", "actions", drawn.fault, {**drawn.arguments, "label": label})
    return {
        "title": f"round {number}: {drawn.sort}",
        "description": "one of many",
        "controls": [{"name": "lbmesh", "provider": {"type": "python", "module": CONTROL}}],
        "steady-state-hypothesis": {
            "title": "the mesh is whole, and nothing is left behind",
            "probes": [{**whole, "tolerance": True}, {**clean, "tolerance": True}],
        },
        "method": [
            {**begin, "pauses": {"after": drawn.stands_s}},
            activity("action", "actions", "heal", {"label": label}),
        ],
    }


def _cost(one: Round) -> str:
    lost = f"{one.idempotent.lost} idempotent lost of {one.idempotent.sent}, plain clients {one.plain.unanswered}"
    return f"{lost}{''.join(f'; {why}' for why in (*one.broken, *one.open))}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lbmesh_chaos.drill.endurance", description=__doc__.splitlines()[0])
    parser.add_argument("directory", metavar="DIRECTORY", type=Path, help="where the book of rounds and the report are")
    parser.add_argument("--requests", type=int, default=3_000_000, help="through lbmesh.client; default: 3 million")
    parser.add_argument("--faults", type=int, help="end after so many rounds, too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=600.0, help="requests a second, of all clients; default: 600")
    parser.add_argument("--plain-share", type=float, default=0.15, help="of them by plain clients; default: 0.15")
    parser.add_argument("--every", type=duration_s, default=60.0, metavar="60s", help="a fault")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
