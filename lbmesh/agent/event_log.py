"""The agent's log of events: each subject gets a bounded number of lines a minute, for what flaps, or is made to flap
by somebody outside, must not fill the disk. Every event is counted in the metrics all the same.
"""

from collections import OrderedDict
from dataclasses import dataclass

import structlog

from lbmesh.agent.limits import LOG_LINES_PER_SUBJECT_MAX, LOG_WINDOW_S, LOGGED_SUBJECTS_MAX
from lbmesh.control.inputs import Event, EventKind

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Subject:
    since_s: float
    lines: int = 0
    left_out: int = 0


class EventLog:
    """Writes events, within bounds."""

    def __init__(self) -> None:
        self._subjects: OrderedDict[tuple[EventKind, str], _Subject] = OrderedDict()

    def write(self, event: Event, now: float) -> None:
        """One line for the event, unless its subject has had its share. A refused reload is the sentinel's to say,
        which also knows of those that no agent answers, and so is what it finds about partners.
        """
        if event.kind is EventKind.PARTNER or (event.kind is EventKind.RELOAD and event.is_trouble):
            return
        subject = self._subject(event, now)
        if subject.lines >= LOG_LINES_PER_SUBJECT_MAX:
            subject.left_out += 1
            return
        subject.lines += 1
        last = {"hint": "the next changes within this minute are not logged"}
        more = last if subject.lines == LOG_LINES_PER_SUBJECT_MAX else {}
        write = log.warning if event.is_trouble else log.info
        write(event.kind.value, subject=event.subject, change=event.change, reason=event.reason, **more)

    def _subject(self, event: Event, now: float) -> _Subject:
        key = event.kind, event.subject
        subject = self._subjects.get(key)
        if subject is None or now - subject.since_s >= LOG_WINDOW_S:
            if subject is not None and subject.left_out:
                log.warning("changes were not logged", kind=event.kind.value, subject=event.subject,
                            changes=subject.left_out)  # fmt: skip
            subject = self._subjects[key] = _Subject(now)
        self._subjects.move_to_end(key)
        if len(self._subjects) > LOGGED_SUBJECTS_MAX:
            self._subjects.popitem(last=False)
        return subject

    def __len__(self) -> int:
        return len(self._subjects)
