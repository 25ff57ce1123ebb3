"""Health books of a whole mesh: who probes, what is said, and what no single node can do to the others."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmesh.health.limits import LOOKERS_PER_ZONE, PROBE_GAP_S, REASON_GAP_S
from lbmesh.health.merge import Rule
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.member import MemberState
from tests.support.books import CHECK, Books, replica_id

SIZES = [(1,), (3,), (1, 1, 1), (2, 2, 2), (3, 3, 3), (6, 2, 2), (10, 10, 10), (34, 33, 33)]


def settled(sizes: tuple[int, ...], replicas: int = 3, seed: int = 1) -> Books:
    books = Books(sizes, replicas, seed)
    books.run(10.0)
    assert books.all_seen() == {"U" * replicas}
    return books


@pytest.mark.parametrize("sizes", SIZES)
def test_nothing_is_said_while_nothing_changes(sizes: tuple[int, ...]) -> None:
    books = settled(sizes)
    books.told.clear()
    books.run(60.0)
    assert books.told == []
    assert books.all_seen() == {"UUU"}
    if len(books.zones) > 3:
        assert all(sum(replica == replica_id(0) for _, replica in books.rows) == 3 for _ in books.zones)


@pytest.mark.parametrize("sizes", SIZES)
def test_probes_of_a_replica_do_not_grow_with_the_balancers(sizes: tuple[int, ...]) -> None:
    """In peace, in a death, in a dispute between zones, in a shortage and at the start."""
    zones = len(sizes)
    lookers = sum(min(LOOKERS_PER_ZONE, size) for size in sizes)
    probers = min(len([*range(sum(sizes))]), max(3, zones))
    books = Books(sizes, 5)
    books.run(1.0)
    assert max(books.probes_of(number, 0.0) for number in range(5)) <= 2 * probers, "start"
    books.run(9.0)

    def per_interval(seconds: float = 10.0) -> float:
        since_s = books.now
        books.run(seconds)
        return max(books.probes_of(number, since_s) for number in range(5)) / seconds

    assert per_interval() <= probers * 1.15, "peace"
    books.fails.add((None, 1))
    since_s = books.now
    books.run(4.0)
    assert books.probes_of(1, since_s) <= 4 * 1.15 * lookers + lookers, "a death: all lookers at once, and as planned"
    books.run(6.0)
    assert per_interval() <= probers * 1.15, "agreed"
    books.fails = {(name, 2) for name, zone in books.zones.items() if zone == "zone-a"}
    books.run(15.0)
    assert per_interval() <= lookers * 1.15, "one zone does not reach it"
    books.fails = {(None, number) for number in range(4)}
    books.run(10.0)
    assert lookers * 0.85 <= per_interval() <= lookers * 1.15, "a shortage"
    books.fails = {(name, number) for name in books.zones for number in range(5) if random.Random(name).random() < 0.5}
    books.run(10.0)
    assert per_interval() <= lookers * 1.15, "everybody sees something else"


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 3, 3), (10, 10, 10)])
def test_up_from_here_and_down_from_there_is_a_stable_state(sizes: tuple[int, ...]) -> None:
    books = settled(sizes)
    books.fails = {(name, 0) for name, zone in books.zones.items() if zone == "zone-b"}
    books.run(15.0)
    books.forget()
    books.run(120.0)
    assert {(zone, books.seen(name)) for name, zone in books.zones.items()} == {
        ("zone-a", "UUU"),
        ("zone-b", "DUU"),
        ("zone-c", "UUU"),
    }
    assert books.told == []
    assert not any(books.flips.values())


def test_words_of_those_who_looked_are_taken_back_when_the_doubt_is_over() -> None:
    books = settled((3, 3, 3))
    books.fails = {("lb-a0", 0), ("lb-a1", 0), ("lb-a2", 0)}
    books.run(10.0)
    assert sum(replica == replica_id(0) for _, replica in books.rows) == 9
    books.fails.clear()
    books.run(3 * CHECK.interval_s + 5.0)
    assert sum(replica == replica_id(0) for _, replica in books.rows) == 3


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 3, 3), (10, 10, 10)])
@pytest.mark.parametrize("culprit", ["lb-a0", "lb-b0"])
def test_a_node_that_sees_nothing_takes_nothing_from_the_others(sizes: tuple[int, ...], culprit: str) -> None:
    books = settled(sizes, 6)
    books.fails = {(culprit, number) for number in range(6)}
    others = [name for name in books.zones if name != culprit]

    def check(name: str) -> None:
        seen = books.seen(name)
        assert name == culprit or ("D" not in seen and seen.count("?") <= 1), "doubt is limited too"

    books.run(30.0, check)
    assert {books.seen(name) for name in others} == {"UUUUUU"}
    looked = {replica for at_s, node, replica in books.probes if node == culprit and at_s > books.now - 2.0}
    merged = {replica: books.books[culprit].merged(replica) for replica in looked}
    assert all(one and one.availability is Availability.DOWN for one in merged.values()), "it believes its own eyes"


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 3, 3), (10, 10, 10)])
def test_a_liar_takes_nothing_away(sizes: tuple[int, ...]) -> None:
    books = settled(sizes, 6)
    others = [name for name in books.zones if name != "lb-a0"]

    def check(name: str) -> None:
        seen = books.seen(name)
        assert name == "lb-a0" or ("D" not in seen and seen.count("?") <= 1)

    for round_number in range(10):
        for number in range(6):
            books.write("lb-a0", number, up=round_number % 2 == 1, reason="lies")
        books.run(2.0, check)
    books.write("lb-a0", 0, up=False)
    for number in range(6):
        books.write("lb-a0", number, up=False, reason="lies")
    books.run(20.0, check)
    assert {books.seen(name) for name in others} == {"UUUUUU"}


def test_who_says_up_and_down_by_turns_does_not_make_the_others_hammer_a_replica() -> None:
    books = settled((3, 3, 3), 2)
    since_s = books.now
    for turn in range(100):
        books.write("lb-a0", 0, up=turn % 2 == 1)
        books.run(0.1)
    assert books.probes_of(0, since_s) <= 2 * 9 * 10 * 1.15, "one as planned and one for the news, of nine lookers"


def test_what_a_bystander_alone_cannot_reach_it_tries_ever_more_rarely() -> None:
    books = settled((10, 10, 10), 4)
    name = next(one for one in books.zones if _role(books, one).startswith("this node leaves probing to others"))
    book = books.books[name]
    books.forget()
    tried = []
    for _ in range(600):
        merged = book.merged(replica_id(0))
        if merged and merged.availability is not Availability.DOWN:
            tried.append(books.now)
            for _ in range(3):
                book.request_failed(replica_id(0), "connect_refused", books.now)
        books.run(1.0)
    others = {books.seen(one) for one in books.zones if one != name}
    assert others == {"UUUU"}, "and nobody else is bothered"
    assert books.seen(name) == "DUUU"
    assert len(tried) <= 12, "in ten minutes; without damping it would be each three intervals"
    assert books.probes_of(0, books.now - 300.0) <= 300 * 9 * 1.15


def _role(books: Books, node: str) -> str:
    explained = books.books[node].explain(books.now, replica_id(0))
    assert explained
    return explained.notes[0]


def test_who_accuses_everybody_is_discounted_with_the_reason() -> None:
    books = settled((4, 4, 4), 6)
    for number in range(6):
        books.write("lb-a0", number, up=False)
    books.run(5.0)
    for name in ("lb-a1", "lb-b0", "lb-c3"):
        explained = books.books[name].explain(books.now, replica_id(0))
        assert explained
        (said,) = [one for one in explained.said if one.who == "lb-a0"]
        assert not said.counts
        assert said.why_not == "it accuses most replicas of all zones, and others reach them"
    for number in range(6):
        books.write("lb-a0", number, up=True)
    books.run(5.0)
    explained = books.books["lb-b0"].explain(books.now, replica_id(0))
    assert explained
    assert all(said.counts for said in explained.said)


def test_without_discount_a_liar_would_keep_the_lookers_busy_for_ever() -> None:
    books = settled((4, 4, 4), 6)
    for number in range(6):
        books.write("lb-a0", number, up=False)
    books.run(10.0)
    since_s = books.now
    books.run(10.0)
    assert max(books.probes_of(number, since_s) for number in range(6)) <= 3 * 10 * 1.15


def test_words_stop_counting_with_trust_and_count_again_with_it() -> None:
    books = settled((3, 3, 3))
    name = next(one for one in books.zones if len(_probed(books, one)) < 3)
    number = next(iter({0, 1, 2} - _probed(books, name)))
    explained = books.books[name].explain(books.now, replica_id(number))
    assert explained
    assert explained.rule in (Rule.SAME_ZONE_MAJORITY, Rule.OTHER_ZONES)
    books.told.clear()
    books.cut = {one for one in books.zones if one != name}
    books.trust()
    books.run(0.0)
    explained = books.books[name].explain(books.now, replica_id(number))
    assert explained
    assert (explained.state, explained.rule) == (Availability.UP, Rule.LAST_KNOWN)
    assert not any(said.counts for said in explained.said if said.who != "this node")
    books.run(1.0)
    explained = books.books[name].explain(books.now, replica_id(number))
    assert explained
    assert (explained.state, explained.rule) == (Availability.UP, Rule.OWN_EVIDENCE)
    books.cut.clear()
    books.trust()
    books.run(0.0)
    explained = books.books[name].explain(books.now, replica_id(number))
    assert explained
    assert sum(said.counts for said in explained.said) == 4
    assert not any(books.flips[name][3:])


def _probed(books: Books, name: str) -> set[int]:
    return {replica.address.port - 1 for _, node, replica in books.probes if node == name}


@pytest.mark.parametrize("availability", ["U", "D"])
def test_what_is_known_stays_while_own_probes_take_over(availability: str) -> None:
    books = settled((10, 10, 10))
    if availability == "D":
        books.fails.add((None, 1))
        books.run(10.0)
    seen = books.all_seen()
    assert seen == {f"U{availability}U"}

    def check(name: str) -> None:
        assert books.seen(name) in seen

    books.cut = set(books.zones)
    books.trust()
    books.run(20.0, check)
    books.cut.clear()
    books.trust()
    books.run(20.0, check)


def test_what_is_last_known_is_forgotten_when_nothing_confirms_it() -> None:
    books = settled((1, 1, 1))
    book = books.books["lb-a0"]
    books.books = {"lb-a0": book}
    books.cut = {"lb-a0"}
    books.trust()
    books.run(0.0)
    start = books.now
    end = start
    ready_probes = 0
    while end < start + 10 * CHECK.interval_s:
        end += 0.25
        ready_probes += len(book.ready(end).probes)
    assert ready_probes == 3, "one each, and none of them has an end"
    assert books.seen("lb-a0") == "???"


def test_a_withdrawn_word_is_gone_and_the_next_in_line_stands_in() -> None:
    books = settled((10, 10, 10))
    probers = {node for node, replica in books.rows if replica == replica_id(0)}
    books.cut = probers
    books.trust()
    books.told.clear()
    books.run(3.0)
    spoke = {node for _, node, replica in books.told if replica == replica_id(0)} - probers
    assert len(spoke) == 3, "the plan of those who are left"
    assert {books.seen(name) for name in books.zones if name not in probers} == {"UUU"}


def test_in_a_silence_of_the_probers_others_stand_in_and_stay() -> None:
    """As when the probers' settings do not have the replica yet, in the middle of a roll-out."""
    books = Books((10, 10, 10), 1)
    books.run(0.0)
    probers = {node for node in books.zones if _is_prober(books, node)}
    for name in probers:
        books.books[name].configure([], books.now)
    books.run(20.0)
    others = [name for name in books.zones if name not in probers]
    assert {books.seen(name) for name in others} == {"U"}
    books.forget()
    since_s = books.now
    books.run(60.0)
    assert books.told == []
    assert not any(books.flips.values())
    assert 60 * 0.85 <= books.probes_of(0, since_s) <= 60 * 9 * 1.15


