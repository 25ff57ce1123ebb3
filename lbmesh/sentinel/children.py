"""One supervised child: its place, how long to wait before its next start, and how its end reads."""

import signal
from dataclasses import dataclass

from lbmesh.sentinel.limits import (
    EXIT_S,
    FIRST_TICK_S,
    HUNG_S,
    RESTART_DELAY_MAX_S,
    RESTART_DELAY_S,
    UNREAPED_S,
)


@dataclass(slots=True)
class Child:
    """One child's place, which outlives its processes. `pid` is None while there is none to reap.

    `owes_drain`: the node leaves, and this forwarder has not yet said that its last request is answered.
    """

    slot: int
    due_s: float
    pid: int | None = None
    starting: bool = False
    started_s: float = 0.0
    ready_s: float | None = None
    failures: int = 0
    exit_by_s: float | None = None
    killed_s: float | None = None
    owes_drain: bool = False

    def is_gone(self, now_s: float) -> bool:
        """True when nothing is left to wait for: reaped, or killed and stuck in the kernel for good."""
        return self.pid is None or (self.killed_s is not None and now_s - self.killed_s >= EXIT_S)

    def is_hung(self, age_s: float | None, now_s: float) -> bool:
        """Judged by the age of its tick; None when it never ticked."""
        return now_s - self.started_s > FIRST_TICK_S if age_s is None else age_s > HUNG_S

    def is_stuck(self, now_s: float) -> bool:
        """True when it was killed and is long in going away."""
        return self.pid is not None and self.killed_s is not None and now_s - self.killed_s > UNREAPED_S


def restart_delay_s(failures: int) -> float:
    """Before the restart that follows this many deaths in a row: 0 at first, then doubling up to a bound."""
    if failures <= 1:
        return 0.0
    return min(RESTART_DELAY_S * 2.0 ** min(failures - 2, 32), RESTART_DELAY_MAX_S)


def how_it_ended(return_code: int) -> str:
    """A return code as `subprocess` has it, in words."""
    if return_code >= 0:
        return f"exited with status {return_code}"
    try:
        return f"killed by {signal.Signals(-return_code).name}"
    except ValueError:
        return f"killed by signal {-return_code}"
