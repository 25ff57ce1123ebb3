"""Token buckets: never more than the limit says, never less, and no way for a flood to free who is limited."""

import tracemalloc
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.limits import RATE_LIMIT_KEYS_MAX
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.route_rules import KeySource, RateLimit, RequestKey, RouteRules
from lbmesh.routing.rate_limit import WAYS, TokenBuckets, buckets_for, limit_fields

ROUTE_KEY = RequestKey(KeySource.ROUTE)


def test_a_burst_then_the_rate() -> None:
    buckets = TokenBuckets(RateLimit(requests=10, per_s=1.0, burst=3), 8)
    assert [buckets.take("a", 100.0) == 0.0 for _ in range(5)] == [True, True, True, False, False]
    assert buckets.take("a", 100.0) == pytest.approx(0.1)
    assert buckets.take("a", 100.05) == pytest.approx(0.05)
    assert buckets.take("a", 100.1) == 0.0
    assert buckets.take("a", 100.1) > 0.0
    assert [buckets.take("a", 200.0) == 0.0 for _ in range(4)] == [True, True, True, False]


def test_keys_do_not_share() -> None:
    buckets = TokenBuckets(RateLimit(requests=1, per_s=1.0, burst=1), 64)
    assert [buckets.take(key, 5.0) == 0.0 for key in ("a", "b", "a", "b", 0, -1)] == [
        True,
        True,
        False,
        False,
        True,
        True,
    ]


limits = st.builds(RateLimit, st.integers(1, 50), st.sampled_from([0.5, 1.0, 60.0]), st.integers(1, 20))
pauses = st.lists(st.floats(0.0, 3.0), min_size=1, max_size=80)


@given(limits, pauses)
def test_any_stretch_of_time_sees_at_most_the_burst_and_the_rate(limit: RateLimit, pauses: list[float]) -> None:
    """And whoever is refused and comes back when told to is let in."""
    buckets = TokenBuckets(limit, 8)
    now, admitted = 1.0, []
    for pause in pauses:
        now += pause
        wait_s = buckets.take("a", now)
        if wait_s:
            now += wait_s + 1e-6
            assert buckets.take("a", now) == 0.0
        admitted.append(now)
    rate = limit.requests / limit.per_s
    for start, first in enumerate(admitted):
        for end in range(start, len(admitted)):
            assert end - start + 1 <= limit.burst + (admitted[end] - first) * rate + 1e-3


@given(limits, st.integers(1, 5), st.integers(0, 10_000))
def test_a_flood_of_keys_frees_nobody_who_has_used_up_his_tokens(limit: RateLimit, victims: int, flood: int) -> None:
    """Fewer of them than a set has places stay limited whatever comes; the table stays as large as it was."""
    slow = RateLimit(limit.requests, limit.per_s * 1e6, limit.burst + 1)
    buckets = TokenBuckets(slow, WAYS)
    size = buckets.size
    now = 10.0
    for victim in range(victims):
        while buckets.take(("victim", victim), now) == 0.0:
            continue
    for key in range(flood % 300):
        buckets.take(("flood", key), now)
    assert all(buckets.take(("victim", victim), now) > 0.0 for victim in range(victims))
    assert buckets.size == size


def test_the_table_does_not_grow() -> None:
    buckets = TokenBuckets(RateLimit(1, 3600.0, 1), RATE_LIMIT_KEYS_MAX)
    assert buckets.size == RATE_LIMIT_KEYS_MAX
    tracemalloc.start()
    for key in range(3 * RATE_LIMIT_KEYS_MAX):
        buckets.take(key, 1.0)
    assert tracemalloc.get_traced_memory()[0] < 1000
    tracemalloc.stop()


def limited(path: str, limit: RateLimit) -> Route:
    return Route(("*",), (path,), (WeightedService("app"),), rules=RouteRules(rate_limit=limit))


def test_buckets_live_on_under_another_limit() -> None:
    first = buckets_for([limited("/", RateLimit(1, 100.0, 1))], 1, {})
    (buckets,) = first.values()
    assert buckets.take("a", 1.0) == 0.0
    second = buckets_for([limited("/", RateLimit(1, 10.0, 1)), limited("/b", RateLimit(1, 1.0, 1))], 1, first)
    assert buckets in second.values()
    assert buckets.take("a", 2.0) == pytest.approx(99.0)
    assert buckets_for([], 1, second) == {}


@given(st.integers(1, 64), st.integers(1, 1000), st.integers(1, 1000))
def test_the_forwarders_of_a_node_share_what_a_route_is_allowed(workers: int, requests: int, burst: int) -> None:
    limit = RateLimit(requests, 1.0, burst, ROUTE_KEY)
    (buckets,) = buckets_for([limited("/", limit)], workers, {}).values()
    admitted = sum(buckets.take(b"", 1.0) == 0.0 for _ in range(burst + 1))
    assert admitted == ceil(burst / workers)
    (alone,) = buckets_for([limited("/", RateLimit(requests, 1.0, burst))], workers, {}).values()
    assert sum(alone.take(b"", 1.0) == 0.0 for _ in range(burst + 1)) == burst


def test_many_limits_share_the_memory() -> None:
    routes = [limited(f"/{number}", RateLimit(1, 1.0, 1)) for number in range(16)]
    assert sum(each.size for each in buckets_for(routes, 1, {}).values()) == RATE_LIMIT_KEYS_MAX


def test_what_a_client_is_told() -> None:
    assert limit_fields(RateLimit(100, 0.5, 1), 0.01) == (
        b"Retry-After: 1",
        b'RateLimit-Policy: "route";q=100;w=1',
        b'RateLimit: "route";r=0;t=1',
    )
