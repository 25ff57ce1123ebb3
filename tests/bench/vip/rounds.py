"""One fault on a fresh mesh, and all that a client saw of it."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.vip.faults import strike
from tests.bench.vip.systems import FRONT, running
from tests.bench.vip.words import Request
from tests.support.places import Place
from tests.support.segment import Segment, looking, segment
from tests.support.sightings import Sightings

BEFORE_S = 1.0
AFTER_S = {"lbmesh": 2.0, "keepalived-100ms": 2.5, "keepalived": 6.0}
"""Requests go on for so long after the fault: who has not moved the front by then does not."""

PARTLY_AFTER_S = 6.0
"""Where some words still get through."""


@dataclass(slots=True)
class Round:
    """`requests`: all, by their due time. `repeated`: how often each POST was carried out that was so more than once.
    `until_s`: when the last request was due.
    """

    fault_s: float
    until_s: float = 0.0
    requests: list[Request] = field(default_factory=list)
    repeated: dict[str, int] = field(default_factory=dict)
    sightings: Sightings = field(default_factory=Sightings)


def one_round(system: str, fault: str) -> Round:
    """Raises TimeoutError when the system does not come up."""
    with segment(3) as place, tempfile.TemporaryDirectory() as directory:
        with origins(place) as origin, running(system, place, Path(directory)):
            seen = _under_fault(place, system, fault)
            said, _ = origin.communicate(timeout=10)
        seen.repeated = json.loads(said)
        return seen


def _under_fault(place: Segment, system: str, fault: str) -> Round:
    pids = place.nodes[0].pids()
    with looking(place, FRONT, asks_http=False) as sightings, asking(place) as client:
        time.sleep(BEFORE_S)
        seen = Round(time.monotonic(), sightings=sightings)
        strike(place, fault, pids)
        time.sleep(PARTLY_AFTER_S if fault in ("mute", "deaf", "gossip") else AFTER_S[system])
        seen.until_s = time.monotonic()
        said, _ = client.communicate(timeout=10)
    seen.requests = [Request(*one) for one in json.loads(said)]
    return seen


def origins(place: Segment) -> "contextlib.AbstractContextManager[subprocess.Popen[bytes]]":
    """The replicas of all nodes."""
    return _program(place.client, "origin", *(str(node.number) for node in place.nodes))


def asking(place: Segment) -> "contextlib.AbstractContextManager[subprocess.Popen[bytes]]":
    """The client; what it saw comes when its input is closed."""
    return _program(place.client, "client", FRONT)


@contextlib.contextmanager
def _program(place: Place, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of this benchmark, from its first word on."""
    argv = ("ip", "netns", "exec", place.name, sys.executable, "-m", f"tests.bench.vip.{name}", *words)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()
