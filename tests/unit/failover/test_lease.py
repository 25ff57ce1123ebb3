"""Votes and leases: a majority of a fixed electorate, counted from when the bid was made, promised to one at a time."""

from fractions import Fraction
from math import inf

import pytest

from lbmesh.failover.claims import Bid, Claim, FrontState, Grant
from lbmesh.failover.front_limits import CLOCK_DRIFT_MAX, FENCE_S, LEASE_S, RENEW_S, TERM_S
from lbmesh.failover.lease import Electorate, Tenancy, Voter, electorate

FRONT = "203.0.113.1"
THREE = electorate([("a", ["a1", "a2"]), ("b", ["b1"]), ("c", ["c1"])], [])


def bids(epoch: int, number: int, *, session: str = "s", votes: Electorate = THREE, **more: object) -> Claim:
    claim = Claim(FrontState.CLAIMING, epoch, "", bid=Bid(session, number, votes.fingerprint))
    return Claim(**{**{name: getattr(claim, name) for name in claim.__slots__}, **more})


def voter(now: float = 0.0) -> Voter:
    """One that may vote from LEASE_S on."""
    return Voter(now, THREE.fingerprint)


def test_a_zone_has_one_vote_which_its_nodes_share_and_a_witness_one() -> None:
    votes = electorate([("a", ["a1", "a2"]), ("b", ["b1"])], ["w"])
    assert votes.votes == {"a1": Fraction(1, 2), "a2": Fraction(1, 2), "b1": 1, "w": 1}
    assert not votes.is_majority(["a1", "b1"])
    assert votes.is_majority(["a1", "a2", "w"])
    assert not electorate([("a", ["a1"]), ("b", ["b1"])], []).is_majority(["a1"])
    assert THREE.fingerprint != votes.fingerprint


def test_a_term_ends_before_the_vote_does_however_the_clocks_run() -> None:
    bidders_s = TERM_S / (1 - CLOCK_DRIFT_MAX)
    voters_s = LEASE_S / (1 + CLOCK_DRIFT_MAX)
    assert bidders_s + FENCE_S * 0.9 < voters_s


def test_a_voter_that_starts_promises_nothing_for_a_lease() -> None:
    one = voter()
    claims = {"a1": bids(1, 1)}
    assert one.vote(LEASE_S - 0.01, FRONT, claims, ["a1"]) is None
    assert one.vote(LEASE_S, FRONT, claims, ["a1"]) is not None


def test_a_promise_holds_against_others_until_it_lapses_and_is_renewed_by_each_bid() -> None:
    one = voter(-LEASE_S)
    first = {"a1": bids(1, 1)}
    granted = one.vote(0.0, FRONT, first, ["a1"])
    both = {"a1": bids(1, 1), "b1": bids(2, 1, session="t")}
    assert one.vote(LEASE_S - 0.01, FRONT, both, ["b1", "a1"]) == granted
    renewed = {**both, "a1": bids(1, 2)}
    again = one.vote(LEASE_S - 0.01, FRONT, renewed, ["b1", "a1"])
    assert again is not None
    assert again.bid.round == 2
    assert one.vote(LEASE_S + 0.5, FRONT, renewed, ["b1", "a1"]) == again
    other = one.vote(2 * LEASE_S, FRONT, renewed, ["b1", "a1"])
    assert other is not None
    assert other.holder == "b1"


def test_only_what_its_own_start_lets_go_is_free_before_it_lapses() -> None:
    for session, epoch, is_free in (("s", 1, True), ("other start", 1, False), ("s", 0, False)):
        one = voter(-LEASE_S)
        one.vote(0.0, FRONT, {"a1": bids(1, 1)}, ["a1"])
        over = bids(epoch, 1, session=session, state=FrontState.IDLE)
        found = one.vote(0.1, FRONT, {"a1": over, "b1": bids(2, 1, session="t")}, ["b1"])
        assert found is not None
        assert (found.holder == "b1") is is_free
    one = voter(-LEASE_S)
    one.vote(0.0, FRONT, {"a1": bids(1, 1)}, ["a1"])
    gone = one.vote(0.1, FRONT, {"b1": bids(2, 1, session="t")}, ["b1"])
    assert gone is not None
    assert gone.holder == "a1", "who is not there has not let go"


