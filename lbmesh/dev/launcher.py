"""What each process of the mesh does first: have the kernel end it when `lbmesh dev` dies, however it dies."""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1

PROGRAM = (sys.executable, "-P", "-m", "lbmesh")
"""-P: the directory in which somebody happens to be must not provide modules."""


def become_balancer(parent_pid: int, config_file: Path) -> int:
    """Turn into `lbmesh run`, in the same process; the request to the kernel outlasts the exec (prctl(2)).

    The node's own children end with it in the same way.
    """
    _end_with(parent_pid)
    os.execv(PROGRAM[0], [*PROGRAM, "run", "-c", str(config_file)])


def be_replica(parent_pid: int, name: str, zone: str, listen_fd: int, journal: Path) -> int:
    """Serve the sample shop until killed."""
    _end_with(parent_pid)
    from lbmesh.dev.shop_server import serve

    serve(name, zone, listen_fd, journal)
    return 0


def _end_with(parent_pid: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # It may have died before it was asked for.
    if os.getppid() != parent_pid:
        raise SystemExit("lbmesh dev: the process that started this one is gone")
