"""What proc(5) says of processes. A process that is gone raises OSError, unless it says otherwise here."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Stat(NamedTuple):
    """Some of /proc/PID/stat. `state`: R, S, D, T, Z and so on. `user`, `system`: what it has used, and `born`: when it
    started after the machine, which tells it from a later one with its id; all three in clock ticks (SC_CLK_TCK).
    """

    pid: int
    state: str
    parent: int
    group: int
    session: int
    user: int
    system: int
    born: int

    @property
    def is_alive(self) -> bool:
        """A zombie is not."""
        return self.state not in "ZX"


def stat(pid: int) -> Stat:
    """Its name, which is left out, may itself hold spaces and parentheses."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    parent, group, session, user, system, born = (int(fields[place]) for place in (1, 2, 3, 11, 12, 19))
    return Stat(pid, fields[0], parent, group, session, user, system, born)


def is_alive(pid: int) -> bool:
    """Is it there, and no zombie?"""
    with suppress(OSError):
        return stat(pid).is_alive
    return False


def living() -> Iterator[Stat]:
    """All processes of this machine; zombies are left out."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError):
                if (found := stat(int(name))).is_alive:
                    yield found


def memory_kib(pid: int, field: str) -> int:
    """A figure of /proc/PID/status: "VmRSS" (now) or "VmHWM" (its peak)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/status has no {field}")


def descriptors(pid: int) -> list[int]:
    """Those that it has open."""
    return [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
