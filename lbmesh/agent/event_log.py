"""The agent's log of events: each subject gets a bounded number of lines a minute, and so do all of a kind together.
What flaps, or is made to flap by somebody outside, must not fill the disk. Every event is counted in the metrics.
"""

from collections import OrderedDict
from dataclasses import dataclass

import structlog

from lbmesh.agent.limits import (
    LOG_LINES_PER_KIND_MAX,
    LOG_LINES_PER_SUBJECT_MAX,
    LOG_WINDOW_S,
    LOGGED_SUBJECTS_MAX,
)
from lbmesh.control.inputs import Event, EventKind

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Share:
    """Lines of a subject, or of all of a kind, in the minute since `since_s`."""

    since_s: float
    lines: int = 0
    left_out: int = 0


class EventLog:
    """Writes events, within bounds."""

    def __init__(self) -> None:
        self._subjects: OrderedDict[tuple[EventKind, str], _Share] = OrderedDict()
        self._kinds: dict[EventKind, _Share] = {}

    def write(self, event: Event, now: float) -> None:
        """One line for the event, unless its subject has had its share. A refused reload is the sentinel's to say,
        which also knows of those that no agent answers, and so is what it finds about partners.
        """
        if event.kind is EventKind.PARTNER or (event.kind is EventKind.RELOAD and event.is_trouble):
            return
        subject, kind = self._subject(event, now), self._kind(event, now)
        if subject.lines >= LOG_LINES_PER_SUBJECT_MAX:
            subject.left_out += 1
            return
        if kind.lines >= LOG_LINES_PER_KIND_MAX:
            kind.left_out += 1
            return
        subject.lines += 1
        kind.lines += 1
        more = {}
        if subject.lines == LOG_LINES_PER_SUBJECT_MAX:
            more = {"hint": "the next changes within this minute are not logged"}
        if kind.lines == LOG_LINES_PER_KIND_MAX:
            more = {"hint": f"no {event.kind.value} is logged in the rest of this minute: there are too many"}
        write = log.warning if event.is_trouble else log.info
        write(event.kind.value, subject=event.subject, change=event.change, reason=event.reason, **more)

    def _kind(self, event: Event, now: float) -> _Share:
        share = self._kinds[event.kind] = _current(self._kinds.get(event.kind), event.kind, "all", now)
        return share

    def _subject(self, event: Event, now: float) -> _Share:
        key = event.kind, event.subject
        subject = self._subjects[key] = _current(self._subjects.get(key), event.kind, event.subject, now)
        self._subjects.move_to_end(key)
        if len(self._subjects) > LOGGED_SUBJECTS_MAX:
            self._subjects.popitem(last=False)
        return subject

    def __len__(self) -> int:
        return len(self._subjects)


def _current(share: _Share | None, kind: EventKind, subject: str, now: float) -> _Share:
    """This minute's share. Of the one before it is said how much was left out."""
    if share is not None and now - share.since_s < LOG_WINDOW_S:
        return share
    if share is not None and share.left_out:
        log.warning("changes were not logged", kind=kind.value, subject=subject, changes=share.left_out)
    return _Share(now)