@pytest.mark.parametrize("state", [FrontState.RELEASING, FrontState.FENCED, FrontState.IDLE])
def test_who_does_not_bid_gets_nothing(state: FrontState) -> None:
    assert voter(-LEASE_S).vote(0.0, FRONT, {"a1": bids(1, 1, state=state)}, ["a1"]) is None


def test_an_epoch_that_was_used_is_used_up() -> None:
    one = voter(-LEASE_S)
    one.vote(0.0, FRONT, {"a1": bids(5, 1)}, ["a1"])
    late = {"b1": bids(5, 1, session="t")}
    found = one.vote(2 * LEASE_S, FRONT, late, ["b1"])
    assert found is not None
    assert found.holder == "a1"


def test_another_electorate_gets_no_vote_and_what_it_holds_is_taken() -> None:
    others = electorate([("a", ["a1"]), ("b", ["b1"]), ("d", ["d1"])], [])
    assert voter(-LEASE_S).vote(0.0, FRONT, {"a1": bids(1, 1, votes=others)}, ["a1"]) is None
    held = bids(1, 1, votes=others, state=FrontState.HELD)
    assert voter(-LEASE_S).vote(0.0, FRONT, {"a1": held, "b1": bids(2, 1)}, ["b1"]) is None


def test_a_promise_outlives_the_settings() -> None:
    one = voter(-LEASE_S)
    one.vote(0.0, FRONT, {"a1": bids(1, 1)}, ["a1"])
    one.keep(1.0, [])
    found = one.vote(1.0, FRONT, {"b1": bids(2, 1, session="t")}, ["b1"])
    assert found is not None
    assert found.holder == "a1"


def grants(tenancy_bid: Bid, *voters: str, epoch: int = 1, holder: str = "a1") -> dict[str, Grant]:
    return {name: Grant(holder, epoch, tenancy_bid) for name in voters}


def test_a_lease_is_counted_from_the_bid_that_the_last_voter_of_a_majority_answered() -> None:
    own = Tenancy("a1", "s", THREE)
    first = own.bid(10.0)
    assert own.bid(10.0 + RENEW_S / 2) == first
    second = own.bid(10.0 + RENEW_S)
    assert second.round == first.round + 1
    assert own.until_s(1, grants(first, "a1", "b1")) == -inf, "half of three zones' votes are one and a half"
    assert own.until_s(1, grants(first, "a1", "a2", "b1")) == 10.0 + TERM_S
    mixed = grants(second, "a1", "a2") | grants(first, "b1")
    assert own.until_s(1, mixed) == 10.0 + TERM_S
    assert own.until_s(1, grants(second, "b1", "c1")) == 10.0 + RENEW_S + TERM_S


@pytest.mark.parametrize(
    "other",
    [
        Bid("another start", 1, THREE.fingerprint),
        Bid("s", 99, THREE.fingerprint),
        Bid("s", 1, "another electorate"),
    ],
)
def test_votes_for_other_bids_do_not_count(other: Bid) -> None:
    own = Tenancy("a1", "s", THREE)
    bid = own.bid(10.0)
    assert own.until_s(1, grants(bid, "b1", "c1")) > 10.0
    assert own.until_s(1, grants(other, "b1", "c1")) == -inf
    assert own.until_s(2, grants(bid, "b1", "c1")) == -inf
    assert own.until_s(1, grants(bid, "b1", "c1", holder="b1")) == -inf
    assert own.until_s(1, grants(bid, "b1", "stranger", "another")) == -inf
