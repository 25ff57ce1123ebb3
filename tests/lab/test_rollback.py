"""Whatever ends a drill, every fault is rolled back: Ctrl-C, SIGKILL, a crash of it, and the end of its own lab."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lbmesh_chaos.lab.client import LabClient, NoLabError
from lbmesh_chaos.lab.start import labs
from tests.lab.test_drill import CHAOS, DRILL, action, standing, write_experiment
from tests.support.labs import TWO_ZONES, await_end, held, lab_of, machine, namespaces_of, needs_lab
from tests.support.wait import wait_for

pytestmark = needs_lab

WITHIN_S = 90.0
FAULTS = (
    action("kill", 0, targets="lb-a1", part="forwarder", at_most="10m"),
    action("freeze", 0, targets="app-b1", at_most="10m"),
    action("cut", 0, targets="client-a1", at_most="10m"),
    action("latency", 0, targets="lb-a1", delay="20ms", at_most="10m"),
    action("bandwidth", 0, targets="client-a1", rate="1MiB/s", at_most="10m"),
    action("disk_full", 0, targets="lb-a1", at_most="10m"),
    action("config_poison", 0, targets="lb-a1", poison="unknown-key", at_most="10m"),
    action("ailing", 0, targets="app-b1", errors=0.5, at_most="10m"),
    action("dns_down", 300, refuses=False, at_most="10m"),
)
"""One of each thing that a fault can have in its hand, but the clock."""
LABELS = sorted(one["provider"]["func"] for one in FAULTS)
CRASHES = """
import sys
from lbmesh_chaos.toolkit.lab_target import LabTarget
from lbmesh_chaos.toolkit.session import Session
now = Session(LabTarget(sys.argv[1]))
now.apply("freeze", {"targets": "app-b1", "at_most": "10m"})
now.apply("cut", {"targets": "client-a1", "at_most": "10m"})
print("done", flush=True)
sys.stdin.readline()
raise RuntimeError("a bug of the drill's own")
"""


def until_healed(lab: LabClient) -> None:
    wait_for(lambda: standing(lab) == [], "lab without faults", WITHIN_S)
    assert lab.residue() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_drill_that_a_signal_ends_leaves_no_fault(tmp_path: Path, number: signal.Signals) -> None:
    """SIGINT to all of its group, as a terminal does; SIGSEGV is a crash that no code of its own hears of."""
    file = write_experiment(tmp_path, *FAULTS)
    with lab_of(TWO_ZONES) as name, LabClient(name) as lab:
        command = [*DRILL, str(file), "--lab", name]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as drill:
            wait_for(lambda: sorted(standing(lab)) == LABELS, "nine faults", WITHIN_S)
            assert lab.residue() != []
            (os.killpg if number is signal.SIGINT else os.kill)(drill.pid, number)
            assert drill.wait(WITHIN_S) != 0
        until_healed(lab)


def test_a_drill_that_raises_leaves_no_fault() -> None:
    with lab_of(TWO_ZONES) as name, LabClient(name) as lab:
        command = (sys.executable, "-c", CRASHES, name)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, text=True, **pipes) as drill:  # type: ignore[call-overload]
            assert drill.stdout.readline() == "done\n"
            assert sorted(standing(lab)) == ["cut", "freeze"]
            _, said = drill.communicate("\n")
        assert "RuntimeError: a bug of the drill's own" in said
        until_healed(lab)


def test_the_chaos_toolkit_killed_leaves_no_fault(tmp_path: Path) -> None:
    file = write_experiment(tmp_path, *FAULTS)
    with lab_of(TWO_ZONES) as name, LabClient(name) as lab:
        command = [*CHAOS, "--no-version-check", "run", str(file)]
        environment = {**os.environ, "LBMESH_LAB": name}
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as running:
            wait_for(lambda: sorted(standing(lab)) == LABELS, "nine faults", WITHIN_S)
            running.kill()
        until_healed(lab)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_drill_s_own_lab_goes_with_it(tmp_path: Path, number: signal.Signals) -> None:
    file, before, known = write_experiment(tmp_path, *FAULTS), machine(), set(labs())
    with subprocess.Popen([*DRILL, str(file)], stdout=subprocess.DEVNULL, start_new_session=True) as drill:
        name = wait_for(lambda: next(iter({*labs()} - known), None), "lab", WITHIN_S)
        with LabClient(_ready(name)) as lab:
            wait_for(lambda: sorted(standing(lab)) == LABELS, "nine faults", WITHIN_S)
            first, theirs = lab.pid, namespaces_of(lab.pid)
            os.kill(drill.pid, number)
            assert drill.wait(WITHIN_S) != 0
    await_end(first)
    assert theirs
    assert held(theirs) == set()
    assert machine() == before
    assert name not in labs()


def _ready(name: str) -> str:
    """Its name, once it can be connected to."""

    def connects() -> bool:
        try:
            LabClient(name).close()
        except NoLabError:
            return False
        return True

    wait_for(connects, f"answer of {name}", WITHIN_S)
    return name
