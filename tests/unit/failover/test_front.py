"""The machine of one front at one node, as a transcript: what it is told, what it orders, in which state it is."""

from math import inf

import pytest

from lbmesh.failover.claims import FrontState
from lbmesh.failover.front import Aim, FrontMachine, Wish
from lbmesh.failover.front_limits import (
    ACQUIRE_RETRY_MAX_S,
    FENCE_QUIET_S,
    OCCUPIED_RETRY_S,
    ORDER_S,
    RETRY_MAX_S,
    RETRY_S,
    UNFIT_AFTER,
    UNFIT_S,
)
from lbmesh.failover.orders import (
    Acquire,
    Done,
    Drain,
    Drained,
    Drifted,
    Failed,
    Found,
    Occupied,
    Order,
    Outcome,
    Outdated,
    Release,
    Renew,
    Tickle,
    Unfinished,
)
from lbmesh.model.address import Address
from lbmesh.model.front import Front, FrontClass

FRONT = Front(Address("203.0.113.1", 80), "a", "a1")
EXCLUSIVE = Front(FRONT.address, "a", "a1", FrontClass.EXCLUSIVE)
NAME = FRONT.name
HOLD = Wish(Aim.HOLD, "home")
DROP = Wish(Aim.DROP, "b1 holds it")
LAST = Wish(Aim.HOLD, "home", is_last=True)
STAY = Wish(Aim.STAY, "isolated")
GIVE = Wish(Aim.YIELD, "a1 is back", heir="a1")
GIVEN = Wish(Aim.YIELD, "a1 is back", heir="a1", heir_holds=True)
DRAIN_S = 5.0


class Told:
    """A machine, its clock, and the newest ticket of what it ordered."""

    def __init__(self, front: Front = FRONT) -> None:
        self.now = 100.0
        self.machine = FrontMachine(front, DRAIN_S, self.now)
        self.right_until_s = inf
        self.ticket = 0

    def step(self, wish: Wish, after_s: float = 0.0, epoch: int = 7) -> list[type[Order]]:
        self.now += after_s
        orders = self.machine.step(self.now, wish, epoch, self.right_until_s)
        for order in orders:
            if isinstance(order, Acquire | Release):
                self.ticket = order.ticket
        self.orders = orders
        return [type(order) for order in orders]

    def take(self, outcome: Outcome, after_s: float = 0.0) -> None:
        self.now += after_s
        self.machine.take(self.now, outcome)

    def done(self) -> None:
        self.take(Done(NAME, self.ticket))

    def fail(self, reason: str = "no rights") -> None:
        self.take(Failed(NAME, self.ticket, reason))

    def is_in(self, state: FrontState) -> bool:
        return self.machine.state is state


def held(front: Front = FRONT, right_until_s: float = inf) -> Told:
    told = Told(front)
    told.right_until_s = right_until_s
    told.step(HOLD)
    told.done()
    told.step(HOLD)
    assert told.is_in(FrontState.HELD)
    return told


def test_from_idle_to_held_and_back() -> None:
    told = Told()
    assert told.step(STAY) == told.step(DROP) == []
    assert told.step(HOLD) == [Acquire]
    assert told.is_in(FrontState.CLAIMING)
    (order,) = told.orders
    assert isinstance(order, Acquire)
    assert (order.epoch, order.reason, order.ask_first, order.until_s) == (7, "home", True, inf)
    assert told.step(HOLD, 1.0) == []
    told.done()
    assert told.step(HOLD) == [Renew]
    assert told.is_in(FrontState.HELD)
    assert told.step(HOLD, 100.0) == []
    assert told.step(DROP) == [Release]
    assert told.is_in(FrontState.RELEASING)
    told.done()
    assert told.is_in(FrontState.IDLE)
    assert told.step(HOLD, epoch=3) == [Acquire]
    assert told.machine.epoch == 8, "never one that was used"


def test_what_a_dead_holder_left_is_tickled_once() -> None:
    told = Told()
    told.step(Wish(Aim.HOLD, "a1 is gone", holder_before="a1"))
    told.done()
    assert told.step(HOLD) == [Renew, Tickle]
    assert told.step(HOLD) == []


