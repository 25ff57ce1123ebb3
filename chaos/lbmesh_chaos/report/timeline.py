"""The drill's one timeline: what was done, what observers said, and what became of the traffic, in one order. Pure."""

from collections.abc import Iterator, Sequence

from lbmesh_chaos.model.outcome import Outcome
from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.report.passage import Passage


def timeline(outcome: Outcome, found: Sequence[Passage]) -> tuple[Event, ...]:
    """All of it."""
    return tuple(sorted([*outcome.events, *(event for one in found for event in marks(one))]))


def marks(one: Passage) -> Iterator[Event]:
    """What a passage adds to what observers said."""
    fault = one.fault
    yield Event(fault.applied_s, What.APPLIED, fault.label, detail=fault.text)
    yield Event(fault.healed_s, What.HEALED, fault.label)
    if fault.boot_s:
        yield Event(fault.healed_s + fault.boot_s, What.READY, fault.label)
    since_applied = {
        What.FIRST_LOST: one.first_lost_s,
        What.DIVERTED: one.divert_s,
        What.MOVED: one.moved_s,
        What.BACK: one.back_s,
    }
    for what, at_s in since_applied.items():
        if at_s is not None:
            yield Event(fault.applied_s + at_s, what, fault.label)
    if one.recover_s is not None:
        yield Event(fault.healed_s + one.recover_s, What.RECOVERED, fault.label)
