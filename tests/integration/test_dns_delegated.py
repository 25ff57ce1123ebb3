"""The zone as the world reaches it: delegated to three nodes, asked by real resolvers, with one node silent."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.delegation import FRONTS, NAMES, SILENT

needs_network = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"),
    reason="needs root for a network of its own, and: apt-get install iproute2",
)

_UNSHARE = ("unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child")


def report(directory: Path, program: str) -> dict[str, Any]:
    """What `tests/support/delegation.py` prints."""
    command = (*_UNSHARE, sys.executable, "-m", "tests.support.delegation", str(directory), program)
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    logs = "".join(f"--- {log.name}\n{log.read_text()[-1500:]}" for log in sorted(directory.glob("*.log")))
    assert done.returncode == 0, done.stderr + logs
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@needs_network
@pytest.mark.parametrize(
    "program",
    [
        pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"needs: apt-get install {package}"))
        for name, package in (("unbound", "unbound"), ("named", "bind9"))
    ],
)
def test_with_one_of_three_servers_silent_every_name_resolves(program: str, tmp_path: Path) -> None:
    told = report(tmp_path, program)
    # How long they took is measured, and not judged, on whatever machine this is: docs/DNS.md has the figures.
    slow = sorted(each for each in told["silent_s"] if each > 0.2)
    print(
        f"{program}: {len(slow)} of {NAMES // 2} waited for the silent one, {slow}; front gone {told['withdrawn_s']} s"
    )
    assert len(told["silent_s"]) == NAMES // 2
    assert told["failed"] == 0
    assert told["left"] == sorted(address for zone, address in FRONTS.items() if zone != SILENT)
