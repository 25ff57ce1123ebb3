"""What flaps does not fill the log."""

import pytest
from structlog.testing import capture_logs

from lbmesh.agent.event_log import EventLog
from lbmesh.agent.limits import LOG_LINES_PER_KIND_MAX, LOG_LINES_PER_SUBJECT_MAX, LOGGED_SUBJECTS_MAX
from lbmesh.control.inputs import Event, EventKind


def flip(subject: str = "shop/10.0.0.1:80", kind: EventKind = EventKind.REPLICA) -> Event:
    return Event(kind, subject, "up to down", "connection refused", is_trouble=True)


def test_a_subject_gets_its_share_of_lines_a_minute_and_then_a_count() -> None:
    events = EventLog()
    with capture_logs() as lines:
        for second in range(100):
            events.write(flip(), float(second))
    assert [line["event"] for line in lines] == [
        *["replica"] * LOG_LINES_PER_SUBJECT_MAX,
        "changes were not logged",
        *["replica"] * LOG_LINES_PER_SUBJECT_MAX,
    ]
    assert lines[LOG_LINES_PER_SUBJECT_MAX]["changes"] == 60 - LOG_LINES_PER_SUBJECT_MAX
    assert [("hint" in line) for line in lines[:LOG_LINES_PER_SUBJECT_MAX]].count(True) == 1


def test_one_that_flaps_takes_nothing_from_the_others() -> None:
    events = EventLog()
    with capture_logs() as lines:
        for _ in range(1000):
            events.write(flip(), 0.0)
        events.write(flip("shop/10.0.0.2:80"), 0.0)
        events.write(flip(kind=EventKind.MEMBER), 0.0)
    assert len(lines) == LOG_LINES_PER_SUBJECT_MAX + 2


def test_names_made_up_by_somebody_outside_do_not_fill_the_log_either() -> None:
    events = EventLog()
    with capture_logs() as lines:
        for number in range(3 * LOG_LINES_PER_KIND_MAX):
            events.write(flip(str(number), EventKind.MEMBER), 0.0)
        events.write(flip(), 0.0)
        events.write(flip("newcomer", EventKind.MEMBER), 60.0)
    assert [line["event"] for line in lines[:LOG_LINES_PER_KIND_MAX]] == ["member"] * LOG_LINES_PER_KIND_MAX
    assert "too many" in lines[LOG_LINES_PER_KIND_MAX - 1]["hint"]
    assert [line["event"] for line in lines[LOG_LINES_PER_KIND_MAX:]] == [
        "replica",
        "changes were not logged",
        "member",
    ]
    assert lines[-2]["changes"] == 2 * LOG_LINES_PER_KIND_MAX


@pytest.mark.parametrize("kind", [EventKind.RELOAD, EventKind.PARTNER])
def test_what_the_sentinel_says_is_not_said_twice(kind: EventKind) -> None:
    with capture_logs() as lines:
        EventLog().write(flip(kind=kind), 0.0)
    assert lines == []


def test_subjects_are_bounded() -> None:
    events = EventLog()
    with capture_logs():
        for number in range(LOGGED_SUBJECTS_MAX + 10):
            events.write(flip(str(number)), 0.0)
    assert len(events) == LOGGED_SUBJECTS_MAX