def _is_prober(books: Books, node: str) -> bool:
    return "this node is one of its probers" in _role(books, node)


def test_the_impaired_are_not_believed_against_others() -> None:
    books = settled((3, 3, 3), 3)
    books.trust({"lb-a0": MemberState.IMPAIRED})
    for number in range(2):
        books.write("lb-a0", number, up=False)
    books.run(5.0)
    explained = books.books["lb-b0"].explain(books.now, replica_id(0))
    assert explained
    (said,) = [one for one in explained.said if one.who == "lb-a0"]
    assert said.why_not == "some balancers cannot reach it, and others have looked"


def test_reasons_that_vary_write_no_row_each() -> None:
    books = settled((1,), 1)
    book = books.books["lb-a0"]
    books.told.clear()
    said: list[Opinion] = []
    for second in range(1, 121):
        books.now += 1.0
        reason = ("status 503", "status 502", "no answer within 1s", "connection refused")[second % 4]
        book.probe_finished(replica_id(0), success=False, reason=reason, now=books.now)
        said += book.ready(books.now).words
    assert 2 <= len(said) <= 120 / REASON_GAP_S + 2


@pytest.mark.parametrize(("success", "before"), [(True, "DUU"), (False, "UUU")])
def test_a_result_of_a_check_that_a_reload_changed_proves_nothing(success: bool, before: str) -> None:
    books = settled((1,))
    if success:
        books.fails.add((None, 0))
        books.run(10.0)
    assert books.seen("lb-a0") == before
    book = books.books["lb-a0"]
    books.now += CHECK.interval_s
    (order,) = [order for order in book.ready(books.now).probes if order.replica == replica_id(0)]
    changed = replace(CHECK, rise=1, fall=1, port=81)
    book.configure([replace(books.service, health=changed)], books.now)
    book.probe_finished(order.replica, success=success, reason="of the old check", now=books.now)
    again = book.ready(books.now + PROBE_GAP_S)
    assert books.seen("lb-a0") == before
    assert ProbeOrder(replica_id(0), changed) in again.probes, "so the new one is asked at once"
    book.probe_finished(order.replica, success=success, reason="of the new check", now=books.now + PROBE_GAP_S)
    book.ready(books.now + PROBE_GAP_S)
    assert books.seen("lb-a0") == ("UUU" if success else "DUU")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(0.01, 2.0)), max_size=30))
