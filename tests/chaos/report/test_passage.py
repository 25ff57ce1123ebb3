"""A fault's times and its cost."""

from random import Random

import pytest

from lbmesh_chaos.model.outcome import Place
from lbmesh_chaos.model.tally import Tally, Verdict
from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.report.passage import Passage, clusters, passages
from lbmesh_chaos.report.report import make_report
from lbmesh_chaos.report.timeline import timeline
from tests.support.drill_outcomes import BEGAN_S, carried, fates, fault, outcome, steadily

LOST, UNKNOWN = Verdict.LOST, Verdict.UNKNOWN


def _said(second: float, what: What, subject: str, observer: str) -> Event:
    return Event(BEGAN_S + second, what, subject, observer)


def test_losses_that_end_while_the_fault_stands_were_diverted() -> None:
    (one,) = passages(outcome(Tally((fates(bad={10.3: LOST}, bad_for_s=2.0),)), fault()))
    assert one.first_lost_s == pytest.approx(0.3)
    assert one.divert_s == pytest.approx(2.3), "the first good one after the last that failed"
    assert one.recover_s is None, "there was nothing to recover from"


def test_losses_up_to_the_heal_were_not() -> None:
    (one,) = passages(outcome(Tally((fates(bad={10.0: LOST}, bad_for_s=11.0),)), fault()))
    assert one.divert_s is None
    assert one.recover_s == pytest.approx(1.0)


def test_what_failed_until_the_heal_has_recovered_with_the_first_good_request_and_not_at_the_heal() -> None:
    flows = fates(bad={10.0: LOST}, bad_for_s=10.05), fates("slow", bad={19.9: LOST}, bad_for_s=0.1)
    (one,) = passages(outcome(Tally(flows), fault(until=20.03)))
    assert one.divert_s is None
    assert one.recover_s == pytest.approx(0.07)


def test_what_never_recovers_has_no_time_for_it() -> None:
    (one,) = passages(outcome(Tally((fates(bad={12.0: LOST}, bad_for_s=18.0),)), fault()))
    assert (one.divert_s, one.recover_s) == (None, None)


def test_where_nothing_is_lost_there_is_no_hole() -> None:
    (one,) = passages(outcome(Tally((fates(),)), fault()))
    assert (one.first_lost_s, one.divert_s, one.recover_s) == (None, None, None)


def test_a_request_caught_in_flight_belongs_to_the_fault() -> None:
    flow = fates(bad={9.9: UNKNOWN})
    flow.latencies_s[99] = 5.0
    (one,) = passages(outcome(Tally((flow,)), fault()))
    assert (one.first_lost_s, one.divert_s) == (0.0, 0.0), "the next good one was due when it began"
    before = fates(bad={9.9: UNKNOWN})
    (none,) = passages(outcome(Tally((before,)), fault()))
    assert none.first_lost_s is None


WATCHING = ("lb-a1", "lb-b1", "lb-c1")


def test_each_observer_s_first_doubt_counts_and_the_last_one_s_agreement() -> None:
    events = (
        _said(10.4, What.SUSPECTED, "lb-a1", "lb-b1"),
        _said(10.2, What.SUSPECTED, "lb-a1", "lb-c1"),
        _said(10.9, What.SUSPECTED, "lb-a1", "lb-c1"),
        _said(11.0, What.AGREED, "a", "lb-b1"),
        _said(11.5, What.AGREED, "lb-a1", "lb-c1"),
        _said(11.6, What.AGREED, "somebody else", "lb-d1"),
        _said(21.0, What.CLEARED, "lb-a1", "lb-c1"),
        _said(21.2, What.CLEARED, "lb-a1", "lb-b1"),
        _said(21.5, What.CLEARED, "a", "lb-b1"),
    )
    (one,) = passages(outcome(Tally((fates(),)), fault(), events=events, observers=WATCHING))
    assert one.suspected_s == pytest.approx({"lb-c1": 0.2, "lb-b1": 0.4})
    assert one.detect_s == pytest.approx(0.2)
    assert one.agree_s == pytest.approx(1.5)
    assert one.agree_up_s == pytest.approx(1.5)


