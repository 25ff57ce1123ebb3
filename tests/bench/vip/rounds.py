"""One fault on a fresh mesh, and what a client saw of it."""

import os
import signal
import tempfile
import time
from pathlib import Path

from tests.bench.vip.systems import FRONT, running
from tests.support.segment import Sightings, looking, segment

FAULTS = ("kill", "stop", "cut")
_BEFORE_S, _AFTER_S, _AFTER_SLOW_S = 0.5, 2.0, 6.0
_HUNG_S = 1.0


def one_round(system: str, fault: str) -> dict[str, float]:
    """Times in ms."""
    with (
        segment(3) as place,
        tempfile.TemporaryDirectory() as directory,
        running(system, place, Path(directory)) as groups,
    ):
        with looking(place, FRONT) as seen:
            time.sleep(_BEFORE_S)
            fault_s = time.monotonic()
            if fault == "cut":
                place.cut(place.nodes[0])
            for group in groups if fault != "cut" else ():
                os.killpg(group, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
            time.sleep(_AFTER_SLOW_S if system == "keepalived" else _AFTER_S)
        return figures(seen, fault_s)


def figures(seen: Sightings, fault_s: float) -> dict[str, float]:
    """Of one round."""
    late = [one for one in seen.requests if one[0] >= fault_s]
    moved = [ended for _, ended, answer in late if answer not in ("", "1")]
    replies = [heard for heard, mac in seen.replies if heard > fault_s and not mac.endswith(":01")]
    return {
        "first answer": 1000 * (min(moved) - fault_s) if moved else float("inf"),
        "first ARP reply": 1000 * (min(replies) - fault_s) if replies else float("inf"),
        "last error": 1000 * seen.outage_s(fault_s),
        "failed": sum(not answer for *_, answer in late),
        "over 1 s": sum(ended - begun > _HUNG_S for begun, ended, _ in late),
        "both answer": 1000 * seen.overlap_s(),
    }
