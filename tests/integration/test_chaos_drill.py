"""One short drill of the chaos lab, whole: a world comes up, a zone is cut off under load, and there is a verdict.

It asks for what must hold on any machine, however slow, and for no time. The rest is in tests/lab: `make test-lab`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbmesh_chaos.lab.start import labs
from tests.support.labs import machine, needs_lab
from tests.support.staging import activity

pytestmark = [needs_lab, pytest.mark.alone]

WORLD = """\
name = "short"
[[zone]]
name = "zone-a"
balancers = ["lb-a1"]
replicas = ["app-a1"]
clients = ["client-a1"]
[[zone]]
name = "zone-b"
balancers = ["lb-b1"]
replicas = ["app-b1"]
"""
MUST_HOLD = {
    "no request without a key carried out twice",
    "no bytes of one request in another",
    "no body damaged",
    "no good answer to what was not carried out",
    "nothing carried out that was not sent",
    "the steady state holds before and after",
    "no fault is healed by its dead man's timer",
    "every load process ends well",
}

EXPERIMENT = {
    "title": "a zone is cut off",
    "description": "for a second",
    # How much is lost depends on how slow the machine is; what is done twice or mixed up does not.
    "extensions": [
        {
            "name": "lbmesh",
            "world": "./short.toml",
            "load": {"rate": 40, "lasts": "5s", "lead": "1s"},
            "marks": {"mesh_lost_max": None, "agree_s": None, "void_share_max": 1},
        }
    ],
    "controls": [{"name": "lbmesh", "provider": {"type": "python", "module": "lbmesh_chaos.toolkit.control"}}],
    "steady-state-hypothesis": {
        "title": "the mesh is whole, and nothing is left behind",
        "probes": [
            {**activity("mesh_is_whole", "probes", within="60s"), "tolerance": True},
            {**activity("nothing_is_left", "probes"), "tolerance": True},
        ],
    },
    "method": [
        activity("cut", pause_s=1, targets="zone-b", at_most="10m"),
        activity("heal", label="cut"),
    ],
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory, before = tmp_path_factory.mktemp("drill"), machine()
    (directory / "short.toml").write_text(WORLD)
    file = directory / "short.yaml"
    file.write_text(yaml.safe_dump(EXPERIMENT))
    words = (sys.executable, "-P", "-m", "lbmesh", "drill", str(file), "--seed", "1", "--json")
    done = subprocess.run(
        [*words, "--report", str(directory / "page.html")], capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return {**report, "stderr": done.stderr, "page": directory / "page.html", "machine": (before, machine())}


def test_what_must_hold_holds(ran: dict[str, Any]) -> None:
    told = {one["name"]: (one["held"], one["detail"]) for one in ran["invariants"]}
    assert told.keys() >= MUST_HOLD, ran["stderr"]
    assert {name: told[name] for name in MUST_HOLD if told[name][0] is not True} == {}
    assert ran["drill"]["aborted"] == ""


def test_requests_were_sent_and_the_fault_stood_and_was_seen(ran: dict[str, Any]) -> None:
    assert ran["total"]["sent"] + ran["total"]["void"] == pytest.approx(200, abs=12)
    (cut,) = ran["faults"]
    assert (cut["label"], cut["zones"]) == ("cut", ["zone-b"])
    of_cut = [event["what"] for event in ran["timeline"] if event["subject"] == "cut"]
    assert of_cut[0] == "fault applied"
    assert "fault undone" in of_cut
    page: Path = ran["page"]
    assert "<svg" in page.read_text()


def test_nothing_is_left_behind(ran: dict[str, Any]) -> None:
    assert ran["residue"] == []
    before, after = ran["machine"]
    assert after == before
    assert not [name for name in labs() if name.startswith("drill-")]
