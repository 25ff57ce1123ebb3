"""Network namespaces of a run: one for each node, and one that holds the bridge between them.

Nothing appears in the machine's own network: both ends of every cable are in namespaces, and go with them. A
namespace's name says which process made it, so what a killed run left behind is known, and removed by the next.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support import proc

DIRECTORY = Path("/run/netns")
NODES_MAX = 250
_PREFIX = "lbmesh-bench"
_NAME = re.compile(rf"{_PREFIX}-(?P<pid>\d+)-(?P<born>\d+)-.+")


def maker() -> tuple[int, int]:
    """This process: its id, and its start in clock ticks since boot, which no later process with that id has."""
    pid = os.getpid()
    born = _born(pid)
    assert born is not None, "/proc has no entry of this process"
    return pid, born


def name_of(maker: tuple[int, int], world: str, part: str) -> str:
    """A namespace's name. `part`: "bridge", or the number of a node."""
    return f"{_PREFIX}-{maker[0]}-{maker[1]}-{world}-{part}"


def maker_of(name: str) -> tuple[int, int] | None:
    """Who made the namespace of this name; None when it is none of this benchmark's."""
    found = _NAME.fullmatch(name)
    return (int(found["pid"]), int(found["born"])) if found else None


def address(number: int) -> str:
    """The address of node 0, 1, …"""
    return f"10.0.0.{number + 1}"


def remove_leftovers() -> list[str]:
    """Remove the namespaces of runs that are dead, with the processes in them; returns their names."""
    left = []
    for name in sorted(os.listdir(DIRECTORY)) if DIRECTORY.exists() else ():
        made_by = maker_of(name)
        if made_by is not None and _born(made_by[0]) != made_by[1]:
            _remove(name)
            left.append(name)
    return left


@contextlib.contextmanager
def network(world: str, nodes: int) -> Iterator[tuple[str, ...]]:
    """The names of so many namespaces, each with one interface `eth0` on a common bridge; removed on leaving.

    Addresses resolve without ARP, and there is no IPv6: an interface's counters hold what its node said and heard,
    and nothing else. Raises RuntimeError when the system refuses.
    """
    assert nodes <= NODES_MAX, "their addresses are in 10.0.0.0/24"
    made_by = maker()
    bridge = name_of(made_by, world, "bridge")
    names = tuple(name_of(made_by, world, str(number)) for number in range(nodes))
    try:
        _run("ip", "netns", "add", bridge)
        _without_ipv6(bridge)
        _run("ip", "-n", bridge, "-batch", "-", text=_BRIDGE)
        for number, name in enumerate(names):
            _run("ip", "netns", "add", name)
            _without_ipv6(name)
            _run("ip", "-n", bridge, "-batch", "-", text=_cable(number, name))
            _run("ip", "-n", name, "-batch", "-", text=_inside(number, nodes))
        yield names
    finally:
        for name in (*names, bridge):
            if (DIRECTORY / name).exists():
                _remove(name)


_BRIDGE = """\
link add bridge type bridge mcast_snooping 0
link set bridge up
"""


def _cable(number: int, name: str) -> str:
    return (
        f"link add n{number} type veth peer name eth0 address {_mac(number)} netns {name}\n"
        f"link set n{number} master bridge up\n"
    )


def _inside(number: int, nodes: int) -> str:
    others = (other for other in range(nodes) if other != number)
    neighbours = (f"neigh add {address(one)} lladdr {_mac(one)} nud permanent dev eth0" for one in others)
    lines = ("link set lo up", f"addr add {address(number)}/24 dev eth0", "link set eth0 up", *neighbours)
    return "\n".join(lines) + "\n"


def _mac(number: int) -> str:
    return f"02:00:00:00:00:{number + 1:02x}"


def _without_ipv6(name: str) -> None:
    """Before there is an interface, so that none sends a router solicitation."""
    if Path("/proc/sys/net/ipv6").exists():
        for which in ("all", "default"):
            path = f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6"
            _run("ip", "netns", "exec", name, "sh", "-c", f"echo 1 >{path}")


def load_rules(rules: Sequence[tuple[str, str]]) -> None:
    """Have nft load a script in each of these namespaces, in all at the same time: (namespace, script).

    Raises RuntimeError when one is refused.
    """
    started = [
        (
            subprocess.Popen(
                ("ip", "netns", "exec", name, "nft", "-f", "-"),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ),
            script,
        )
        for name, script in rules
    ]
    answers = [(one.communicate(script)[1], one.returncode) for one, script in started]
    if refused := [error for error, code in answers if code]:
        raise RuntimeError(f"nft refused: {refused[0].strip()}")


def _remove(name: str) -> None:
    """Whoever runs in it goes first: a namespace lives as long as a process of it."""
    listed = subprocess.run(("ip", "netns", "pids", name), capture_output=True, text=True, check=False)
    for pid in map(int, listed.stdout.split()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    _run("ip", "netns", "del", name)


def _born(pid: int) -> int | None:
    try:
        return proc.stat(pid).born
    except OSError:
        return None


def _run(*argv: str, text: str | None = None) -> None:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} was refused: {done.stderr.strip()}")
