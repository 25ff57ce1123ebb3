"""What a node says of its forwarders."""

import pytest

from lbmesh.failover.limits import HUNG_FORWARDER_S
from lbmesh.failover.pulse import Pulse

LATE_S = HUNG_FORWARDER_S + 0.1


def test_ages_are_the_oldest_and_hung_ones_are_counted() -> None:
    vitals = Pulse(3).take(100.0, 0.2, [0.05, LATE_S, 0.1])
    assert vitals.agent_age_s == 0.2
    assert vitals.forwarder_age_s == pytest.approx(LATE_S)
    assert (vitals.forwarders, vitals.hung) == (3, 1)


def test_a_node_that_starts_has_no_forwarder_that_hangs() -> None:
    vitals = Pulse(2).take(100.0, None, [None, None])
    assert (vitals.forwarders, vitals.hung) == (0, 0)


def test_one_that_died_counts_from_its_last_tick_and_its_successor_is_as_good() -> None:
    pulse = Pulse(2)
    pulse.take(100.0, 0.0, [0.0, 0.0])
    assert pulse.take(100.5, 0.0, [None, None]).hung == 0
    assert pulse.take(100.0 + LATE_S, 0.0, [None, None]).hung == 2
    assert pulse.take(101.5, 0.0, [0.0, None]).hung == 1


def test_leaving_and_draining_are_said() -> None:
    vitals = Pulse(1).take(100.0, 0.0, [0.0], leaving=True, draining=True)
    assert vitals.leaving
    assert vitals.draining
