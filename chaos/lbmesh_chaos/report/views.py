"""What the observers came to hold of what a fault struck: who doubted when, who condemned, who took it back. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from lbmesh_chaos.model.timeline import Event, What

CONDEMNED = frozenset({What.AGREED, What.EJECTED})
DOUBTED = CONDEMNED | {What.SUSPECTED}
"""Whoever was not seen to suspect before it agreed has suspected by then: a state that lasts shorter than the time
between two questions to an observer is not seen."""


def doubts(events: Iterable[Event], from_s: float) -> dict[str, float]:
    """By observer: its first doubt of anything that was struck. Seconds since `from_s`."""
    first: dict[str, float] = {}
    for event in sorted(events):
        if event.what in DOUBTED and event.observer:
            first.setdefault(event.observer, max(0.0, event.at_s - from_s))
    return first


def condemnations(events: Iterable[Event], from_s: float) -> dict[str, float]:
    """By observer: when it held all for down that it came to hold for down. Seconds since `from_s`."""
    first: dict[tuple[str, str], float] = {}
    for event in sorted(events):
        if event.what in CONDEMNED and event.observer:
            first.setdefault((event.observer, event.subject), max(0.0, event.at_s - from_s))
    last: dict[str, float] = {}
    for (observer, _), at_s in first.items():
        last[observer] = max(last.get(observer, 0.0), at_s)
    return last


def clearances(events: Iterable[Event], healed_s: float) -> dict[str, float | None]:
    """By observer that doubted or condemned anything when it was healed, or condemned it later: when it had taken all
    of it back, and condemned nothing more. Seconds since `healed_s`; None: it never did.
    """
    by_pair: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in sorted(events):
        if event.observer and (event.what in DOUBTED or event.what is What.CLEARED):
            by_pair[event.observer, event.subject].append(event)
    last: dict[str, float | None] = {}
    for (observer, _), said in by_pair.items():
        at_heal = next((one.what for one in reversed(said) if one.at_s <= healed_s), What.CLEARED)
        condemned_s = max((one.at_s for one in said if one.what in CONDEMNED and one.at_s > healed_s), default=healed_s)
        if at_heal in DOUBTED or condemned_s > healed_s:
            cleared = (one.at_s - healed_s for one in said if one.what is What.CLEARED and one.at_s > condemned_s)
            at_s, before_s = next(cleared, None), last.get(observer, 0.0)
            last[observer] = None if at_s is None or before_s is None else max(before_s, at_s)
    return last