def test_the_outcome_of_an_order_that_is_over_changes_nothing() -> None:
    told = Told()
    told.step(HOLD)
    late = told.ticket
    told.step(DROP)
    told.take(Done(NAME, late))
    assert told.is_in(FrontState.RELEASING)
    told.done()
    assert told.is_in(FrontState.IDLE)


def test_a_claim_that_was_not_begun_ends_without_an_order() -> None:
    told = Told(EXCLUSIVE)
    told.right_until_s = -inf
    assert told.step(HOLD) == []
    assert told.is_in(FrontState.CLAIMING)
    assert told.step(DROP) == []
    assert told.is_in(FrontState.IDLE)


def test_attempts_are_ever_further_apart_and_end_in_passing_the_front_on() -> None:
    told = Told()
    told.step(HOLD)
    for attempt in range(1, UNFIT_AFTER):
        told.fail()
        wait_s = RETRY_S * 2 ** (attempt - 1)
        assert told.step(HOLD, wait_s - 0.01) == []
        assert told.machine.due_s(inf) == pytest.approx(told.now + 0.01)
        assert told.step(HOLD, 0.02) == [Acquire]
    told.fail()
    assert told.step(HOLD) == [Release]
    assert told.machine.reason == f"its driver failed {UNFIT_AFTER} times: no rights"
    told.done()
    assert told.step(HOLD, UNFIT_S - 1) == []
    assert told.machine.is_unfit(told.now)
    assert told.step(HOLD, 1.1) == [Acquire]


def test_who_is_the_last_that_could_have_it_tries_on_and_on() -> None:
    told = Told()
    told.step(LAST)
    for _ in range(3 * UNFIT_AFTER):
        told.fail()
        assert told.step(LAST) == []
        assert not told.machine.is_unfit(told.now)
        assert told.step(LAST, ACQUIRE_RETRY_MAX_S) == [Acquire]
    assert told.machine.problem == "no rights"
    told.done()
    told.step(LAST)
    assert told.is_in(FrontState.HELD)
    for _ in range(UNFIT_AFTER):
        told.take(Drifted(NAME, "gone"))
        assert told.step(LAST, ACQUIRE_RETRY_MAX_S) == [Acquire]
        told.fail()
    assert told.step(LAST) == []
    assert told.step(HOLD) == [Release], "as soon as another could have it"


def test_who_was_passed_by_takes_it_when_nobody_else_could() -> None:
    told = Told()
    told.step(HOLD)
    for _ in range(UNFIT_AFTER):
        told.fail()
        told.step(HOLD, RETRY_MAX_S)
    told.done()
    assert told.step(HOLD, 1.0) == []
    assert told.machine.is_unfit(told.now)
    assert told.step(LAST, 1.0) == [Acquire]
    told.done()
    assert not told.machine.is_unfit(told.now), "it holds it, so it can"


def test_what_a_driver_said_is_not_said_for_ever() -> None:
    told = Told()
    told.step(HOLD)
    told.take(Occupied(NAME, told.ticket, "02:00:00:00:00:01"))
    assert told.step(DROP) == []
    assert (told.machine.state, told.machine.problem) == (FrontState.IDLE, "")
    other = held()
    other.take(Drifted(NAME, "no BFD"))
    other.step(DROP)
    other.done()
    other.step(DROP)
    assert (other.machine.state, other.machine.problem) == (FrontState.IDLE, "")


def test_a_front_that_answers_elsewhere_is_asked_again_soon_and_makes_nobody_unfit() -> None:
    told = Told()
    told.step(HOLD)
    for _ in range(20):
        told.take(Occupied(NAME, told.ticket, "02:00:00:00:00:01"))
        assert told.step(HOLD, 1.1) == [Acquire]
    assert told.machine.problem == "it still answers elsewhere: 02:00:00:00:00:01"
    told.take(Occupied(NAME, told.ticket, "02:00:00:00:00:01"))
    assert told.step(DROP) == [], "nothing was taken"


