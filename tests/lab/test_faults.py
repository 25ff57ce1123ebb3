"""Faults in a real lab: they bite, they are undone, and they leave nothing."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lbmesh_chaos.lab.client import LabClient, LabError
from tests.support.labs import TWO_ZONES, get, lab_of, needs_clocks, needs_lab

pytestmark = [needs_lab, needs_clocks]

WORLD = f"""\
clocks = ["lb-a1", "lb-c1"]
{TWO_ZONES}
[[zone]]
name = "zone-c"
balancers = ["lb-c1", "lb-c2"]
"""

EVERY: dict[str, dict[str, Any]] = {
    "kill": {"targets": ["zone-a"], "silent": True},
    "leave": {"targets": ["lb-a1"]},
    "freeze": {"targets": ["zone-a"]},
    "starve": {"targets": ["lb-a1"], "share": 0.2},
    "cut": {"targets": ["zone-a"]},
    "split": {"groups": [["zone-a"], ["zone-c"]]},
    "one_way": {"sources": ["zone-a"], "targets": ["zone-c"]},
    "half_connected": {"target": "lb-a1", "reaches": ["lb-c1"]},
    "lossy": {"targets": ["zone-a"], "loss": 0.3},
    "latency": {"targets": ["lb-a1"], "delay": "20ms"},
    "bandwidth": {"targets": ["lb-a1"], "rate": "1MiB/s"},
    "clock_jump": {"targets": ["lb-a1"], "offset": "+1h"},
    "disk_full": {"targets": ["lb-a1"]},
    "dns_down": {},
    "half_open": {"targets": ["lb-a1"]},
    "ailing": {"targets": ["app-b1"], "slow": "1s"},
    "config_poison": {"targets": ["lb-a1"], "poison": "empty"},
    "reload": {"targets": ["lb-a1"]},
}
HEALED_WITHIN_S = 60.0
"""Nothing takes that long, but a machine that has other things to do."""
SHOP = "http://10.1.1.1/healthz"


@pytest.fixture(scope="module")
def name() -> Iterator[str]:
    """One lab for all these tests: each leaves it as it was, or fails."""
    with lab_of(WORLD) as lab:
        yield lab


@pytest.fixture
def lab(name: str) -> Iterator[LabClient]:
    with LabClient(name) as client:
        yield client
        assert client.heal_all() == []


def story(name: str, *faults: int) -> list[dict[str, Any]]:
    """All that happened to these faults, once all of them are healed."""
    healed: set[int] = set()
    about = []
    with LabClient(name) as watching:
        watching.watch()
        while healed != set(faults):
            event = watching.next_event(HEALED_WITHIN_S)
            if event.get("fault") in faults:
                about.append(event)
                if event["event"] == "fault healed":
                    healed.add(event["fault"])
    return about


@pytest.mark.parametrize("fault", EVERY)
def test_every_fault_is_done_and_undone_without_residue(lab: LabClient, fault: str) -> None:
    number = lab.apply(fault, {**EVERY[fault], "at_most": "1m"})
    assert [one["fault"] for one in lab.state()["faults"]] == [number]
    assert lab.heal(number) == []
    assert lab.state()["faults"] == []
    assert lab.residue() == []


@pytest.mark.parametrize(
    "fault", ["kill", "freeze", "lossy", "bandwidth", "latency", "disk_full", "clock_jump", "ailing"]
)
def test_what_stands_is_seen_by_who_looks_for_residue(lab: LabClient, fault: str) -> None:
    """Or an undo that does nothing would pass for one that works."""
    lab.apply(fault, {**EVERY[fault], "at_most": "1m"})
    assert lab.residue() != []


def test_a_killed_balancer_refuses_and_serves_again_once_healed(lab: LabClient) -> None:
    assert get(lab, "client-a1", SHOP)[0] == 200
    number = lab.apply("kill", {"targets": ["lb-a1"], "at_most": "1m"})
    assert get(lab, "client-a1", SHOP) == (0, "<urlopen error [Errno 111] Connection refused>")
    assert lab.heal(number) == []
    assert get(lab, "client-a1", SHOP)[0] == 200


def test_a_cut_zone_is_silent_to_the_others_and_not_within(lab: LabClient) -> None:
    number = lab.apply("cut", {"targets": ["zone-b"], "at_most": "1m"})
    with pytest.raises(LabError, match="does not answer"):
        lab.dial("client-a1", "10.2.2.1", 8080)
    lab.dial("client-a1", "10.1.1.1", 80).close()
    assert lab.heal(number) == []
    lab.dial("client-a1", "10.2.2.1", 8080).close()


def test_latency_is_felt(lab: LabClient) -> None:
    source = (
        "import time, socket; at = time.monotonic(); socket.create_connection(('10.2.2.1', 8080));"
        "print(time.monotonic() - at)"
    )
    assert float(lab.output("lb-a1", (sys.executable, "-c", source))[1]) < 0.1
    lab.apply("latency", {"targets": ["lb-a1"], "delay": "150ms", "at_most": "1m"})
    assert float(lab.output("lb-a1", (sys.executable, "-c", source))[1]) >= 0.15


def test_the_clock_jumps_for_the_hosts_programs_and_monotonic_time_does_not(lab: LabClient) -> None:
    balancer = next(host for host in lab.state()["hosts"] if host["name"] == "lb-a1")["programs"][0]
    lab.apply("clock_jump", {"targets": ["lb-a1"], "offset": "+1h", "at_most": "1m"})
    _, said = lab.output("lb-a1", (sys.executable, "-c", _CLOCKS, str(balancer["pid"])))
    (true_wall_s, true_steady_s), (wall_s, steady_s) = (map(float, line.split()) for line in said.splitlines())
    assert 3500 < wall_s - true_wall_s < 3700
    assert abs(steady_s - true_steady_s) < 60


_CLOCKS = """
import subprocess, sys
environ = dict(line.split("=", 1) for line in open(f"/proc/{sys.argv[1]}/environ").read().split(chr(0)) if line)
for one in (None, environ):
    subprocess.run((sys.executable, "-c", "import time; print(time.time(), time.monotonic())"), env=one)
