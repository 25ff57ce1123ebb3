"""The world as its hosts see it: the network, the names, the programs, a shell in the midst of it."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lbmesh_chaos.lab.client import LabClient, LabError
from lbmesh_chaos.lab.paths import log
from tests.support.labs import LBMESH, TWO_ZONES, get, lab_of, needs_lab

pytestmark = needs_lab

WORLD = f"""\
{TWO_ZONES}
[[zone]]
name = "zone-c"
balancers = ["lb-c1"]
[[host]]
name = "bare-c1"
zone = "zone-c"
[[program]]
name = "sleeper"
host = "bare-c1"
command = ["sh", "-c", "echo awake; exec sleep 1000"]
[[segment]]
name = "vips"
hosts = ["lb-a1", "lb-c1"]
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[LabClient]:
    """One for all these tests, which leave it as it is."""
    with lab_of(WORLD) as name, LabClient(name) as client:
        yield client


def shell(lab: LabClient, host: str, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (*LBMESH, "shell", "--name", lab.lab, host, *command), capture_output=True, text=True, check=False
    )


def test_a_request_goes_through_a_balancer_to_a_replica_in_another_zone(lab: LabClient) -> None:
    status, _ = get(lab, "client-a1", "http://shop.lab/healthz")
    assert status == 200
    requests = shell(lab, "app-b1", "ip", "-json", "-statistics", "link", "show", "eth0").stdout
    assert json.loads(requests)[0]["stats64"]["rx"]["packets"] > 0


def test_resolvers_know_the_service_and_the_hosts_and_nobody_else(lab: LabClient) -> None:
    source = (
        "import socket, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(*sorted(socket.gethostbyname_ex(name)[2]))\n"
        "    except OSError: print('unknown')\n"
    )
    names = ("shop.lab", "app-b1.lab", "nobody.lab", "example.com")
    status, said = lab.output("client-a1", (sys.executable, "-c", source, *names))
    assert status == 0
    assert said.splitlines() == ["10.1.1.1 10.3.1.1", "10.2.2.1", "unknown", "unknown"]


def test_a_host_has_its_own_name_and_its_own_address_alone(lab: LabClient) -> None:
    assert shell(lab, "client-a1", "hostname").stdout == "client-a1\n"
    addresses = shell(lab, "client-a1", "hostname", "--all-ip-addresses").stdout.split()
    assert [one for one in addresses if ":" not in one] == ["10.1.3.1"]
    assert socket.gethostname() != "client-a1"


def test_nothing_leads_out_of_the_lab(lab: LabClient) -> None:
    """The machine's own addresses, and the rest of the world: unreachable, said by the lab's own router."""
    for host in ("client-a1", "router-zone-a", "backbone"):
        links = json.loads(shell(lab, host, "ip", "-json", "link").stdout)
        assert not any("link_netnsid" not in link and link["ifname"] not in ("lo", "bridge") for link in links)
    with pytest.raises(LabError, match="unreachable"):
        lab.dial("client-a1", "192.0.2.1", 80)


def test_a_segment_joins_hosts_of_several_zones(lab: LabClient) -> None:
    source = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('10.201.0.1', 0));"
        "s.connect(('10.201.0.2', 7946)); print(s.getsockname()[0])"
    )
    assert lab.output("lb-a1", (sys.executable, "-c", source)) == (0, "10.201.0.1\n")
    neighbour = shell(lab, "lb-a1", "ip", "route", "get", "10.201.0.2").stdout
    assert "dev eth1" in neighbour


def test_programs_of_the_file_run_beside_those_of_the_role(lab: LabClient) -> None:
    programs = {host["name"]: [one["name"] for one in host["programs"]] for host in lab.state()["hosts"]}
    assert programs["lb-a1"] == ["lbmesh"]
    assert programs["app-b1"] == ["origin"]
    assert programs["bare-c1"] == ["sleeper"]
    assert (lab.root / str(log("bare-c1", "sleeper")).lstrip("/")).read_text() == "awake\n"


def test_an_operator_in_a_balancers_shell_asks_the_balancer(lab: LabClient) -> None:
    said = shell(lab, "lb-a1", sys.executable, "-m", "lbmesh", "status", "--json")
    assert json.loads(said.stdout)["node"]["name"] == "lb-a1"


def test_a_shell_gives_its_commands_status_on(lab: LabClient) -> None:
    assert shell(lab, "router-zone-a", "sh", "-c", "exit 9").returncode == 9
    assert shell(lab, "lb-a1", "no-such-command").returncode == 127
    wrong = shell(lab, "lb-a2", "true")
    assert wrong.returncode == 1
    assert 'write "lb-a1"' in wrong.stderr


def test_a_dialled_connection_comes_from_within_the_host(lab: LabClient) -> None:
    with lab.dial("lb-a1", "127.0.0.1", 9900) as admin:
        admin.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert admin.recv(4096).startswith(b"HTTP/1.1 200 ")
    with pytest.raises(LabError, match="refused"):
        lab.dial("client-a1", "127.0.0.1", 9900)


def test_a_program_ends_with_the_connection_that_started_it(lab: LabClient) -> None:
    command = (sys.executable, "-c", "import time; time.sleep(1000)")
    with LabClient(lab.lab) as other:
        pid = other.start("client-a1", command)
        assert (lab.root / f"proc/{pid}").exists()
    # Waits for the end of what that connection began: connections are ended one after the other.
    status, _ = lab.output(
        "client-a1", ("timeout", "60", "sh", "-c", f"while test -d /proc/{pid}; do sleep 0.01; done")
    )
    assert status == 0


def test_a_lab_as_it_was_made_has_no_residue(lab: LabClient) -> None:
    assert lab.residue() == []
