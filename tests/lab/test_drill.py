"""Drills in real labs: what they report, and that nothing of a fault outlives whoever ordered it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from lbmesh_chaos.lab.client import LabClient
from lbmesh_chaos.lab.start import labs
from tests.support.labs import TWO_ZONES, lab_of, needs_lab

pytestmark = needs_lab

DRILL = (sys.executable, "-P", "-m", "lbmesh", "drill")
CHAOS = (sys.executable, "-P", "-m", "chaostoolkit")
HOLDS = {"type": "probe", "name": "whole", "tolerance": True}


def action(function: str, pause_s: float, **arguments: Any) -> dict[str, Any]:
    provider = {
        "type": "python",
        "module": "lbmesh_chaos.toolkit.actions",
        "func": function,
        "arguments": arguments,
    }
    return {"type": "action", "name": function, "provider": provider, "pauses": {"after": pause_s}}


def probe(function: str, **arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": "lbmesh_chaos.toolkit.probes", "func": function, "arguments": arguments}
    return {**HOLDS, "name": function, "provider": provider}


def write_experiment(directory: Path, *method: dict[str, Any]) -> Path:
    (directory / "two-zones.toml").write_text(TWO_ZONES)
    extension = {
        "name": "lbmesh",
        "world": "./two-zones.toml",
        "load": {"rate": 40, "lasts": "9s", "lead": "1s"},
        "marks": {"plain_lost_max": 0},
    }
    whole = {
        "title": "a drill",
        "description": "of a test",
        "extensions": [extension],
        "controls": [{"name": "lbmesh", "provider": {"type": "python", "module": "lbmesh_chaos.toolkit.control"}}],
        "steady-state-hypothesis": {
            "title": "all is well",
            "probes": [probe("mesh_is_whole", within="20s"), probe("nothing_is_left")],
        },
        "method": list(method),
    }
    file = directory / "experiment.yaml"
    file.write_text(yaml.safe_dump(whole))
    return file


def standing(lab: LabClient) -> list[str]:
    return [one["label"] for one in lab.state()["faults"]]


def test_a_drill_counts_what_clients_sent_and_says_that_nothing_was_lost(tmp_path: Path) -> None:
    method = action("kill", 2, targets="lb-a1", part="agent", at_most="30s"), action("heal", 1, label="kill")
    file, page = write_experiment(tmp_path, *method), tmp_path / "page.html"
    ran = subprocess.run(
        [*DRILL, str(file), "--seed", "7", "--json", "--report", str(page)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads(ran.stdout)
    assert report["drill"]["seed"] == 7
    assert "<svg" in page.read_text()
    assert not [name for name in labs() if name.startswith("drill-")]


def test_the_chaos_toolkit_runs_an_experiment_by_itself(tmp_path: Path) -> None:
    file = write_experiment(tmp_path, action("cut", 1, targets="zone-b", at_most="30s"))
    with lab_of(TWO_ZONES) as name, LabClient(name) as lab:
        ran = subprocess.run(
            [*CHAOS, "run", str(file)],
            env={**os.environ, "LBMESH_LAB": name},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "fault stands" in (lab.root / "run/lab/events.jsonl").read_text(), ran.stdout + ran.stderr
        assert standing(lab) == []
        assert lab.residue() == []
    journal = json.loads((tmp_path / "journal.json").read_text())
    assert journal["status"] == "completed"


def test_the_chaos_toolkit_touches_nothing_when_something_is_wrong(tmp_path: Path) -> None:
    method = action("cut", 0, targets="zone-b", at_most="30s"), action("kill", 0, targets="app-b9", at_most="30s")
    file = write_experiment(tmp_path, *method)
    with lab_of(TWO_ZONES) as name, LabClient(name) as lab:
        ran = subprocess.run(
            [*CHAOS, "run", str(file)],
            env={**os.environ, "LBMESH_LAB": name},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode != 0
        assert '"app-b9"; write "app-b1"' in ran.stdout + ran.stderr
        assert "fault" not in (lab.root / "run/lab/events.jsonl").read_text()
