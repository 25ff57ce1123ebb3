"""One health book: what time alone changes, who stands in for whom, and strangers."""

import random
from math import inf

from lbmesh.health.book import HealthBook
from lbmesh.health.limits import DOUBT_GRACE_S, REMOVAL_WINDOW_S
from lbmesh.health.merge import Rule
from lbmesh.health.plan import comes_before, probers
from lbmesh.model.address import Address
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.member import Member, MemberState
from tests.support.books import CHECK, replica_id, shop

ZONES = {f"lb-{letter}{number}": f"zone-{letter}" for letter in "abc" for number in range(9)}
ID = replica_id(0)
PROBERS = probers(ID, ZONES)
RANKED = [name for name in ZONES if name not in PROBERS]
for _end in range(len(RANKED), 1, -1):
    for _at in range(_end - 1):
        if not comes_before(RANKED[_at], RANKED[_at + 1], ID):
            RANKED[_at], RANKED[_at + 1] = RANKED[_at + 1], RANKED[_at]
BYSTANDER = RANKED[-1]
ITS_ZONE = [name for name in RANKED if ZONES[name] == ZONES[BYSTANDER] and name != BYSTANDER]


def members(*names: str) -> list[Member]:
    return [
        Member(name, ZONES.get(name, "zone-a"), Address("10.9.9.9", 1), 1, MemberState.ALIVE, 0.0, "") for name in names
    ]


def book_of(name: str = BYSTANDER, replicas: int = 6) -> HealthBook:
    book = HealthBook(name, ZONES[name], random.Random(1))
    book.configure([shop(replicas)], 0.0)
    book.set_members(members(*ZONES), frozenset(ZONES))
    book.ready(0.0)
    return book


def tell(book: HealthBook, now: float, observer: str, *, up: bool, number: int = 0) -> None:
    word = Opinion(observer, ZONES.get(observer, "zone-a"), replica_id(number), up, now, "said")
    book.hear(word, now)
    book.ready(now)


def let_pass(book: HealthBook, until_s: float) -> int:
    """Only deadlines, and no probe ends. How many probes were ordered."""
    count = 0
    while (due := book.next_deadline()) <= until_s:
        count += len(book.ready(max(due, 0.0)).probes)
    return count


def state(book: HealthBook, number: int = 0) -> tuple[Availability, Rule]:
    merged = book.merged(replica_id(number))
    assert merged
    return merged.availability, merged.rule


def test_doubt_ends_by_itself() -> None:
    book = book_of()
    far = next(name for name in PROBERS if ZONES[name] != ZONES[BYSTANDER])
    for name in (*ITS_ZONE[:2], far):
        tell(book, 1.0, name, up=True)
    tell(book, 10.0, far, up=False)
    assert state(book) == (Availability.UNKNOWN, Rule.DOUBT)
    let_pass(book, 10.0 + CHECK.timeout_s + DOUBT_GRACE_S)
    assert state(book) == (Availability.UP, Rule.SAME_ZONE_MAJORITY)


def test_the_removal_limit_lets_go_by_itself() -> None:
    book = book_of()
    for up, now in ((True, 1.0), (False, 10.0)):
        for number in range(2):
            for name in ITS_ZONE[:2]:
                tell(book, now, name, up=up, number=number)
    assert state(book, 0)[0] is not Availability.UP
    assert state(book, 1) == (Availability.UP, Rule.REMOVAL_LIMIT)
    let_pass(book, 10.0 + REMOVAL_WINDOW_S)
    assert state(book, 1) == (Availability.DOWN, Rule.SAME_ZONE_MAJORITY)


def test_a_hold_ends_by_itself() -> None:
    book = book_of()
    for number in range(1, 6):
        tell(book, 1.0, ITS_ZONE[0], up=True, number=number)
    for turn in range(6):
        tell(book, 10.0 + turn, ITS_ZONE[0], up=turn % 2 == 0)
    tell(book, 16.0, ITS_ZONE[0], up=True)
    assert state(book) == (Availability.DOWN, Rule.HELD_BACK)
    let_pass(book, 16.0 + 60.0)
    assert state(book) == (Availability.DOWN, Rule.HELD_BACK)
    let_pass(book, 16.0 + 180.0)
    assert state(book) == (Availability.UP, Rule.SAME_ZONE_MAJORITY)


def test_words_of_strangers_are_not_kept_and_those_of_the_forgotten_are_dropped() -> None:
    book = book_of()
    tell(book, 1.0, "lb-x", up=False)
    book.set_members(members(*ZONES, "lb-x"), frozenset({*ZONES, "lb-x"}))
    let_pass(book, 2.0)
    assert "lb-x" not in _said(book)
    tell(book, 3.0, "lb-x", up=False)
    assert "lb-x" in _said(book)
    book.set_members(members(*ZONES), frozenset(ZONES))
    let_pass(book, 4.0)
    assert "lb-x" not in _said(book)


def _said(book: HealthBook) -> set[str]:
    explained = book.explain(9.0, ID)
    assert explained
    return {one.who for one in explained.said}


