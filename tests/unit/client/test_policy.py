"""The numbers and what they refuse; budget and kept connections."""

from dataclasses import dataclass

import httpx
import pytest

from lbmesh.client.budget import AttemptBudget
from lbmesh.client.directory import Endpoint
from lbmesh.client.idle import ConnectionKey, IdleConnections
from lbmesh.client.limits import ADDRESSES_MAX
from lbmesh.client.listing import Admin, parse_balancers, parse_listing
from lbmesh.client.policy import Policy, Repeat, repeat_of
from lbmesh.model.address import Address

LISTED = Policy()
A, B = Address("10.0.1.10", 80), Address("10.0.2.10", 80)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"stagger_s": 0.0}, "above 0"),
        ({"hedge_delay_s": -1.0}, "hedge_delay_s=None"),
        ({"attempts_max": 0}, "write 1"),
        ({"rest_s": 60.0}, "rest_max_s"),
        ({"budget_floor": -1}, "0 or more"),
        ({"hedge_quantile": 1.0}, "like 0.99"),
        ({"hedge_min_s": 0.0}, "above 0"),
        ({"unproven_s": -1.0}, "unproven_s=None"),
        ({"refresh_s": 61.0}, "at most stale_s"),
    ],
)
def test_values_that_cannot_work_are_refused(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Policy(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("balancers", "words"),
    [
        ([], "0 balancers given"),
        ("10.0.1.10:80", 'write a list, for example \\["10.0.1.10:80"\\]'),
        (["10.0.1.10"], "has no port"),
        ([f"10.0.{n}.10:80" for n in range(ADDRESSES_MAX + 1)], f"1 to {ADDRESSES_MAX}"),
    ],
)
def test_a_list_of_balancers_that_makes_no_sense_is_refused(balancers: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_balancers(balancers)


def test_each_balancer_counts_once() -> None:
    assert parse_balancers(["10.0.1.10:80", "10.0.2.10:80", "10.0.1.10:80"]) == (A, B)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_idempotent_methods_may_be_repeated_when_the_body_can(method: str) -> None:
    assert repeat_of(method, (), LISTED, replayable=True) is Repeat.HEDGED
    assert repeat_of(method, (), LISTED, replayable=False) is Repeat.ONCE


@pytest.mark.parametrize("method", ["POST", "PATCH", "CONNECT", "get", "LOCK"])
def test_other_methods_may_not(method: str) -> None:
    assert repeat_of(method, (), LISTED, replayable=True) is Repeat.ONCE


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_key_allows_repeats_one_after_the_other(method: str) -> None:
    keyed = httpx.Headers({"idempotency-key": "1"})
    assert repeat_of(method, keyed, LISTED, replayable=True) is Repeat.AFTER_FAILURE
    assert repeat_of(method, keyed, LISTED, replayable=False) is Repeat.ONCE
    assert repeat_of(method, keyed, Policy(idempotency_field=None), replayable=True) is Repeat.ONCE
    assert repeat_of("LOCK", keyed, LISTED, replayable=True) is Repeat.ONCE


def test_balancers_may_be_listed_by_zone() -> None:
    listed = parse_listing({"zone-a": ["10.0.1.10:80"], "zone-b": ["10.0.2.10:80"]})
    assert listed == (Endpoint(A, "zone-a"), Endpoint(B, "zone-b"))


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        ({}, "0 balancers"),
        ({"zone-a": []}, "0 balancers"),
        ({"": ["10.0.1.10:80"]}, "a plain list"),
        ({"zone-a": ["10.0.1.10:80"], "zone-b": ["10.0.1.10:80"]}, "in two zones"),
    ],
)
def test_a_listing_by_zone_that_makes_no_sense_is_refused(listing: dict[str, list[str]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_listing(listing)


def test_an_admin_source_that_makes_no_sense_is_refused_and_its_token_kept_quiet() -> None:
    with pytest.raises(ValueError, match="write"):
        Admin(["10.0.1.10:9901"], scheme="ftp")
    with pytest.raises(ValueError, match="write"):
        Admin(["10.0.1.10:9901"], port=0)
    with pytest.raises(ValueError, match="write"):
        Admin([])
    assert "secret" not in repr(Admin(["10.0.1.10:9901"], token="secret"))


def test_the_budget_is_a_share_with_a_floor() -> None:
    budget = AttemptBudget(0.2, 3)
    assert budget.limit == 3
    budget.requests = 100
    assert [budget.try_take() for _ in range(21)] == [True] * 20 + [False]
    budget.give_back()
    assert budget.try_take()


@dataclass
class Kept:
    """A connection as far as the pool can see it."""

    name: str
    expired: bool = False
    idle: bool = True

    def has_expired(self) -> bool:
        return self.expired

    def is_idle(self) -> bool:
        return self.idle


def test_the_newest_live_connection_is_reused_and_the_oldest_given_up() -> None:
    pool: IdleConnections[Kept] = IdleConnections(2)
    key = ConnectionKey(A, "http")
    first, second, third = Kept("first"), Kept("second"), Kept("third")
    assert [pool.give(key, each) for each in (first, second, third)] == [[], [], [first]]
    third.expired = True
    assert pool.take(key) == (second, [third])
    assert pool.take(key) == (None, [])


def test_connections_are_not_shared_between_balancers_or_origins() -> None:
    pool: IdleConnections[Kept] = IdleConnections(2)
    pool.give(ConnectionKey(A, "http"), Kept("first"))
    assert pool.take(ConnectionKey(B, "http")) == (None, [])
    assert pool.take(ConnectionKey(A, "https")) == (None, [])
    assert len(pool) == 1


def test_a_connection_in_the_middle_of_something_is_closed() -> None:
    pool: IdleConnections[Kept] = IdleConnections(2)
    busy = Kept("busy", idle=False)
    assert pool.give(ConnectionKey(A, "http"), busy) == [busy]


def test_a_balancers_connections_can_be_dropped() -> None:
    pool: IdleConnections[Kept] = IdleConnections(4)
    to_a, to_b = Kept("a"), Kept("b")
    pool.give(ConnectionKey(A, "http"), to_a)
    pool.give(ConnectionKey(B, "http"), to_b)
    assert pool.drop(A) == [to_a]
    assert pool.drop() == [to_b]