def test_an_order_that_is_under_way_is_given_again_and_makes_nobody_unfit() -> None:
    told = Told()
    told.step(HOLD)
    for _ in range(20):
        told.take(Unfinished(NAME, told.ticket, "the provider works on it"))
        assert told.step(HOLD, 1.1) == [Acquire]
    assert told.machine.problem == "the provider works on it"
    told.take(Unfinished(NAME, told.ticket, "the provider works on it"))
    assert told.step(DROP) == [Release], "some of it may be done"


def test_a_newer_epoch_in_the_world_is_exceeded_and_needs_new_votes() -> None:
    told = Told(EXCLUSIVE)
    told.right_until_s = told.now + 2.0
    told.step(HOLD)
    told.take(Outdated(NAME, told.ticket, 57, "lb-b1"))
    assert told.machine.epoch == 58
    assert told.machine.problem == "lb-b1 claimed it with epoch 57, which is no older than 7"
    told.right_until_s = -inf
    assert told.step(HOLD, epoch=9) == []
    assert told.is_in(FrontState.CLAIMING), "nothing was begun"
    told.right_until_s = told.now + 2.0
    assert told.step(HOLD, OCCUPIED_RETRY_S) == [Acquire]
    (order,) = told.orders
    assert isinstance(order, Acquire)
    assert order.epoch == 58


def test_a_holder_that_meets_a_newer_epoch_holds_no_more() -> None:
    told = held(EXCLUSIVE, right_until_s=1000.0)
    told.take(Drifted(NAME, "it is led elsewhere"))
    assert told.step(HOLD) == [Acquire]
    told.take(Outdated(NAME, told.ticket, 9, "lb-b1"))
    told.right_until_s = -inf
    assert told.step(HOLD) == [Release]
    assert told.is_in(FrontState.FENCED)


def test_a_right_that_lasts_longer_is_told_while_an_acquire_is_under_way() -> None:
    told = Told(EXCLUSIVE)
    told.right_until_s = told.now + 2.0
    assert told.step(HOLD) == [Acquire]
    assert told.step(HOLD, 0.5) == []
    told.right_until_s += 1.0
    assert told.step(HOLD) == [Renew]
    assert told.orders == [Renew(EXCLUSIVE, 7, told.right_until_s)]
    assert told.step(HOLD) == []


def test_a_driver_that_does_not_answer_has_failed() -> None:
    told = Told()
    told.step(HOLD)
    assert told.machine.due_s(inf) == told.now + ORDER_S
    assert told.step(HOLD, ORDER_S) == []
    assert told.machine.problem == f"the driver has not answered for {ORDER_S:g} s"
    assert told.step(HOLD, RETRY_S) == [Acquire]


def test_a_release_is_ordered_until_it_is_done() -> None:
    told = held()
    told.step(DROP)
    for _ in range(12):
        told.fail("busy")
        assert told.step(HOLD, RETRY_MAX_S) == [Release]
    told.done()
    assert told.step(HOLD) == [Acquire]


def test_what_was_changed_by_hand_is_repaired_without_letting_go() -> None:
    told = held()
    told.take(Drifted(NAME, "the address is not on eth0"))
    assert told.machine.problem == "the address is not on eth0"
    assert told.step(HOLD) == [Acquire]
    (order,) = told.orders
    assert isinstance(order, Acquire)
    assert (order.reason, order.ask_first) == ("repair: the address is not on eth0", False)
    assert told.is_in(FrontState.HELD)
    told.done()
    assert told.machine.problem == ""
    assert told.step(HOLD) == []


def test_a_repair_that_fails_again_and_again_passes_the_front_on() -> None:
    told = held()
    told.take(Drifted(NAME, "the interface is gone"))
    for _ in range(UNFIT_AFTER):
        told.step(HOLD, RETRY_MAX_S)
        told.fail()
    assert told.step(HOLD) == [Release]
    assert told.machine.is_unfit(told.now)


def test_an_overlapping_front_is_let_go_after_its_heir_holds_it_and_clients_have_left() -> None:
    told = held()
    assert told.step(GIVE) == [Drain]
    assert told.is_in(FrontState.DRAINING)
    assert told.machine.heir == "a1"
    assert told.step(GIVE, 10 * DRAIN_S) == []
    assert told.step(GIVEN) == []
    assert told.step(GIVEN, DRAIN_S - 0.1) == []
    assert told.step(GIVEN, 0.2) == [Release]


