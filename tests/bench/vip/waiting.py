"""What becomes of clients that wait when a front's holder fails: `python -m tests.bench.vip.waiting FAULT [ROUNDS]`.

CROWD clients wait for an answer that takes half a minute, IDLE ones have had theirs and stay, and each 10 ms another
asks for what takes 0.8 s. Three nodes of lbmesh on one bridge, fresh for each round.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.vip.faults import strike
from tests.bench.vip.rounds import BEFORE_S
from tests.bench.vip.systems import FRONT
from tests.bench.vip.words import PATIENCE_S
from tests.support.segment import mesh, segment
from tests.support.segment_waiters import LATE_S
from tests.support.sightings import Wait, waiting

CROWD, IDLE = 100, 50
_AFTER_S = 3.0


def one_round(fault: str) -> dict[str, float]:
    """On a fresh mesh."""
    with segment(3) as place, tempfile.TemporaryDirectory() as directory, mesh(place, Path(directory), [FRONT]):
        with waiting(place.client, FRONT, CROWD, IDLE) as waits:
            time.sleep(BEFORE_S)
            fault_s = time.monotonic()
            strike(place, fault, place.nodes[0].pids())
            time.sleep(_AFTER_S)
        return figures(waits, fault_s, fault_s + _AFTER_S)


def figures(waits: list[Wait], fault_s: float, until_s: float) -> dict[str, float]:
    """Times in ms. In flight: asked before the fault, and not answered by then. Hung: no end PATIENCE_S after what the
    answer takes.
    """
    flying = [
        one
        for one in waits
        if one.begun_s < fault_s and one.kind != "idle" and (one.ended_s is None or one.ended_s > fault_s)
    ]
    since = [one for one in waits if one.begun_s >= fault_s]
    patience_s = LATE_S + PATIENCE_S
    return {
        "in flight": len(flying),
        "in flight, ended within": 1000 * max((one.after_s(fault_s) for one in flying), default=0.0),
        "in flight, hung": sum(one.after_s(fault_s) > PATIENCE_S for one in flying),
        "idle, not told": sum(one.kind == "idle" and one.ended_s is None for one in waits),
        "asked after the fault": len(since),
        "of these, ended without an answer": sum(one.how not in ("answered", "") for one in since),
        "of these, hung": sum(
            one.after_s(fault_s) > patience_s and until_s - one.begun_s > patience_s for one in since
        ),
    }


def main() -> None:
    """Rounds, then median and worst."""
    fault = sys.argv[1]
    rounds = [one_round(fault) for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 10)]
    summary = {
        name: [round(one) if one != float("inf") else "never" for one in (statistics.median(values), max(values))]
        for name in rounds[0]
        for values in ([one[name] for one in rounds],)
    }
    print(json.dumps({"fault": fault, "rounds": len(rounds), "median, worst": summary}))


if __name__ == "__main__":
    main()