def test_no_single_voice_takes_away_what_a_node_sees_as_good(seed: int, lies: list[tuple[int, bool, float]]) -> None:
    books = settled((4, 4, 4), 6, seed)

    def check(name: str) -> None:
        assert name == "lb-c1" or "D" not in books.seen(name)

    for number, up, wait_s in lies:
        books.write("lb-c1", number, up=up)
        books.run(wait_s, check)


def test_a_flapping_replica_comes_back_late_and_goes_at_once() -> None:
    books = settled((1, 1, 1), 4)
    book = books.books["lb-a0"]
    rules = []
    for _ in range(3):
        books.fails.add((None, 0))
        went_s = books.now
        books.run(4.0)
        assert books.seen("lb-a0") == "DUUU", "at once, each time"
        books.fails.clear()
        books.run(5.0)
        merged = book.merged(replica_id(0))
        assert merged
        rules.append(merged.rule)
        assert books.now - went_s == pytest.approx(9.0)
    assert rules == [Rule.OWN_EVIDENCE, Rule.HELD_BACK, Rule.HELD_BACK]
    books.run(300.0)
    assert books.all_seen() == {"UUUU"}


def test_nothing_is_held_back_when_a_service_would_be_short() -> None:
    books = settled((1, 1, 1), 3)
    for _ in range(3):
        books.fails.add((None, 0))
        books.run(4.0)
        books.fails.clear()
        books.run(5.0)
    assert books.seen("lb-a0") == "DUU"
    books.fails.add((None, 1))
    books.run(5.0)
    assert books.seen("lb-a0") == "UDU"
    books.fails.add((None, 0))
    books.run(5.0)
    assert books.seen("lb-a0") == "DDU", "the hold is lifted, not the truth"