def test_who_stands_in_goes_on_unless_somebody_who_comes_before_speaks() -> None:
    early, middle, late = RANKED[0], RANKED[len(RANKED) // 2], RANKED[-1]
    for other, is_wanted in ((early, False), (late, True), (next(iter(PROBERS)), False)):
        book = book_of(middle, 1)
        let_pass(book, 30.0)
        for now in (30.0, 30.05):
            book.probe_finished(ID, success=True, reason="status 200", now=now)
            book.ready(now)
        tell(book, 30.1, other, up=True)
        assert (let_pass(book, 30.0 + 1.5 * CHECK.interval_s) > 0) is is_wanted


def test_a_bystander_whose_requests_fail_looks_at_its_pace() -> None:
    book = book_of()
    tell(book, 0.5, ITS_ZONE[0], up=True)
    ordered = []
    for tenth in range(10, 610):
        now = tenth / 10
        if tenth % 5 == 0:
            book.requests_succeeded(ID)
        book.request_failed(ID, "upstream_reset", now)
        for order in book.ready(now).probes:
            if order.replica == ID:
                ordered.append(now)
                book.probe_finished(ID, success=True, reason="status 200", now=now)
    pace = len(ZONES) / 9
    assert 5 <= len(ordered) <= 60 / (CHECK.interval_s * pace) + 1


def test_nothing_is_due_for_a_book_without_replicas() -> None:
    book = book_of(replicas=1)
    book.configure([], 1.0)
    book.ready(1.0)
    assert book.next_deadline() == inf


def alone(*answers: bool | None) -> HealthBook:
    """A node alone, each of whose replicas answers its check wrongly (True), not at all (False), or well (None)."""
    book = HealthBook("lb", "zone-a", random.Random(1))
    book.configure([shop(len(answers))], 0.0)
    for number, answered in enumerate(answers):
        for second in range(CHECK.fall + CHECK.rise):
            reason = (
                "status 200" if answered is None else "status 404, wanted 200" if answered else "connection refused"
            )
            book.probe_finished(
                replica_id(number), success=answered is None, reason=reason, answered=bool(answered), now=float(second)
            )
            book.ready(float(second))
    return book


def test_where_all_are_down_those_that_answer_at_all_are_the_last_resort() -> None:
    book = alone(True, False, True)
    assert [state(book, number) for number in range(3)] == [
        (Availability.UNKNOWN, Rule.LAST_RESORT),
        (Availability.DOWN, Rule.OWN_EVIDENCE),
        (Availability.UNKNOWN, Rule.LAST_RESORT),
    ]
    merged = book.merged(replica_id(0))
    assert merged
    assert merged.reason == (
        "all replicas of the service are down, and this one at least answers: status 404, wanted 200"
    )
    words = book.opinions(replica_id(0))
    assert [word.up for word in words] == [False], "to the others it is what it is"


def test_while_one_is_up_wrong_answers_are_no_resort_and_none_for_long() -> None:
    book = alone(True, None)
    assert state(book, 0) == (Availability.DOWN, Rule.OWN_EVIDENCE)
    book = alone(True, False)
    for second in range(5, 5 + CHECK.rise):
        book.probe_finished(replica_id(1), success=True, reason="status 200", now=float(second))
        book.ready(float(second))
    assert state(book, 1)[0] is Availability.UP
    assert state(book, 0) == (Availability.DOWN, Rule.OWN_EVIDENCE)


def test_whom_requests_could_not_reach_is_no_last_resort() -> None:
    book = alone(None, False)
    for tenth in range(3):
        book.request_failed(replica_id(0), "connect_refused", 6.0 + tenth / 10)
        book.ready(6.0 + tenth / 10)
    assert state(book, 0) == (Availability.DOWN, Rule.OWN_EVIDENCE)


def test_who_ceases_to_answer_at_all_is_no_last_resort_any_more() -> None:
    book = alone(True, False)
    assert state(book, 0) == (Availability.UNKNOWN, Rule.LAST_RESORT)
    book.probe_finished(replica_id(0), success=False, reason="connection refused", now=5.0)
    book.ready(5.0)
    assert state(book, 0) == (Availability.DOWN, Rule.OWN_EVIDENCE)
    book.probe_finished(replica_id(0), success=False, reason="status 404, wanted 200", answered=True, now=6.0)
    book.ready(6.0)
    assert state(book, 0) == (Availability.UNKNOWN, Rule.LAST_RESORT)


def isolated_until(until_s: float) -> HealthBook:
    """A node alone whose link was broken, and has one probe of its one replica under way. One more that fails, and the
    replica is down.
    """
    book = alone(None)
    book.set_isolated(until_s - 2.0, is_isolated=True)
    for failed in range(CHECK.fall - 1):
        book.probe_finished(ID, success=False, reason="no connection within 0.5s", now=until_s - 1.0 + failed / 10)
    let_pass(book, until_s)
    book.set_isolated(until_s, is_isolated=False)
    return book


def test_a_probe_that_was_under_way_when_this_nodes_link_came_back_proves_nothing_if_it_fails() -> None:
    book = isolated_until(12.0)
    book.probe_finished(ID, success=False, reason="no connection within 0.5s", now=12.3)
    assert book.ready(12.3).probes, "it is asked again at once"
    assert state(book)[0] is Availability.UP
    book.probe_finished(ID, success=False, reason="no connection within 0.5s", now=12.8)
    book.ready(12.8)
    assert state(book)[0] is Availability.DOWN


def test_nor_does_a_request_that_fails_so_soon_that_it_may_have_begun_before() -> None:
    book = isolated_until(12.0)
    for tenth in range(5):
        book.request_failed(ID, "connect_timeout", 12.2 + tenth / 10)
        book.ready(12.2 + tenth / 10)
    assert state(book)[0] is Availability.UP
    for tenth in range(5):
        book.request_failed(ID, "connect_timeout", 13.2 + tenth / 10)
        book.ready(13.2 + tenth / 10)
    assert state(book)[0] is Availability.DOWN
