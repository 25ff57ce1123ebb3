"""The drill of hours, for three faults: it writes down each round, ends when told, and goes on where it was."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from lbmesh_chaos.lab.start import labs
from tests.support.labs import needs_lab
from tests.support.wait import wait_for

pytestmark = needs_lab

COMMAND = (sys.executable, "-P", "-m", "lbmesh_chaos.drill.endurance")
SMALL = ("--rate", "60", "--every", "16s", "--seed", "3")


def run(directory: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, str(directory), *SMALL, *words], capture_output=True, text=True, check=False)


def rounds(directory: Path) -> list[dict[str, object]]:
    file = directory / "rounds.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()[1:]] if file.exists() else []


def test_rounds_are_written_down_and_the_run_goes_on_where_it_was(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, str(tmp_path), *SMALL, "--faults", "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as first:
        wait_for(lambda: rounds(tmp_path), "first round", 150.0)
        first.send_signal(signal.SIGINT)
        said, why = first.communicate()
    assert first.returncode == 130, why
    assert said.startswith(f"{len(_judged(tmp_path))} faults, ")
    done = rounds(tmp_path)
    assert not [name for name in labs() if name.startswith("drill-")]
    second = run(tmp_path, "--faults", "3")
    assert second.returncode in (0, 1), second.stderr
    assert rounds(tmp_path)[: len(done)] == done
    assert [one["number"] for one in rounds(tmp_path)] == [1, 2, 3]
    assert "of 3\u202f000\u202f000 requests through lbmesh.client" in second.stdout
    assert (tmp_path / "report.txt").read_text() == second.stdout
    broken = [line for one in _judged(tmp_path) for line in one["broken"]]  # type: ignore[attr-defined]
    assert not [line for line in broken if "twice" in line or "bytes" in line or "left behind" in line]
    other = run(tmp_path, "--faults", "3", "--seed", "4")
    assert other.returncode == 2
    assert "name another directory" in other.stderr


def _judged(directory: Path) -> list[dict[str, object]]:
    return [one for one in rounds(directory) if not one["open"]]
