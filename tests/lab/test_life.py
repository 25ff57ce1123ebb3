"""A lab comes up in seconds and leaves nothing behind, whoever kills what of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lbmesh_chaos.lab.client import LabClient, NoLabError
from lbmesh_chaos.lab.start import StartError, labs, start
from tests.support import labs as support
from tests.support import proc
from tests.support.labs import (
    LBMESH,
    TWO_ZONES,
    await_end,
    end,
    fresh_name,
    held,
    lab_of,
    machine,
    namespaces_of,
    needs_lab,
    run_verb,
)

pytestmark = needs_lab


def test_the_verbs_bring_up_and_take_down_three_zones(capsys: pytest.CaptureFixture[str]) -> None:
    name, before = fresh_name(), machine()
    began_s = time.monotonic()
    came = run_verb("up", "three-zones", "--name", name)
    up_s = time.monotonic() - began_s
    assert came.returncode == 0, came.stdout + came.stderr
    try:
        with LabClient(name) as lab:
            first, theirs = lab.pid, namespaces_of(lab.pid)
        assert name in labs()
        assert machine() == before, "nothing of a lab is the machine's"
    finally:
        began_s = time.monotonic()
        went = run_verb("down", name)
    down_s = time.monotonic() - began_s
    assert went.returncode == 0, went.stderr
    assert not os.path.exists(f"/proc/{first}")
    assert theirs
    assert held(theirs) == set()
    assert machine() == before
    assert name not in labs()
    with capsys.disabled():
        print(f"\n{came.stdout.splitlines()[0]}; with its command {up_s:.2f} s; down in {down_s:.2f} s")


@pytest.mark.parametrize("whom", ["the first process", "who waits for it", "the starter"])
def test_whoever_is_killed_nothing_is_left(whom: str, tmp_path: Path) -> None:
    """SIGKILL, to which no code of ours can answer."""
    world, name, before = tmp_path / "world.toml", fresh_name(), machine()
    world.write_text(TWO_ZONES)
    starter = subprocess.Popen((*LBMESH, "run", str(world), "--name", name), stdout=subprocess.PIPE, text=True)
    try:
        assert starter.stdout is not None
        assert "is up" in starter.stdout.readline()
        with LabClient(name) as lab:
            first, theirs = lab.pid, namespaces_of(lab.pid)
            victims = {
                "the first process": first,
                "who waits for it": proc.stat(first).parent,
                "the starter": starter.pid,
            }
            os.kill(victims[whom], signal.SIGKILL)
            await_end(first)
            with pytest.raises(NoLabError):
                lab.state()
    finally:
        starter.kill()
        starter.wait()
        assert starter.stdout is not None
        starter.stdout.close()
    assert theirs
    assert held(theirs) == set()
    assert machine() == before
    assert name not in labs()


def test_a_lab_lives_for_as_long_as_its_command(tmp_path: Path) -> None:
    world, name = tmp_path / "world.toml", fresh_name()
    world.write_text(TWO_ZONES)
    inner = " ".join((*LBMESH, "shell", "lb-a1", "hostname"))
    done = run_verb("run", str(world), "--name", name, "--", "sh", "-c", f"echo $LBMESH_LAB; {inner}; exit 7")
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines() == [name, "lb-a1"]
    assert name not in labs()


def test_two_labs_with_the_same_addresses_do_not_meet() -> None:
    with lab_of() as one, lab_of() as other, LabClient(one) as first, LabClient(other) as second:
        assert first.state()["hosts"][-1]["address"] == second.state()["hosts"][-1]["address"]
        second.apply("kill", {"targets": ["app-b1"], "at_most": "1m"})
        assert support.get(first, "client-a1", "http://10.2.2.1:8080/healthz")[0] == 200
        assert support.get(second, "client-a1", "http://10.2.2.1:8080/healthz")[0] == 0


def test_a_name_is_one_labs() -> None:
    with lab_of() as name, pytest.raises(StartError, match=f'"{name}" is up.*lbmesh lab down {name}'):
        start(name, TWO_ZONES, "test.toml", dies_with_us=True)


def test_a_program_that_does_not_come_up_is_named_and_nothing_is_left() -> None:
    name, before = fresh_name(), machine()
    with pytest.raises(StartError, match=r"broken on lb-a1.*no-such-program"):
        end(
            start(
                name,
                f'{TWO_ZONES}[[program]]\nname = "broken"\nhost = "lb-a1"\ncommand = ["no-such-program"]\n',
                "test.toml",
                dies_with_us=True,
            )
        )
    assert name not in labs()
    assert machine() == before


def as_nobody(imports: str, source: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python code as the user nobody, who need not be able to read this checkout: what is imported is so before."""
    become = "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    command = (sys.executable, "-c", f"{imports}\n{become}\n{source}", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_nobody_but_root_is_told_what_it_takes() -> None:
    done = as_nobody("from lbmesh_chaos.lab.verbs import main", "sys.exit(main(['up', 'three-zones']))")
    assert done.returncode == 1
    assert "needs root" in done.stderr
    assert "sudo" in done.stderr


def test_a_lab_that_hangs_is_taken_down() -> None:
    with lab_of() as name:
        with LabClient(name) as lab:
            os.kill(lab.pid, signal.SIGSTOP)
        assert run_verb("down", name).returncode == 0
        assert name not in labs()


def test_a_lab_answers_root_alone() -> None:
    source = (
        "asking = socket.socket(socket.AF_UNIX)\n"
        "asking.connect(chr(0) + sys.argv[1])\n"
        "try:\n"
        '    asking.sendall(b\'{"do": "state"}\\n\')\n'
        "    print(len(asking.recv(99)))\n"
        "except OSError:\n"
        "    print(0)\n"
    )
    with lab_of() as name:
        assert as_nobody("import socket", source, f"lbmesh-lab/{name}").stdout == "0\n"
        with LabClient(name) as lab:
            assert lab.state()["faults"] == []
