"""Isolation, hold-down and mass loss."""

from math import inf

import pytest

from lbmesh.failover.front_limits import FIRM_LOSSES, HOLD_DOWN_MAX_S, LOSSES_S, MASS_S
from lbmesh.failover.guards import Outlook, Record
from lbmesh.failover.plan import Standing
from lbmesh.model.address import Address
from lbmesh.model.front import Front

FRONT = Front(Address("203.0.113.1", 80), "a", "a1", hold_down_s=10.0)
SIX = {f"{zone}{number}": Standing(zone) for zone in "abc" for number in (1, 2)}


@pytest.mark.parametrize(
    ("outlook", "is_isolated"),
    [
        (Outlook(0, hears_peer=False), False),
        (Outlook(1, hears_peer=False), False),
        (Outlook(2, hears_peer=False), True),
        (Outlook(2, hears_peer=True), False),
        (Outlook(2, hears_peer=False, outside={"gateway": True}), False),
        (Outlook(2, hears_peer=False, outside={"gateway": False, "replicas of other zones": True}), False),
        (Outlook(1, hears_peer=False, outside={"gateway": False}), True),
        (Outlook(1, hears_peer=True, outside={"gateway": False}), False),
    ],
)
def test_alone_is_isolated_only_when_nothing_outside_is_in_reach(outlook: Outlook, is_isolated: bool) -> None:
    assert (outlook.isolation() is not None) is is_isolated


def without(*names: str) -> dict[str, Standing]:
    return {name: standing for name, standing in SIX.items() if name not in names}


def test_hold_down_begins_with_the_return_and_doubles_with_each_loss_up_to_a_bound() -> None:
    record = Record()
    record.note(0.0, SIX, ())
    assert record.settled_s(0.0, FRONT, "a1") == 10.0
    now = 100.0
    waits = []
    for _ in range(8):
        record.note(now, SIX, {"a1"})
        assert record.settled_s(now, FRONT, "a1") == inf
        record.note(now + 1.0, SIX, ())
        waits.append(record.settled_s(now + 1.0, FRONT, "a1") - (now + 1.0))
        now += 20.0
    assert waits == [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, HOLD_DOWN_MAX_S, HOLD_DOWN_MAX_S]
    assert record.losses(now + LOSSES_S, "a1") == 0
    assert record.settled_s(now, FRONT, "stranger") == inf


def test_gone_and_then_down_is_one_loss() -> None:
    record = Record()
    record.note(0.0, SIX, ())
    record.note(1.0, SIX, {"a1"})
    record.note(2.0, without("a1"), ())
    assert record.losses(2.0, "a1") == 1
    assert record.often_lost(2.0) == {}
    for now in range(3, 3 + 2 * (FIRM_LOSSES - 1), 2):
        record.note(now, SIX, ())
        record.note(now + 1, without("a1"), ())
    assert record.often_lost(10.0) == {"a1": "a"}, "dead or alive"


@pytest.mark.parametrize(
    ("dead", "is_mass_loss"),
    [
        (("a1",), False),
        (("a1", "a2"), False),
        (("a1", "b1"), False),
        (("a1", "a2", "b1"), True),
        (("a1", "b1", "c1"), True),
        (("a1", "a2", "b1", "b2", "c1"), True),
    ],
)
def test_one_zones_death_is_one_loss_and_half_of_all_votes_in_several_are_too_many(
    dead: tuple[str, ...], is_mass_loss: bool
) -> None:
    record = Record()
    record.note(0.0, SIX, ())
    record.note(10.0, without(*dead), ())
    assert (record.mass_loss(10.0) is not None) is is_mass_loss
    assert record.mass_loss(10.0 + MASS_S) is None


def test_the_death_of_one_of_two_zones_is_one_loss() -> None:
    record = Record()
    two = {"a1": Standing("a"), "b1": Standing("b"), "b2": Standing("b")}
    record.note(0.0, two, ())
    record.note(1.0, {"a1": Standing("a")}, ())
    assert record.mass_loss(1.0) is None
