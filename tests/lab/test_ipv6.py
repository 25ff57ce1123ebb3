"""A lab of IPv6 addresses: names, balancers, replicas, faults and a drill over them."""

import json
import subprocess
import sys
from pathlib import Path

from lbmesh_chaos.lab.client import LabClient
from tests.lab.test_drill import DRILL, action, write_experiment
from tests.support.labs import TWO_ZONES, get, lab_of, needs_lab

pytestmark = needs_lab

WORLD = f"ipv6 = true\n{TWO_ZONES}"


def test_hosts_reach_each_other_by_address_and_by_name_until_they_are_cut_off() -> None:
    with lab_of(WORLD) as name, LabClient(name) as lab:
        addresses = {host["name"]: host["address"] for host in lab.state()["hosts"]}
        assert (addresses["lb-a1"], addresses["app-b1"]) == ("fd00::1:1:1", "fd00::2:2:1")
        by_name, by_address = "http://shop.lab/small/x-1", "http://[fd00::2:2:1]:8080/healthz"
        assert get(lab, "client-a1", by_name)[0] == 200
        assert get(lab, "client-a1", by_address)[0] == 200
        number = lab.apply("cut", {"targets": ["zone-b"], "at_most": "2m"})
        assert get(lab, "client-a1", by_address)[0] == 0
        assert lab.heal(number) == []
        assert get(lab, "client-a1", by_address)[0] == 200


def test_latency_is_felt_and_leaves_nothing() -> None:
    with lab_of(WORLD) as name, LabClient(name) as lab:
        lab.dial("lb-a1", "fd00::2:2:1", 8080).close()  # the first of all asks who has which address
        assert float(lab.output("lb-a1", (sys.executable, "-c", _CONNECT))[1]) < 0.1
        number = lab.apply("latency", {"targets": ["lb-a1"], "delay": "150ms", "at_most": "1m"})
        assert float(lab.output("lb-a1", (sys.executable, "-c", _CONNECT))[1]) >= 0.15
        assert any("routing rule" in line for line in lab.residue())
        assert any("interface chaos-relay" in line for line in lab.residue())
        assert lab.heal(number) == []
        assert float(lab.output("lb-a1", (sys.executable, "-c", _CONNECT))[1]) < 0.1


_CONNECT = """
import time, socket
at = time.monotonic()
socket.create_connection(("fd00::2:2:1", 8080))
print(time.monotonic() - at)
"""


def test_a_drill_over_ipv6(tmp_path: Path) -> None:
    file = write_experiment(
        tmp_path, action("kill", 2, targets="lb-a1", part="agent", at_most="30s"), action("heal", 1, label="kill")
    )
    (tmp_path / "two-zones.toml").write_text(WORLD)
    ran = subprocess.run([*DRILL, str(file), "--seed", "7", "--json"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout)["total"]["sent"] > 0
