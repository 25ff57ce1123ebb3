"""Of a node that may change addresses, the processes that speak with strangers may not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.json_lines import json_lines
from tests.support.segment import mesh, segment

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("setpriv"),
    reason="needs root, and: apt-get install iproute2 util-linux",
)

NET_ADMIN, NET_RAW, NET_BIND_SERVICE = 1 << 12, 1 << 13, 1 << 10
_DNS = """
[dns]
bind = "127.0.0.1:5353"
zone = "mesh.example.com"
[dns.name_servers]
"ns.mesh.example.com" = ["10.0.0.1"]
"""
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def capabilities(status: str) -> dict[str, int]:
    """The sets of a process, from /proc/PID/status."""
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return {name: int(lines[name], 16) for name in SETS}


def test_forwarders_and_the_name_server_cannot_change_the_network(tmp_path: Path) -> None:
    with segment(1) as place, mesh(place, tmp_path, ["10.0.0.100"], more=_DNS) as (node,):
        started = [line for line in json_lines(node.directory / "log") if line["event"] == "child started"]
        have = {one["child"]: capabilities(Path(f"/proc/{one['pid']}/status").read_text()) for one in started}
    agents = have.pop("agent")
    assert agents["CapEff"] & NET_ADMIN
    assert agents["CapEff"] & NET_RAW
    assert any("forwarder" in child for child in have)
    assert any("nameserver" in child for child in have)
    for child, sets in have.items():
        for name in SETS:
            assert not sets[name] & (NET_ADMIN | NET_RAW), (child, name)


def test_a_service_that_has_them_by_its_ambient_set_keeps_the_others() -> None:
    script = """
import subprocess
from lbmesh.sentinel.capabilities import without_network_capabilities
subprocess.run(["cat", "/proc/self/status"], preexec_fn=without_network_capabilities())
"""
    service = "+net_admin,+net_raw,+net_bind_service"
    as_service = ("setpriv", "--reuid=65534", "--clear-groups", f"--inh-caps={service}", f"--ambient-caps={service}")
    command = (*as_service, sys.executable, "-c", script)
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    sets = capabilities(said)
    for name in ("CapPrm", "CapEff", "CapAmb"):
        assert sets[name] == NET_BIND_SERVICE, name