def test_nobody_is_left_so_it_is_let_go_at_once_but_never_before_the_heir() -> None:
    told = held()
    told.step(GIVE)
    told.take(Drained(NAME))
    assert told.step(GIVE) == []
    assert told.step(GIVEN) == [Release]


def test_an_exclusive_front_is_let_go_before_its_heir_has_it() -> None:
    told = held(EXCLUSIVE, right_until_s=1e6)
    assert told.step(GIVE) == [Drain]
    assert told.step(GIVE, DRAIN_S - 0.1) == []
    assert told.step(GIVE, 0.2) == [Release]


@pytest.mark.parametrize("wish", [HOLD, STAY])
def test_a_handover_that_comes_to_nothing_is_taken_back(wish: Wish) -> None:
    told = held()
    told.step(GIVE)
    assert told.step(wish) == [Acquire]
    assert told.is_in(FrontState.HELD)
    assert told.machine.heir == ""


@pytest.mark.parametrize("start", ["claiming", "held", "draining"])
def test_without_the_right_it_is_fenced_at_once_and_left_alone_for_a_while(start: str) -> None:
    told = Told(EXCLUSIVE)
    told.right_until_s = 103.0
    told.step(HOLD)
    if start != "claiming":
        told.done()
        told.step(HOLD)
    if start == "draining":
        told.step(GIVE)
    assert told.machine.due_s(told.right_until_s) == 103.0
    told.now = 103.0
    assert told.step(HOLD) == [Release]
    assert told.is_in(FrontState.FENCED)
    (order,) = told.orders
    assert isinstance(order, Release)
    assert order.is_fenced
    told.right_until_s = inf
    told.done()
    assert told.step(HOLD, FENCE_QUIET_S - 0.1) == []
    assert told.step(HOLD, 0.2) == [Acquire]
    assert told.machine.epoch > 7


def test_a_longer_right_is_passed_on_and_no_order_goes_out_without_one() -> None:
    told = Told(EXCLUSIVE)
    told.right_until_s = -inf
    assert told.step(HOLD, epoch=4) == []
    assert told.step(HOLD, epoch=6) == []
    assert told.machine.epoch == 6, "above any that another has used meanwhile"
    told.right_until_s = told.now + 2.0
    assert told.step(HOLD) == [Acquire]
    told.done()
    assert told.step(HOLD) == [Renew]
    assert told.step(HOLD) == []
    told.right_until_s += 0.75
    assert told.step(HOLD) == [Renew]


def test_what_an_agent_before_held_is_held_and_an_exclusive_one_without_votes_is_fenced() -> None:
    told = Told()
    told.take(Found(NAME, 12))
    assert told.is_in(FrontState.HELD)
    assert told.machine.epoch == 12
    assert told.step(STAY) == [Renew]
    other = Told(EXCLUSIVE)
    other.right_until_s = -inf
    other.take(Found(NAME, 12))
    assert other.step(HOLD) == [Release]
    assert other.is_in(FrontState.FENCED)


def test_an_isolated_node_keeps_what_it_holds_and_begins_nothing() -> None:
    told = held()
    assert told.step(STAY, 1000.0) == []
    assert told.is_in(FrontState.HELD)
    new = Told()
    new.step(HOLD)
    assert new.step(STAY) == [Release]


def test_a_note_is_said_while_the_front_is_held_and_is_no_failure() -> None:
    told = Told()
    told.step(HOLD)
    told.machine.take(told.now, Done(NAME, told.ticket, "no BFD"))
    told.step(HOLD)
    assert (told.machine.state, told.machine.problem) == (FrontState.HELD, "no BFD")
    assert told.step(HOLD, 60.0) == []
    told.machine.take(told.now, Drifted(NAME, "BFD is up again"))
    assert told.step(HOLD) == [Acquire]
    told.machine.take(told.now, Done(NAME, told.ticket))
    assert (told.machine.state, told.machine.problem) == (FrontState.HELD, "")
