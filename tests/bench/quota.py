"""Holding a process to a part of a core, with the kernel's CFS bandwidth control (cgroup v2 cpu.max, v1
cpu.cfs_quota_us).
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PERIOD_US = 10_000
"""Short, so that a process out of its quota waits milliseconds, not the default's tenths of a second."""

REMOVE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups with a CPU quota are made, and which of the kernel's two interfaces is there."""

    root: Path
    version: int

    def limits(self, share: float) -> dict[str, str]:
        """The files to write, and what, for so large a share of one core."""
        quota_us = round(share * PERIOD_US)
        if self.version == 2:
            return {"cpu.max": f"{quota_us} {PERIOD_US}"}
        return {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}


def find_hierarchy(mount: Path = Path("/sys/fs/cgroup")) -> Hierarchy | None:
    """The one this process may make groups in; None when there is none (it needs root, and the cpu controller)."""
    controllers = mount / "cgroup.subtree_control"
    if controllers.exists() and "cpu" in controllers.read_text().split():
        found = Hierarchy(mount, 2)
    elif (mount / "cpu" / "cpu.cfs_quota_us").exists() or (mount / "cpu" / "cgroup.procs").exists():
        found = Hierarchy(mount / "cpu", 1)
    else:
        return None
    return found if os.access(found.root, os.W_OK) else None


def missing() -> str | None:
    """Why nothing can be held to a part of a core here."""
    if find_hierarchy():
        return None
    return "no CPU quota can be set here: that takes root and the cpu controller of cgroups below /sys/fs/cgroup"


@contextlib.contextmanager
def held_to(share: float, pid: int) -> Iterator[None]:
    """Hold a process, all its threads, to so large a share of a core until the block is left.

    Raises RuntimeError when that cannot be done here, OSError when the kernel refuses.
    """
    hierarchy = find_hierarchy()
    if hierarchy is None:
        raise RuntimeError(missing())
    group = hierarchy.root / f"lbmesh-bench-{os.getpid()}-{pid}"
    group.mkdir()
    try:
        for name, text in hierarchy.limits(share).items():
            (group / name).write_text(text)
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        with contextlib.suppress(OSError):
            (hierarchy.root / "cgroup.procs").write_text(str(pid))
        _remove(group)


def _remove(group: Path) -> None:
    """A group goes when its last process has."""
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    while True:
        try:
            group.rmdir()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
