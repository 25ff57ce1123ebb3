"""How long a client on the L2 misses a front, beside keepalived: `python -m tests.bench.vip SYSTEM FAULT [ROUNDS]`.

SYSTEM: lbmesh, keepalived (its default, an advertisement a second), or keepalived-100ms (its shortest without fractions
of milliseconds that its manual warns of). FAULT: kill (SIGKILL to all of the holder's processes), stop (SIGSTOP), cut
(its cable leads nowhere, the link stays up). Three nodes on one bridge, fresh for each round; a client opens a
connection every 10 ms. Needs root, iproute2, nftables and keepalived.
"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.segment import Place, Segment, Sightings, fetch, looking, mesh, segment
from tests.support.wait import wait_for

FRONT = "10.0.0.100"
_BEFORE_S, _AFTER_S, _AFTER_SLOW_S = 0.5, 2.0, 6.0
_HUNG_S = 1.0
_ORIGIN = Path(__file__).parents[1] / "support" / "segment_origin.py"
ADVERTISEMENT_S = {"keepalived": 1.0, "keepalived-100ms": 0.1}


@contextlib.contextmanager
def keepalived(place: Segment, directory: Path, every_s: float) -> Iterator[list[int]]:
    """keepalived and a web server at each node. Yields the process groups of the first node, which has the front."""
    running: list[tuple[Place, subprocess.Popen[bytes]]] = []
    try:
        for node in place.nodes:
            config = directory / f"{node.number}.conf"
            config.write_text(
                f"global_defs {{ vrrp_version 3 }}\nvrrp_instance front {{ interface eth0\n virtual_router_id 7\n"
                f" state {'MASTER' if node.number == 1 else 'BACKUP'}\n priority {200 - 10 * node.number}\n"
                f" advert_int {every_s}\n virtual_ipaddress {{ {FRONT}/32 dev eth0 }} }}\n"
            )
            pids = [word for flag in "prc" for word in (f"-{flag}", f"{directory}/{node.number}{flag}.pid")]
            for command in (
                (sys.executable, str(_ORIGIN), "--same-port", str(node.number)),
                ("keepalived", "-n", "-D", "-P", "-f", str(config), *pids),
            ):
                with (directory / f"{node.number}.log").open("ab") as log:
                    argv = ("ip", "netns", "exec", node.name, *command)
                    one = subprocess.Popen(argv, start_new_session=True, stdout=log, stderr=log)
                running.append((node, one))
        wait_for(lambda: fetch(place.client, FRONT) == "1", "an answer of the first")
        time.sleep(3 * every_s + 1.0)
        yield [one.pid for node, one in running if node.number == 1]
    finally:
        for _, one in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()


@contextlib.contextmanager
def lbmesh(place: Segment, directory: Path) -> Iterator[list[int]]:
    """The same of lbmesh."""
    with mesh(place, directory, [FRONT]) as nodes:
        wait_for(lambda: fetch(place.client, FRONT) == "1", "an answer of the first")
        assert nodes[0].process is not None
        yield [nodes[0].process.pid]


def one_round(system: str, fault: str) -> dict[str, float]:
    """What a client saw of one fault; times in ms."""
    with segment(3) as place, tempfile.TemporaryDirectory() as directory:
        made = (
            lbmesh(place, Path(directory))
            if system == "lbmesh"
            else keepalived(place, Path(directory), ADVERTISEMENT_S[system])
        )
        with made as groups:
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
