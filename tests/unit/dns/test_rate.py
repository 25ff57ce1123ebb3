"""The limit of answers to one network."""

import pytest

from lbmesh.dns import rate as rate_module
from lbmesh.dns.rate import Allowance, RateLimit


def answers(limit: RateLimit, network: int, now: float, count: int) -> int:
    return sum(limit.take(network, now) is Allowance.ANSWER for _ in range(count))


def test_a_network_has_its_burst_then_its_rate() -> None:
    limit = RateLimit(10)
    assert answers(limit, 1, 100.0, 50) == 11
    assert answers(limit, 1, 100.5, 50) == 5
    assert answers(limit, 2, 100.5, 50) == 11


def test_of_what_is_beyond_every_second_one_slips() -> None:
    limit = RateLimit(1)
    said = [limit.take(1, 5.0) for _ in range(12)]
    assert said.count(Allowance.ANSWER) == 2
    assert said.count(Allowance.SLIP) == said.count(Allowance.DROP) == 5


def test_without_a_rate_there_is_no_limit_and_no_table() -> None:
    limit = RateLimit(0)
    assert answers(limit, 1, 0.0, 1000) == 1000
    assert limit.size == 0


def test_the_table_is_bounded_and_a_busy_network_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_module, "RATE_NETWORKS_MAX", 100)
    limit = RateLimit(10)
    assert answers(limit, -1, 0.0, 50) == 11
    for network in range(150):
        limit.take(network, 0.0)
    assert answers(limit, -1, 0.0, 50) == 0
    for network in range(1000):
        limit.take(network, 0.0)
        assert limit.size <= 200
