"""A fault's times and its cost."""

import pytest

from lbmesh_chaos.model.outcome import Place
from lbmesh_chaos.model.tally import Tally, Verdict
from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.report.passage import clusters, passages
from tests.support.drill_outcomes import BEGAN_S, carried, fates, fault, outcome

LOST, UNKNOWN = Verdict.LOST, Verdict.UNKNOWN


def _said(second: float, what: What, subject: str, observer: str) -> Event:
    return Event(BEGAN_S + second, what, subject, observer)


def test_losses_that_end_while_the_fault_stands_were_diverted() -> None:
    (one,) = passages(outcome(Tally((fates(bad={10.3: LOST}, bad_for_s=2.0),)), fault()))
    assert one.first_lost_s == pytest.approx(0.3)
    assert one.divert_s == pytest.approx(2.2)
    assert one.recover_s == 0.0


def test_losses_up_to_the_heal_were_not() -> None:
    (one,) = passages(outcome(Tally((fates(bad={10.0: LOST}, bad_for_s=11.0),)), fault()))
    assert one.divert_s is None
    assert one.recover_s == pytest.approx(0.9)


def test_a_request_caught_in_flight_belongs_to_the_fault() -> None:
    flow = fates(bad={9.9: UNKNOWN})
    flow.latencies_s[99] = 5.0
    (one,) = passages(outcome(Tally((flow,)), fault()))
    assert (one.first_lost_s, one.divert_s) == (0.0, 0.0)
    before = fates(bad={9.9: UNKNOWN})
    (none,) = passages(outcome(Tally((before,)), fault()))
    assert none.first_lost_s is None


def test_each_observer_s_first_word_counts() -> None:
    events = (
        _said(10.4, What.SUSPECTED, "lb-a1", "lb-b1"),
        _said(10.2, What.SUSPECTED, "lb-a1", "lb-c1"),
        _said(10.9, What.SUSPECTED, "lb-a1", "lb-c1"),
        _said(11.0, What.AGREED, "a", "lb-b1"),
        _said(11.5, What.AGREED, "lb-a1", "lb-c1"),
        _said(11.6, What.AGREED, "somebody else", "lb-d1"),
        _said(21.0, What.CLEARED, "lb-a1", "lb-b1"),
    )
    (one,) = passages(outcome(Tally((fates(),)), fault(), events=events))
    assert one.suspected_s == pytest.approx({"lb-c1": 0.2, "lb-b1": 0.4})
    assert one.detect_s == pytest.approx(0.2)
    assert one.agree_s == pytest.approx(1.5)
    assert one.agree_up_s == pytest.approx(1.0)


def test_traffic_moves_away_from_a_struck_balancer_and_comes_back() -> None:
    through = carried("app-b1", "b", "10.1.1.1", 9.0, 10.0, 10.7, 20.4, 21.0)
    other = carried("app-b1", "b", "10.2.1.1", 12.0, 20.1)
    places = (Place("lb-a1", "a", "10.1.1.1"),)
    (one,) = passages(outcome(Tally((fates(),), (through, other)), fault(), places=places))
    assert one.moved_s == pytest.approx(0.7)
    assert one.rejoin_s == pytest.approx(0.4)


def test_traffic_that_does_not_come_back_is_never_called_rejoined() -> None:
    through = carried("app-a1", "a", "10.2.1.1", 9.0)
    (one,) = passages(outcome(Tally((fates(),), (through,)), fault(targets=("app-a1",))))
    assert (one.moved_s, one.rejoin_s) == (0.0, None)


def test_the_control_is_who_asks_from_elsewhere() -> None:
    flows = (fates("a", "a", bad={11.0: LOST}), fates("b", "b"), fates("c", "c", bad={12.0: UNKNOWN}))
    (one,) = passages(outcome(Tally(flows), fault()))
    assert (one.struck.sent, one.struck.lost) == (200, 1)
    assert (one.control.sent, one.control.lost, one.control.unknown) == (400, 0, 1)
    assert one.hurt == ("a", "c")
    assert one.control_hurt == ("c",)


def test_each_request_belongs_to_one_cluster() -> None:
    drill = outcome(Tally((fates(bad={5.0: LOST, 25.0: UNKNOWN}),)), fault("first", 10, 12), fault("second", 20, 22))
    found = clusters(drill, passages(drill))
    assert [(one.sent, one.lost) for one in found] == [(200, 1), (100, 1)]
