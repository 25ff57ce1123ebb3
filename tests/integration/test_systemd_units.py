"""The units in deploy/systemd are understood by systemd, and give the service no more than it needs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
INSTALLED = "/opt/lbmesh/bin/lbmesh"

EXPOSURE_MAX = 20
"""In tenths of what `systemd-analyze security` calls exposure. Debian's haproxy has 96, its caddy 90, this one 17."""

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian package systemd)"
)


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units' files, with a program that exists in place of the installed one: verify looks for it."""
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace(INSTALLED, sys.executable))
    return [str(unit) for unit in sorted(tmp_path.iterdir())]


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def test_both_units_are_there(units: list[str]) -> None:
    assert [Path(unit).name for unit in units] == ["lbmesh.service", "lbmesh.socket"]


def test_systemd_understands_every_line(units: list[str]) -> None:
    verified = analyze("verify", *units)
    assert (verified.returncode, "lbmesh" in verified.stderr) == (0, False), verified.stderr


@pytest.mark.parametrize("name", ["vip.conf", "bgp.conf"])
def test_systemd_understands_the_drop_ins_for_fronts(units: list[str], name: str) -> None:
    drop_in = UNITS.parent / "drop-ins" / "lbmesh.service.d" / name
    directory = Path(units[0]).parent / "lbmesh.service.d"
    directory.mkdir()
    (directory / drop_in.name).write_text(drop_in.read_text())
    verified = analyze("verify", *units)
    assert (verified.returncode, name in verified.stderr) == (0, False), verified.stderr


def test_a_misspelt_key_would_be_found(units: list[str]) -> None:
    service = Path(units[0])
    service.write_text(service.read_text().replace("WatchdogSec=", "WatchDogSec="))
    assert "WatchDogSec" in analyze("verify", str(service)).stderr


def test_the_service_is_confined(units: list[str]) -> None:
    judged = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", units[0])
    assert judged.returncode == 0, judged.stdout
