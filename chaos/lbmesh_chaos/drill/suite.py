"""Many experiments one after the other, those of one world in one lab for as long as none leaves anything behind that
would be the next one's: one that did not pass, or a replica that was held for down, which is a step towards being held
back for flapping.

`python -m lbmesh_chaos.drill.suite DIRECTORY FILE…`. A page and a JSON object of each come into the directory, and a
table of all, which is printed too; of one that did not pass, the logs of all hosts as well, in NAME.logs. The exit code
is 1 when one failed or could not be run, else 3 when of one nothing can be said, else 0.
"""

import contextlib
import json
import logging
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, groupby
from pathlib import Path
from random import Random
from typing import Any

from lbmesh_chaos.drill.experiment_file import Drill, ExperimentError, read_drill
from lbmesh_chaos.drill.run import DrillError, run
from lbmesh_chaos.lab import paths
from lbmesh_chaos.lab.client import LabClient, NoLabError
from lbmesh_chaos.lab.start import StartError, start
from lbmesh_chaos.model.flow import Kind
from lbmesh_chaos.model.timeline import What
from lbmesh_chaos.model.world import Role
from lbmesh_chaos.report.as_json import to_json
from lbmesh_chaos.report.page.page import to_page
from lbmesh_chaos.report.report import make_report
from lbmesh_chaos.report.verdict import Ruling

SEED = 1
_HEAD = ("drill", "verdict", "sent", *map(str, Kind), "replayed", "twice", "void", "detect", "divert", "recover")


def main(arguments: Sequence[str]) -> int:
    """Run them; the exit code."""
    if len(arguments) < 2:
        print("usage: python -m lbmesh_chaos.drill.suite DIRECTORY FILE…", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("the drills need root, as their labs do; run them again with sudo", file=sys.stderr)
        return 2
    logging.getLogger("chaostoolkit").setLevel(logging.ERROR)
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    try:
        drills = [(Path(name), read_drill(Path(name))) for name in arguments[1:]]
    except ExperimentError as error:
        print(error, file=sys.stderr)
        return 2
    rows, verdicts, began_s = [_HEAD, ("---",) * len(_HEAD)], set(), time.monotonic()
    for file, found in _run_all(drills, directory):
        rows.append(_row(file.stem, found, directory))
        verdicts.add(rows[-1][1])
        print(" | ".join(rows[-1]), flush=True)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    table += f"\n\n{len(drills)} drills in {time.monotonic() - began_s:.0f} s.\n"
    (directory / "table.md").write_text(table)
    print(table, end="")
    return 0 if verdicts <= {"passed"} else 3 if verdicts <= {"passed", "inconclusive"} else 1


def _run_all(drills: Sequence[tuple[Path, Drill]], directory: Path) -> Iterator[tuple[Path, Mapping[str, Any] | str]]:
    """Each with its report, or with why there is none."""
    numbers = count(1)
    for _, group in groupby(sorted(drills, key=_world), key=_world):
        left = deque(group)
        while left:
            with _lab(left[0][1], next(numbers)) as lab:
                is_fit = True
                while left and is_fit:
                    file, drill = left.popleft()
                    found = _outcome(drill, lab, file)
                    is_fit = not isinstance(found, str) and _leaves_nothing(drill, found)
                    if isinstance(found, str) or found["verdict"] != str(Ruling.PASSED):
                        _keep_logs(lab, directory / f"{file.stem}.logs")
                    yield file, found


def _outcome(drill: Drill, lab: str, file: Path) -> Mapping[str, Any] | str:
    try:
        return _carried_out(drill, lab, file)
    except DrillError as error:
        return str(error)


def _keep_logs(lab: str, directory: Path) -> None:
    """What every program of the lab has written down so far, while there is a lab: they go with it, and say why a drill
    did not pass.
    """
    shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(NoLabError), LabClient(lab) as client:
        directory.mkdir()
        inside = client.root / paths.LAB.relative_to("/")
        for host in (inside / paths.host_dir("any").parent.relative_to(paths.LAB)).iterdir():
            shutil.copytree(host / "log", directory / host.name)
        for file in (paths.LOG, paths.EVENTS):
            shutil.copy(inside / file.relative_to(paths.LAB), directory)


def _leaves_nothing(drill: Drill, found: Mapping[str, Any]) -> bool:
    replicas = {host.name for host in drill.world.with_role(Role.REPLICA)}
    down = (str(What.AGREED), str(What.EJECTED))
    return found["verdict"] == str(Ruling.PASSED) and not any(
        event["what"] in down and event["subject"] in replicas for event in found["timeline"]
    )


def _world(one: tuple[Path, Drill]) -> str:
    return one[1].world_file


@contextmanager
def _lab(drill: Drill, number: int) -> Iterator[str]:
    """One that ends with us, however that is. Raises StartError."""
    # A name of its own: that of the one before is free only when the kernel has cleared it away.
    name = f"drills-{os.getpid()}-{number}"
    up = start(name, drill.world_text, drill.world_file, dies_with_us=True)
    try:
        yield name
    finally:
        up.holder.kill()
        up.holder.wait()


def _carried_out(drill: Drill, lab: str, file: Path) -> Mapping[str, Any]:
    began_s = time.monotonic()
    report = make_report(run(drill, SEED, lab), Random(SEED))
    return {**to_json(report), "page": to_page(report), "took_s": time.monotonic() - began_s, "file": str(file)}


def _row(name: str, found: Mapping[str, Any] | str, directory: Path) -> tuple[str, ...]:
    """Of a report, which is written down, too."""
    if isinstance(found, str):
        print(f"{name}: {found}", file=sys.stderr)
        return (name, "not run", *("",) * (len(_HEAD) - 2))
    (directory / f"{name}.html").write_text(found["page"])
    told = {key: value for key, value in found.items() if key != "page"}
    (directory / f"{name}.json").write_text(json.dumps(told, indent=1))
    for reason in found["reasons"]:
        print(f"{name}: {reason}", file=sys.stderr)
    total, by_kind = found["total"], found["by_kind"]
    return (
        name,
        found["verdict"],
        str(total["sent"]),
        *(_lost(by_kind.get(str(kind))) for kind in Kind),
        *(str(total[what]) for what in ("replayed", "duplicated", "void")),
        *(_longest(found["faults"], what) for what in ("detect_s", "divert_s", "recover_s")),
    )


def _lost(count: Mapping[str, Any] | None) -> str:
    """Lost, and unknown if there are any: "3 + 2"."""
    if count is None:
        return "–"
    return f"{count['lost']} + {count['unknown']}" if count["unknown"] else str(count["lost"])


def _longest(faults: Sequence[Mapping[str, Any]], what: str) -> str:
    """Of all faults of a drill, in seconds."""
    times = [one[what] for one in faults if one[what] is not None]
    return f"{max(times):.2f} s" if times else "–"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except StartError as error:
        sys.exit(f"no lab: {error}")
