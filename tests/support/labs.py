"""Real labs for tests: a small world, what a lab has of the kernel, and how to see that none of it is left."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from lbmesh_chaos.lab.client import LabClient
from lbmesh_chaos.lab.clocks import PACKAGE, library
from lbmesh_chaos.lab.start import Up, start

needs_lab = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "tc", "nft", "unshare", "nsenter"))),
    reason="needs root, and: apt-get install iproute2 nftables",
)

needs_clocks = pytest.mark.skipif(library() is None, reason=f"needs: apt-get install {PACKAGE}")

THREE_ZONES = (Path(__file__).parents[2] / "chaos/worlds/three-zones.toml").read_text()
TWO_ZONES = """\
name = "two-zones"
[[zone]]
name = "zone-a"
balancers = ["lb-a1"]
clients = ["client-a1"]
resolvers = ["dns-a1"]
[[zone]]
name = "zone-b"
replicas = ["app-b1"]
"""
"""The only replica is in the other zone than balancer and client."""
LBMESH = (sys.executable, "-P", "-m", "lbmesh", "lab")

_GONE_WITHIN_S = 10.0
_numbers = count(1)


def fresh_name() -> str:
    """A lab's name that no other test has, in this run or beside it."""
    return f"t{os.getpid()}-{next(_numbers)}"


@contextmanager
def lab_of(text: str = TWO_ZONES) -> Iterator[str]:
    """A lab for one test; its name."""
    name = fresh_name()
    up = start(name, text, "test.toml", dies_with_us=True)
    try:
        yield name
    finally:
        end(up)


def end(up: Up) -> None:
    """End a lab that this process started."""
    up.holder.kill()
    up.holder.wait()


def namespaces_of(pid: int) -> set[str]:
    """All namespaces of a lab that the machine has not: `net:[4026532181]` and so on. `pid`: its first process."""
    own = set(_links(os.getpid()))
    inside = os.readlink(f"/proc/{pid}/ns/pid")
    found = {link for each in _pids() for link in _links(each) if inside in _links(each)}
    return found - own


def held(namespaces: set[str]) -> set[str]:
    """Those of the namespaces that some process of the machine is in."""
    return {link for pid in _pids() for link in _links(pid)} & namespaces


def machine() -> tuple[set[str], set[str], set[str]]:
    """What a lab could leave on the machine itself: interfaces, mounts, names of network namespaces."""
    mounts = {line.split(" - ")[0].split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    named = Path("/run/netns")
    return set(os.listdir("/sys/class/net")), mounts, set(os.listdir(named)) if named.exists() else set()


def await_end(pid: int) -> None:
    """Wait until a process that is no child of ours is gone, with its whole namespace if it is PID 1 of one."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([watched], [], [], _GONE_WITHIN_S)[0], f"process {pid} does not end"
    finally:
        os.close(watched)


def run_verb(*words: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """`lbmesh lab …`, to its end."""
    return subprocess.run((*LBMESH, *words), capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


def get(lab: LabClient, client: str, url: str) -> tuple[int, str]:
    """What a client host's request is answered with: the status, and the body. 0 when there is no answer."""
    status, said = lab.output(client, (sys.executable, "-c", _GET, url))
    assert status == 0, said
    code, _, body = said.partition(" ")
    return int(code), body.strip()


_GET = """
import sys, urllib.request, urllib.error
try:
    with urllib.request.urlopen(sys.argv[1], timeout=5) as answer:
        print(answer.status, answer.read().decode(errors="replace"))
except urllib.error.HTTPError as error:
    print(error.code, error.reason)
except OSError as error:
    print(0, error)
"""


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _links(pid: int) -> list[str]:
    kinds = ("pid", "mnt", "net", "ipc", "uts")
    try:
        return [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds]
    except OSError:
        return []
