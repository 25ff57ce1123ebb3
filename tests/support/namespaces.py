"""Network namespaces of a test: what is set in them, who runs in them, and their end with all of these."""

import contextlib
import os
import signal
import subprocess


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
