"""How much of the machine went to anybody who is not part of the run."""

import os
import resource
import time

from tests.bench.processes import core_busy_s, cpu_time_s, process_tree


class Disturbance:
    """From its making to `share`. The run must adopt orphans (PR_SET_CHILD_SUBREAPER), or they count as others."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._others_s = _others_s()

    def share(self) -> float:
        """Of the time of all cores."""
        took_s = (time.monotonic() - self._began_s) * (os.cpu_count() or 1)
        return max(_others_s() - self._others_s, 0.0) / took_s


def _others_s() -> float:
    busy_s = sum(map(core_busy_s, range(os.cpu_count() or 1)))
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return busy_s - ended.ru_utime - ended.ru_stime - sum(map(_used_s, process_tree(os.getpid())))


def _used_s(pid: int) -> float:
    try:
        return cpu_time_s(pid)
    except OSError:
        return 0.0