def test_who_agrees_without_a_doubt_that_was_seen_has_doubted_by_then() -> None:
    events = (_said(11.0, What.AGREED, "lb-a1", "lb-b1"),)
    (one,) = passages(outcome(Tally((fates(),)), fault(), events=events))
    assert one.suspected_s == pytest.approx({"lb-b1": 1.0})


def test_while_one_who_watches_does_not_agree_there_is_no_agreement() -> None:
    events = (_said(10.5, What.AGREED, "lb-a1", "lb-b1"),)
    (one,) = passages(outcome(Tally((fates(),)), fault(), events=events, observers=WATCHING))
    assert one.watching == ("lb-b1", "lb-c1")
    assert one.agreed_s == pytest.approx({"lb-b1": 0.5})
    assert one.agree_s is None


def test_a_zone_is_agreed_down_and_up_with_the_last_of_its_hosts() -> None:
    """Its replicas answer again while its balancer still boots: that is not yet agreement."""
    hosts = ("lb-a1", "app-a1")
    events = (
        _said(10.6, What.AGREED, "lb-a1", "lb-b1"),
        _said(11.8, What.AGREED, "app-a1", "lb-b1"),
        _said(19.9, What.CLEARED, "app-a1", "lb-b1"),
        _said(22.4, What.CLEARED, "lb-a1", "lb-b1"),
    )
    (one,) = passages(outcome(Tally((fates(),)), fault(targets=hosts, boot_s=2.0), events=events))
    assert one.agree_s == pytest.approx(1.8)
    assert one.agree_up_s == pytest.approx(2.4)


def test_what_mended_itself_before_the_heal_needs_no_agreement_after_it() -> None:
    events = (_said(10.5, What.AGREED, "lb-a1", "lb-b1"), _said(12.0, What.CLEARED, "lb-a1", "lb-b1"))
    (one,) = passages(outcome(Tally((fates(),)), fault(), events=events))
    assert (one.agreed_up_s, one.agree_up_s) == ({}, None)


def test_who_condemns_after_the_heal_must_take_it_back_too() -> None:
    said = [
        _said(10.5, What.AGREED, "lb-a1", "lb-b1"),
        _said(20.1, What.CLEARED, "lb-a1", "lb-b1"),
        _said(20.5, What.AGREED, "lb-a1", "lb-b1"),
    ]
    (never,) = passages(outcome(Tally((fates(),)), fault(), events=tuple(said)))
    assert (never.agreed_up_s, never.agree_up_s) == ({"lb-b1": None}, None)
    said.append(_said(21.5, What.CLEARED, "lb-a1", "lb-b1"))
    (once,) = passages(outcome(Tally((fates(),)), fault(), events=tuple(said)))
    assert once.agree_up_s == pytest.approx(1.5)


PLACES = (Place("lb-a1", "a", "10.1.1.1"),)


def _through(*moments: float) -> Passage:
    """A struck balancer, with twenty requests a second before the fault."""
    through = carried("app-b1", "b", "10.1.1.1", *steadily(0.0, 10.0), *moments)
    other = carried("app-b1", "b", "10.2.1.1", *steadily(0.0, 30.0))
    (one,) = passages(outcome(Tally((fates(),), (through, other)), fault(), places=PLACES))
    return one


def test_traffic_leaves_with_the_last_request_before_the_silence_and_comes_back_after_it() -> None:
    one = _through(10.3, 10.7, *steadily(21.4, 30.0))
    assert (one.moved_s, one.back_s, one.rejoin_s) == pytest.approx((0.7, 11.4, 1.4))


def test_traffic_that_never_left_neither_moved_nor_came_back() -> None:
    one = _through(*steadily(10.0, 30.0))
    assert (one.moved_s, one.back_s, one.rejoin_s) == (None, None, None)


