"""Does a front stay where it is while every core is busy, and its node serves?"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.vip.rounds import asking, origins
from tests.bench.vip.systems import FRONT
from tests.bench.vip.words import Request
from tests.support.places import PlacedNode
from tests.support.segment import Segment, looking, mesh, segment

_EVENTS = {
    "a partner is gone": "gone",
    "the lease of a front has lapsed": "lapsed",
    "another node answers for the front: silent here": "muted",
}
_BURNERS_A_CORE = 2


@dataclass(frozen=True, slots=True)
class Stability:
    """`moves`: how often another node answered than before, as the client saw it; `macs`: how many hardware addresses
    answered ARP. `gone`, `lapsed`, `muted`: words in the logs of all nodes. `suspicions`: of the heartbeats, which were
    cleared up by asking. `failed`: requests, of so many.
    """

    minutes: float
    moves: int
    macs: int
    gone: int
    lapsed: int
    muted: int
    suspicions: int
    requests: int
    failed: int
    causes: dict[str, int]
    load_average: float


def run(system: str, seconds: float) -> str:
    """One line of JSON. Raises ValueError for a system that is not lbmesh."""
    if system != "lbmesh":
        raise ValueError("only lbmesh is measured under saturation: write lbmesh saturated")
    with (
        segment(3) as place,
        tempfile.TemporaryDirectory() as directory,
        origins(place),
        mesh(place, Path(directory), [FRONT], own_origins=False) as nodes,
    ):
        return json.dumps(asdict(_watch(place, nodes, seconds)))


def _watch(place: Segment, nodes: tuple[PlacedNode, ...], seconds: float) -> Stability:
    before = Counter(_said(nodes))
    with burning(), looking(place, FRONT, asks_http=False) as seen, asking(place) as client:
        time.sleep(seconds)
        load = os.getloadavg()[0]
        requests = [Request(*one) for one in json.loads(client.communicate(timeout=30)[0])]
    said = Counter(_said(nodes)) - before
    served = [one.node for one in requests if one.node]
    failed = [one for one in requests if one.has_failed]
    return Stability(
        minutes=seconds / 60,
        moves=sum(one != other for one, other in itertools.pairwise(served)),
        macs=len({mac for _, mac in seen.replies}),
        gone=said["gone"],
        lapsed=said["lapsed"],
        muted=said["muted"],
        suspicions=sum(_suspicions(node) for node in nodes),
        requests=len(requests),
        failed=len(failed),
        causes=dict(Counter(one.outcome for one in failed)),
        load_average=load,
    )


def _said(nodes: tuple[PlacedNode, ...]) -> Iterator[str]:
    for node in nodes:
        for line in node.log_text().splitlines():
            with contextlib.suppress(ValueError):
                if (word := _EVENTS.get(json.loads(line).get("event", ""))) is not None:
                    yield word


def _suspicions(node: PlacedNode) -> int:
    """The heartbeat's counter, by the metrics."""
    for line in str(node.get("/metrics") or "").splitlines():
        if line.startswith("lbmesh_partner_suspicions_total "):
            return int(float(line.rpartition(" ")[2]))
    return 0


@contextlib.contextmanager
def burning() -> Iterator[None]:
    """Processes that do nothing but compute, more than there are cores."""
    cores = len(os.sched_getaffinity(0))
    burners = [subprocess.Popen((sys.executable, "-c", "while True: pass")) for _ in range(cores * _BURNERS_A_CORE)]
    try:
        yield
    finally:
        for one in burners:
            one.kill()
            one.wait()
