"""Explanations: who said what, which rule decided, and what else bears on it."""

import random
from collections.abc import Iterable

from lbmesh.health.book import HealthBook
from lbmesh.model.address import Address
from lbmesh.model.explanation import TRANSITIONS_MAX, Explanation
from lbmesh.model.health import Opinion
from lbmesh.model.member import Member, MemberState
from tests.support.books import replica_id, shop

ZONES = {f"lb-{letter}{number}": f"zone-{letter}" for letter in "abc" for number in range(9)}


def book_of(name: str = "lb-a0", replicas: int = 6, trusted: Iterable[str] = ZONES) -> HealthBook:
    book = HealthBook(name, ZONES[name], random.Random(1))
    book.configure([shop(replicas)], 0.0)
    members = [Member(one, zone, Address("10.9.9.9", 1), 1, MemberState.ALIVE, 0.0, "") for one, zone in ZONES.items()]
    book.set_members(members, frozenset(trusted))
    book.ready(0.0)
    return book


def explain(book: HealthBook, now: float, number: int = 0) -> Explanation:
    book.ready(now)
    found = book.explain(now, replica_id(number))
    assert found
    return found


def tell(book: HealthBook, now: float, number: int, words: str) -> None:
    """As in "a1+ b2-": lb-a1 says up, lb-b2 says down."""
    for one in words.split():
        name = f"lb-{one[:2]}"
        reason = "status 200" if one[2] == "+" else "refused"
        book.hear(Opinion(name, ZONES[name], replica_id(number), one[2] == "+", now, reason), now)


def test_nobody_has_said_anything() -> None:
    found = explain(book_of(), 0.5)
    assert (found.subject, found.state, found.rule, found.said) == ("shop/10.0.0.1:1", "unknown", "nobody", ())
    assert explain(book_of(), 2.0).for_s == 2.0


def test_own_evidence_with_its_streak_and_the_next_probe() -> None:
    book = book_of(trusted=())
    book.probe_finished(replica_id(0), success=True, reason="status 200", now=0.1)
    book.ready(0.1)
    book.probe_finished(replica_id(0), success=False, reason="status 503", now=1.1)
    book.request_failed(replica_id(0), "upstream_reset", 1.2)
    found = explain(book, 1.5)
    assert (found.state, found.rule, found.reason) == ("up", "own_evidence", "status 200; last 1 failed")
    assert [(one.who, one.zone, one.what, one.age_s, one.counts) for one in found.said] == [
        ("this node", "zone-a", "up: status 200", 0.3999999999999999, True)
    ]
    assert found.notes[0] == "this node is one of its probers: lb-a0"
    assert any(note.startswith("a probe is under way") for note in found.notes)
    assert "own last 1 of 3 failures that make it down" in found.notes
    assert "requests failed of late: 1 of the 9 points that make it down (a failed connection is 3)" in found.notes
    assert [(one.before, one.after, one.rule, one.reason) for one in found.history] == [
        ("unknown", "up", "own_evidence", "status 200")
    ]
    book.probe_finished(replica_id(0), success=False, reason="status 503", now=2.0)
    assert any(note.startswith("the next probe is due in 0.") for note in explain(book, 2.0).notes)


def test_whose_words_count_and_whose_do_not() -> None:
    book = book_of(trusted=[name for name in ZONES if name != "lb-c1"])
    tell(book, 1.0, 0, "a1+ a2- a3- b1+ c1+")
    found = explain(book, 4.0)
    assert (found.state, found.rule) == ("down", "same_zone_majority")
    assert found.reason == "2 of 3 observers of this zone say down; lb-a2: refused"
    assert [(one.who, one.what, one.age_s, one.counts) for one in found.said] == [
        ("lb-a1", "up: status 200", 3.0, True),
        ("lb-a2", "down: refused", 3.0, True),
        ("lb-a3", "down: refused", 3.0, True),
        ("lb-b1", "up: status 200", 3.0, True),
        ("lb-c1", "up: status 200", 3.0, False),
    ]
    assert found.said[-1].why_not == "this node cannot reach it over edges that are up"
    assert any("more nodes look" in note for note in found.notes)


def test_a_limit_and_what_it_would_be_without() -> None:
    book = book_of()
    for number in range(6):
        tell(book, 1.0, number, "a1+ a2+ b1+")
    book.ready(1.0)
    for number in range(3):
        tell(book, 10.0, number, "a1- a2- b1-")
    found = explain(book, 10.0, 0)
    assert (found.state, found.rule) == ("down", "same_zone_majority")
    limited = explain(book, 13.0, 1)
    assert (limited.state, limited.rule) == ("up", "removal_limit")
    why = "2 of 2 observers of this zone say down; lb-a1: refused"
    assert limited.reason == f"kept for now, as the peers' words have just taken others out: {why}"
    assert f"without limits it would be down (same_zone_majority): {why}" in limited.notes
    assert "the limit is looked at again in 7 s" in limited.notes


def test_what_is_held_back_says_for_how_long_and_the_unknown_is_not_explained() -> None:
    book = book_of(trusted=())
    for number in range(6):
        book.probe_finished(replica_id(number), success=True, reason="status 200", now=0.1)
    now = 1.0
    for _ in range(20):
        for _ in range(3):
            book.request_failed(replica_id(0), "connect_refused", now)
        book.ready(now)
        now += 0.5
        for number in range(6):
            for _ in range(2):
                book.probe_finished(replica_id(number), success=True, reason="status 200", now=now)
        found = explain(book, now)
        now += 0.5
    assert (found.state, found.rule) == ("down", "held_back")
    assert found.reason == "held back, as it goes up and down: status 200"
    assert "held back for 283 s at most: penalty 32.0, released below 1" in found.notes
    assert book.explain(now, replica_id(99)) is None
    book.configure([], now)
    assert book.explain(now, replica_id(0)) is None


def test_the_history_is_bounded() -> None:
    book = book_of(replicas=1, trusted=())
    for turn in range(40):
        for _ in range(3):
            book.request_failed(replica_id(0), "connect_refused", turn * 1.0)
        book.ready(turn * 1.0)
        for _ in range(2):
            book.probe_finished(replica_id(0), success=True, reason="status 200", now=turn + 0.5)
        found = explain(book, turn + 0.5)
    assert len(found.history) == TRANSITIONS_MAX
    assert [one.after for one in found.history] == ["up", "down"] * (TRANSITIONS_MAX // 2)
    assert [one.age_s for one in found.history] == sorted(one.age_s for one in found.history)
