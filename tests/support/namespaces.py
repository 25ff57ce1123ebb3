"""Network namespaces of a test: what is set in them, who runs in them, and their end with all of these."""

import contextlib
import ctypes
import os
import signal
import subprocess

from lbmesh_chaos.lab.kernel import CLONE_NEWNET


def leave_network() -> None:
    """This thread, and whatever it starts, have a network of their own from now on, with a loopback and nothing else
    (unshare(2), for which Python 3.11 has no call). Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)


def ip(namespace: str, *lines: str) -> None:
    """Have ip(8) carry out these lines in it."""
    subprocess.run(("ip", "-n", namespace, "-batch", "-"), input="\n".join(lines) + "\n", text=True, check=True)


def pids(namespace: str) -> list[int]:
    """The processes in it."""
    listed = subprocess.run(("ip", "netns", "pids", namespace), capture_output=True, text=True, check=True)
    return [int(line) for line in listed.stdout.split()]


def remove(namespace: str) -> None:
    """End what runs in it, and it."""
    for pid in pids(namespace):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    subprocess.run(("ip", "netns", "del", namespace), check=True)
