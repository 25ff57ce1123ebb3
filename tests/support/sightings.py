"""What probers and clients in namespaces saw of a front."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.places import Place

_SUPPORT = Path(__file__).parent
_REPOSITORY = _SUPPORT.parents[1]

_GAP_S = 0.15
"""Asked every 10 ms, who does not answer for so long does not answer any more."""


@dataclass(slots=True)
class Sightings:
    """What the probers saw of a front. `requests`: (begun, ended, answer); `replies`: (heard, hardware address)."""

    requests: list[tuple[float, float, str]] = field(default_factory=list)
    replies: list[tuple[float, str]] = field(default_factory=list)

    def overlap_s(self) -> float:
        """The longest time for which two nodes answered."""
        spans = [span for mac in {mac for _, mac in self.replies} for span in self._spans(mac)]
        pairs = [(one, other) for one in spans for other in spans if one[0] != other[0]]
        return max([0.0, *(min(one[2], other[2]) - max(one[1], other[1]) for one, other in pairs)])

    def _spans(self, mac: str) -> list[tuple[str, float, float]]:
        """From when until when this one answered; a gap ends a span."""
        spans: list[tuple[str, float, float]] = []
        for heard in (heard for heard, other in self.replies if other == mac):
            if spans and heard - spans[-1][2] < _GAP_S:
                spans[-1] = (mac, spans[-1][1], heard)
            else:
                spans.append((mac, heard, heard))
        return spans

    def outage_s(self, fault_s: float) -> float:
        """From the fault to the begin of the last request that was not answered; 0 when all were."""
        return max((begun for begun, _, answer in self.requests if not answer), default=fault_s) - fault_s

    def first_answer_s(self, fault_s: float, by: str) -> float:
        """From the fault to the first answer of another node."""
        return min(ended for _, ended, answer in self.requests if ended > fault_s and answer and answer != by) - fault_s


@dataclass(frozen=True, slots=True)
class Wait:
    """One client's connection. `kind`: waiting, idle or late (`segment_waiters.py`). `ended_s`: None for one that still
    waited at the end. `how` it ended.
    """

    kind: str
    begun_s: float
    ended_s: float | None
    how: str

    def after_s(self, fault_s: float) -> float:
        """From the fault, or its begin if that was later, to its end; infinite for none."""
        return (self.ended_s or float("inf")) - max(fault_s, self.begun_s)


@contextlib.contextmanager
def probing(*asked: tuple[Place, tuple[str, ...]]) -> Iterator[list[list[Any]]]:
    """Probers in places, with their words (`segment_prober.py`); what each saw, filled when the block is left."""
    probers = [
        subprocess.Popen(
            ("ip", "netns", "exec", where.name, sys.executable, str(_SUPPORT / "segment_prober.py"), *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY)},
        )
        for where, words in asked
    ]
    try:
        for one in probers:
            assert one.stdout is not None
            assert one.stdout.readline() == b"looking\n"
        found: list[list[Any]] = []
        yield found
        found += [sorted(map(tuple, json.loads(one.communicate()[0]))) for one in probers]
    finally:
        for one in probers:
            with one:
                one.kill()


@contextlib.contextmanager
def asking(client: Place, front: str) -> Iterator[Sightings]:
    """A client that opens a connection every 10 ms; filled when the block is left."""
    seen = Sightings()
    with probing((client, ("http", front))) as found:
        yield seen
    (seen.requests,) = found


@contextlib.contextmanager
def waiting(client: Place, front: str, crowd: int, idle: int) -> Iterator[list[Wait]]:
    """Clients that wait, begun when the block is entered; filled when it is left."""
    script = _SUPPORT / "segment_waiters.py"
    command = ("ip", "netns", "exec", client.name, sys.executable, str(script), front, str(crowd), str(idle))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"looking\n"
            seen: list[Wait] = []
            yield seen
            seen += [Wait(*one) for one in json.loads(process.communicate()[0])]
        finally:
            process.kill()