def test_traffic_that_was_back_before_the_heal_did_not_wait_for_it() -> None:
    one = _through(*steadily(11.0, 30.0))
    assert (one.moved_s, one.back_s) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert one.rejoin_s is None


def test_what_a_frozen_host_finds_when_it_thaws_is_not_traffic_that_came_back() -> None:
    one = _through(20.002, 20.003, 20.004, *steadily(21.0, 30.0))
    assert one.rejoin_s == pytest.approx(1.0)


def test_traffic_that_does_not_come_back_is_never_called_rejoined() -> None:
    one = _through(10.4)
    assert one.moved_s == pytest.approx(0.4)
    assert (one.back_s, one.rejoin_s) == (None, None)


def test_of_several_hosts_the_last_one_counts() -> None:
    one_host = carried("app-a1", "a", "10.2.1.1", *steadily(0.0, 10.2), *steadily(20.5, 30.0))
    other = carried("app-a2", "a", "10.2.1.1", *steadily(0.0, 11.2), *steadily(22.5, 30.0))
    struck = fault(targets=("app-a1", "app-a2", "dns-a1"))
    (one,) = passages(outcome(Tally((fates(),), (one_host, other)), struck))
    assert (one.moved_s, one.rejoin_s) == pytest.approx((1.15, 2.5))


def test_all_of_it_is_on_one_timeline_in_order() -> None:
    events = (
        _said(10.45, What.SUSPECTED, "lb-a1", "lb-b1"),
        _said(11.0, What.AGREED, "lb-a1", "lb-b1"),
        _said(22.0, What.CLEARED, "lb-a1", "lb-b1"),
    )
    through = carried("app-b1", "b", "10.1.1.1", *steadily(0.0, 10.7), *steadily(23.0, 30.0))
    tally = Tally((fates(bad={10.3: LOST, 21.0: LOST}),), (through,))
    drill = outcome(tally, fault(boot_s=1.5), events=events, places=PLACES)
    told = timeline(drill, passages(drill))
    assert [(one.what, round(one.at_s - BEGAN_S, 6)) for one in told] == [
        (What.APPLIED, 10.0),
        (What.FIRST_LOST, 10.3),
        (What.DIVERTED, 10.4),
        (What.SUSPECTED, 10.45),
        (What.MOVED, 10.65),
        (What.AGREED, 11.0),
        (What.HEALED, 20.0),
        (What.RECOVERED, 21.1),
        (What.READY, 21.5),
        (What.CLEARED, 22.0),
        (What.BACK, 23.0),
    ]


def test_the_control_is_who_asks_from_elsewhere() -> None:
    flows = (fates("a", "a", bad={11.0: LOST}), fates("b", "b"), fates("c", "c", bad={12.0: UNKNOWN}))
    (one,) = passages(outcome(Tally(flows), fault()))
    assert (one.struck.sent, one.struck.lost) == (200, 1)
    assert (one.control.sent, one.control.lost, one.control.unknown) == (400, 0, 1)
    assert one.hurt == ("a", "c")
    assert one.control_hurt == ("c",)


def test_what_a_fault_caught_in_flight_is_its_cost_and_not_that_of_the_time_before() -> None:
    caught, early = fates("a", "a", bad={9.9: LOST}), fates("c", "c", bad={9.0: LOST})
    caught.latencies_s[99] = 5.0
    drill = outcome(Tally((caught, early)), fault())
    (one,) = passages(drill)
    assert (one.struck.lost, one.caught.lost, one.control.lost) == (1, 1, 0)
    assert (one.struck.sent, one.control.sent) == (201, 200)
    report = make_report(drill, Random(1))
    assert (report.baseline.lost, report.baseline.sent) == (1, 199)


def test_each_request_belongs_to_one_cluster() -> None:
    drill = outcome(Tally((fates(bad={5.0: LOST, 25.0: UNKNOWN}),)), fault("first", 10, 12), fault("second", 20, 22))
    found = clusters(drill, passages(drill))
    assert [(one.sent, one.lost) for one in found] == [(200, 1), (100, 1)]
