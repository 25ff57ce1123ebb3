"""Starting a lab's first process, from outside. The kernel's promise begins here: no file of the machine is touched.

The control socket is abstract (unix(7)): its name is free again when the lab is gone, and two labs cannot share one.
"""

import json
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lbmesh_chaos.lab.kernel import end_with_parent

NAME_PREFIX = "lbmesh-lab/"
_NAMESPACES = ("--pid", "--mount-proc", "--mount", "--net", "--ipc", "--uts")


class StartError(Exception):
    """A lab that does not come up; says why, a line for each thing."""


@dataclass(frozen=True, slots=True)
class Up:
    """A lab that is up. `holder`: what waits for its first process outside; their lives are one."""

    name: str
    made_s: float
    ready_s: float
    holder: subprocess.Popen[str]


def socket_name(lab: str) -> str:
    """The abstract name of a lab's control socket."""
    return f"\0{NAME_PREFIX}{lab}"


def labs() -> list[str]:
    """The names of the labs that there are, those that are coming up among them."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    names = {line.split()[-1] for line in lines[1:]}
    return sorted(name[len(NAME_PREFIX) + 1 :] for name in names if name.startswith(f"@{NAME_PREFIX}"))


def start(lab: str, text: str, file: str, *, dies_with_us: bool) -> Up:
    """Bring a lab up and wait until it is. `dies_with_us`: it ends when this thread does. Raises StartError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        try:
            bound.bind(socket_name(lab))
        except OSError as error:
            raise StartError(
                f'a lab "{lab}" is up; end it with `lbmesh lab down {lab}`, or give this one another --name'
            ) from error
        holder = subprocess.Popen(
            (
                *("unshare", *_NAMESPACES, "--fork", "--kill-child=KILL", "--"),
                *(sys.executable, "-P", "-m", "lbmesh_chaos.lab.init", str(bound.fileno()), file),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=(bound.fileno(),),
            start_new_session=True,
            preexec_fn=end_with_parent if dies_with_us else None,
        )
    try:
        return _await(lab, text, holder)
    except BaseException:
        holder.kill()
        holder.wait()
        raise


def _await(lab: str, text: str, holder: subprocess.Popen[str]) -> Up:
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin as world:
        world.write(text)
    said = []
    with holder.stdout as lines:
        for line in lines:
            if line.startswith('{"up"'):
                took = json.loads(line)["up"]
                return Up(lab, took["made_s"], took["ready_s"], holder)
            said.append(line.rstrip())
    raise StartError("\n".join(said) or f"the lab's first process ended with {holder.wait()}, without a word")
