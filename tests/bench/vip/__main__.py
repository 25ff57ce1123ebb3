"""`python -m tests.bench.vip SYSTEM FAULT [ROUNDS]`.

SYSTEM: lbmesh, keepalived (its default, an advertisement a second), or keepalived-100ms (its shortest without fractions
of milliseconds that its manual warns of). FAULT: kill (SIGKILL to all of the holder's processes), stop (SIGSTOP), cut
(its cable leads nowhere, the link stays up). Three nodes on one bridge, fresh for each round; a client opens a
connection every 10 ms. Needs root, iproute2, nftables and keepalived.
"""

import json
import statistics
import sys

from tests.bench.vip.rounds import one_round


def main() -> None:
    """Rounds, then median and worst."""
    system, fault = sys.argv[1:3]
    rounds = [one_round(system, fault) for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 10)]
    summary = {
        name: (round(statistics.median(one[name] for one in rounds)), round(max(one[name] for one in rounds)))
        for name in rounds[0]
        if all(one[name] != float("inf") for one in rounds)
    }
    print(json.dumps({"system": system, "fault": fault, "rounds": len(rounds), "median, worst": summary}))


if __name__ == "__main__":
    main()
