"""What could not be judged, and why: at real hosts no origin writes down whose requests it carried out. Pure."""

from collections.abc import Iterable, Iterator

from lbmesh_chaos.model.outcome import Evidence
from lbmesh_chaos.model.tally import FlowFates, Verdict

NOT_KNOWN = "?"
"""Stands for a figure that nobody could count, which is not 0."""


def not_judged(evidence: Evidence | None) -> tuple[str, ...]:
    """A line for each; nothing in a lab, where both ends log, and nothing without load."""
    return () if evidence is None or evidence.logged else tuple(_not_judged(evidence))


def _not_judged(evidence: Evidence) -> Iterator[str]:
    if evidence.counted:
        yield "What was carried out again after its answer, or without one: the origin's count comes with the answer."
    else:
        yield "What was carried out twice: the target's list names no count_header in which origins say how often."
    if not evidence.echoed:
        yield "Whether an answer was that of another request: the target's list names no echo_header."
    yield "Of the unknown ones, which were carried out: no origin writes down whose requests it gets."
    yield "Whether what was answered was right: that it came whole is known, not what the service should have said."
    yield "When traffic left a host and came back, and which zone served: no origin says by whom its requests came."


def untold(fates: Iterable[FlowFates]) -> int:
    """Good answers that do not say whose they are, or how often, where they should."""
    return sum(
        1
        for one in fates
        for verdict, told in zip(one.verdicts, one.executions, strict=True)
        if verdict == Verdict.OK and not told
    )


def figure(text: str, *, is_known: bool) -> str:
    """It, or that nobody knows it."""
    return text if is_known else NOT_KNOWN


def by_zone(evidence: Evidence) -> str:
    """What the zone of a request is: at real hosts, all clients are where the drill was started."""
    return "by zone of the client" if evidence.logged else "by zone of the address that is asked first"
