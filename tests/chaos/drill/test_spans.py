"""From the lab's events to the faults of the report, and from balancers' states to the timeline."""

from typing import Any

from lbmesh_chaos.drill.sightings import Sightings
from lbmesh_chaos.drill.spans import judged_by_whole, spans, struck, text_of
from lbmesh_chaos.faults.order import Order
from lbmesh_chaos.model.faults import Cut, Flapping, Kill, OneWay, Split
from lbmesh_chaos.model.outcome import FaultSpan
from lbmesh_chaos.model.timeline import Event, What
from tests.chaos.faults.worlds import three_zones

WORLD = three_zones()


def names(order: Order) -> list[str]:
    return [host.name for host in struck(order, WORLD)]


def test_a_fault_lasts_until_its_undo_is_taken_and_what_it_ended_boots_after_that() -> None:
    events = [
        {"at_s": 1.0, "event": "fault begins", "fault": 7, "label": "kill"},
        {"at_s": 1.1, "event": "fault stands", "fault": 7, "label": "kill"},
        {"at_s": 5.0, "event": "fault heals", "fault": 7, "label": "kill"},
        {"at_s": 5.1, "event": "fault undone", "fault": 7, "label": "kill"},
        {"at_s": 6.6, "event": "fault ready", "fault": 7, "label": "kill"},
        {"at_s": 7.0, "event": "fault healed", "fault": 7, "label": "kill"},
    ]
    orders = {"kill": Order("kill", Kill(("lb-a1",)), 10.0)}
    assert spans(events, orders, WORLD) == (
        FaultSpan("kill", "Kill: targets lb-a1", ("lb-a1",), ("zone-a",), 1.0, 5.1, 1.5),
    )


def test_who_is_struck() -> None:
    assert names(Order("a", Kill(("zone-a",)), 1.0)) == ["lb-a1", "app-a1", "app-a2", "dns-a"]
    assert "client-a" in names(Order("a", Cut(("zone-a",)), 1.0))
    assert names(Order("a", OneWay(("lb-a1",), ("lb-b1",)), 1.0)) == ["lb-a1", "lb-b1"]
    assert names(Order("a", Split((("lb-a1",), ("lb-b1",)), ()), 1.0)) == ["lb-a1", "lb-b1"]


def test_a_fault_in_words_leaves_out_what_goes_without_saying() -> None:
    order = Order("a", Cut(("zone-a", "lb-b1")), 1.0, Flapping(2.0, 0.5))
    assert text_of(order) == "Cut: targets zone-a lb-b1, flapping 2 s on, 0.5 s off"


def test_what_one_who_is_cut_off_says_of_the_others_is_a_note() -> None:
    orders = {"cut": Order("cut", Cut(("lb-a1",)), 10.0)}
    seen = [FaultSpan("cut", "", ("lb-a1",), ("zone-a",), 1.0, 5.0)]
    inside = Event(2.0, What.AGREED, "lb-b1", "lb-a1", "no answer")
    outside = Event(2.0, What.AGREED, "lb-a1", "lb-b1", "no answer")
    before = Event(0.5, What.AGREED, "lb-b1", "lb-a1", "no answer")
    judged = judged_by_whole([inside, outside, before], seen, orders)
    assert {(one.what, one.observer, one.at_s) for one in judged} == {
        (What.NOTE, "lb-a1", 2.0),
        (What.AGREED, "lb-b1", 2.0),
        (What.AGREED, "lb-a1", 0.5),
    }


def state(
    member: str, gone: dict[str, Any] | None = None, availability: str = "up", own: bool = True
) -> dict[str, Any]:
    opinion = {"observer": "lb-a1", "up": own, "age_s": 0.25, "reason": "probe"}
    replica = {
        "address": "10.2.2.1:8080",
        "availability": availability,
        "for_s": 1.0,
        "reason": "why",
        "ejected_for_s": None,
        "opinions": [opinion],
    }
    other = {"name": "lb-b1", "state": member, "for_s": 0.5, "reason": "why", "gone": gone}
    return {"members": [other], "services": [{"replicas": [replica]}]}


def test_what_a_balancer_holds_becomes_events_with_its_own_times() -> None:
    seen = Sightings("lb-a1", {"10.2.2.1:8080": "app-b1"})
    assert list(seen.saw(state("alive"), 10.0)) == []
    assert list(seen.saw(state("alive", {"for_s": 0.1, "reason": "silent"}), 11.0)) == [
        Event(10.9, What.SUSPECTED, "lb-b1", "lb-a1", "silent")
    ]
    assert list(seen.saw(state("down"), 12.0)) == [Event(11.5, What.AGREED, "lb-b1", "lb-a1", "why")]
    assert list(seen.saw(state("down"), 12.2)) == []
    assert list(seen.saw(state("alive"), 15.0)) == [Event(14.5, What.CLEARED, "lb-b1", "lb-a1", "why")]


def test_an_own_bad_opinion_is_a_suspicion_and_all_of_them_an_agreement() -> None:
    seen = Sightings("lb-a1", {"10.2.2.1:8080": "app-b1"})
    list(seen.saw(state("alive"), 10.0))
    assert [one.what for one in seen.saw(state("alive", own=False), 11.0)] == [What.SUSPECTED]
    assert [one.what for one in seen.saw(state("alive", availability="down", own=False), 12.0)] == [What.AGREED]
    assert [one.what for one in seen.saw(state("left"), 13.0)] == [What.CLEARED]


def test_a_replica_that_live_traffic_ejected_is_seen_though_all_hold_it_for_up() -> None:
    """lbmesh calls it unknown meanwhile; afterwards it has been up for as long as the checks say."""
    seen = Sightings("lb-a1", {"10.2.2.1:8080": "app-b1"})
    ejected, back = state("alive", availability="unknown"), state("alive")
    ejected["services"][0]["replicas"][0]["ejected_for_s"] = 2.5
    back["services"][0]["replicas"][0]["for_s"] = 60.0
    list(seen.saw(state("alive"), 10.0))
    assert list(seen.saw(ejected, 12.0)) == [Event(11.0, What.EJECTED, "app-b1", "lb-a1", "why")]
    assert [(one.what, one.at_s) for one in seen.saw(back, 14.0)] == [(What.CLEARED, 14.0)]


def test_a_doubt_that_passes_is_over_when_that_is_seen_and_not_before_it_began() -> None:
    """Meanwhile the member was alive, and has been for a minute."""
    seen = Sightings("lb-a1", {"10.2.2.1:8080": "app-b1"})
    well = state("alive")
    well["members"][0]["for_s"] = 60.0
    doubted = state("alive", {"for_s": 0.1, "reason": "silent"})
    list(seen.saw(well, 10.0))
    assert [(one.what, one.at_s) for one in seen.saw(doubted, 11.0)] == [(What.SUSPECTED, 10.9)]
    assert [(one.what, one.at_s) for one in seen.saw(well, 13.0)] == [(What.CLEARED, 13.0)]


def test_an_own_opinion_that_passes_too() -> None:
    seen = Sightings("lb-a1", {"10.2.2.1:8080": "app-b1"})
    doubted, well = state("alive", own=False), state("alive")
    well["services"][0]["replicas"][0]["for_s"] = 60.0
    list(seen.saw(well, 10.0))
    assert [(one.what, one.at_s) for one in seen.saw(doubted, 11.0)] == [(What.SUSPECTED, 10.75)]
    assert [(one.what, one.at_s) for one in seen.saw(well, 13.0)] == [(What.CLEARED, 13.0)]
