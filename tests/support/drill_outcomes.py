"""Outcomes of drills, told in a few words."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lbmesh_chaos.model.flow import Flow, Kind, Method
from lbmesh_chaos.model.outcome import FaultSpan, Outcome
from lbmesh_chaos.model.tally import Executions, FlowFates, Tally, Verdict

BEGAN_S = 1000.0
LENGTH_S = 30.0
RATE = 10.0


def fates(
    name: str = "a-kept",
    zone: str = "a",
    kind: Kind = Kind.KEPT,
    method: Method = Method.GET,
    *,
    bad: Mapping[float, Verdict] | None = None,
    bad_for_s: float = 0.05,
    executions: int = 1,
    seconds: float = LENGTH_S,
) -> FlowFates:
    """One flow of RATE a second. `bad`: verdicts of the requests due within `bad_for_s` of these seconds."""
    due_s = array("d", [BEGAN_S + at / RATE for at in range(int(seconds * RATE))])
    verdicts, reasons = bytearray(len(due_s)), {}
    for second, verdict in (bad or {}).items():
        for at, moment in enumerate(due_s):
            if second - 1e-9 <= moment - BEGAN_S < second + bad_for_s - 1e-9:
                verdicts[at], reasons[at] = verdict, "reset"
    size = len(due_s)
    return FlowFates(
        Flow(name, zone, kind, method, rate=RATE),
        due_s,
        array("d", [0.002]) * size,
        verdicts,
        bytearray([executions]) * size,
        bytearray([1]) * size,
        reasons,
    )


def fault(
    label: str = "cut",
    at: float = 10.0,
    until: float = 20.0,
    *,
    targets: Sequence[str] = ("lb-a1",),
    zone: str = "a",
    boot_s: float = 0.0,
) -> FaultSpan:
    """Of zone a, from second 10 to second 20."""
    return FaultSpan(label, "what it did", tuple(targets), (zone,), BEGAN_S + at, BEGAN_S + until, boot_s)


def steadily(from_s: float, until_s: float, every_s: float = 0.05) -> tuple[float, ...]:
    """Moments for `carried`."""
    return tuple(from_s + number * every_s for number in range(round((until_s - from_s) / every_s)))


def carried(replica: str, zone: str, peer: str, *seconds: float) -> Executions:
    """When a replica carried requests out."""
    return Executions(replica, zone, peer, array("d", [BEGAN_S + second for second in seconds]))


def outcome(tally: Tally, *faults: FaultSpan, **changes: object) -> Outcome:
    """A drill of LENGTH_S."""
    made = Outcome(
        "a drill",
        "nothing is lost",
        7,
        "abc123",
        "three-zones",
        BEGAN_S,
        BEGAN_S + LENGTH_S,
        tally,
        faults,
    )
    return replace(made, **changes)  # type: ignore[arg-type]