"""


def test_the_faults_of_who_is_gone_are_undone(name: str, lab: LabClient) -> None:
    source = (
        "import os, signal, sys\n"
        "from lbmesh_chaos.lab.client import LabClient\n"
        "lab = LabClient(sys.argv[1])\n"
        "first = lab.apply('freeze', {'targets': ['lb-a1'], 'at_most': '10m'})\n"
        "print(first, lab.apply('lossy', {'targets': ['zone-c'], 'loss': 0.5, 'at_most': '10m'}), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run((sys.executable, "-c", source, name), stdout=subprocess.PIPE, check=False)
    assert killed.returncode == -9
    healed = [one for one in story(name, *map(int, killed.stdout.split())) if one["event"] == "fault healed"]
    assert sorted((one["label"], one["residue"]) for one in healed) == [("freeze", []), ("lossy", [])]
    assert lab.residue() == []


def test_a_fault_whose_time_is_up_is_undone(lab: LabClient, name: str) -> None:
    number = lab.apply("freeze", {"targets": ["lb-a1"], "at_most": "200ms"})
    mine = story(name, number)
    assert [one["event"] for one in mine] == [
        "fault begins",
        "fault stands",
        "fault times out",
        "fault heals",
        "fault undone",
        "fault ready",
        "fault healed",
    ]
    assert mine[2]["at_s"] - mine[1]["at_s"] >= 0.19
    assert lab.residue() == []


def test_a_flapping_fault_comes_and_goes_until_it_is_healed(lab: LabClient, name: str) -> None:
    flapping = {"stands": "50ms", "rests": "50ms"}
    number = lab.apply("cut", {"targets": ["zone-c"], "at_most": "5m", "flapping": flapping})
    seen: list[str] = []
    with LabClient(name) as watching:
        watching.watch()
        while seen.count("fault stands") < 3:
            event = watching.next_event(HEALED_WITHIN_S)
            seen += [event["event"]] if event.get("fault") == number else []
    assert seen == ["fault begins", "fault stands", "fault rests", "fault stands", "fault rests", "fault stands"]
    assert lab.heal(number) == []
    assert story(name, number)[-1]["event"] == "fault healed"
    assert lab.residue() == []


def test_two_faults_may_not_have_the_same_in_hand(lab: LabClient) -> None:
    lab.apply("freeze", {"targets": ["lb-a1"], "at_most": "1m"})
    with pytest.raises(LabError, match=r"the fault \"freeze\" has the processes of lb-a1 in its hand"):
        lab.apply("kill", {"targets": ["lb-a1"], "at_most": "1m"})


def test_what_cannot_be_is_refused_before_anything_is_touched(lab: LabClient) -> None:
    with pytest.raises(LabError) as refused:
        lab.apply("freeze", {"targets": ["lb-a9"], "at_most": "soon", "speed": 3})
    assert len(str(refused.value).splitlines()) == 3
    assert lab.state()["faults"] == []


def test_a_clock_that_cannot_be_set_is_refused_before_the_others_are(lab: LabClient) -> None:
    with pytest.raises(LabError, match="the clock of lb-c2 cannot be set; write it into the world's clocks"):
        lab.apply("clock_jump", {"targets": ["lb-a1", "lb-c2"], "offset": "+1h", "at_most": "1m"})
    assert lab.residue() == []


def test_a_step_that_fails_has_those_before_it_undone(lab: LabClient) -> None:
    clock = lab.root / "run/lab/hosts/lb-c1/etc/clock"
    kept = clock.read_text()
    clock.unlink()
    try:
        with pytest.raises(LabError, match="the clock of lb-c1 cannot be set"):
            lab.apply("clock_jump", {"targets": ["lb-a1", "lb-c1"], "offset": "+1h", "at_most": "1m"})
    finally:
        clock.write_text(kept)
    assert lab.state()["faults"] == []
    assert lab.residue() == []
