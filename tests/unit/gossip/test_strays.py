"""Bad datagrams by source: told of once a minute, within bounds whatever the sources are."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.gossip.limits import STRAY_SOURCES_MAX, STRAY_SOURCES_TOLD_MAX, GossipTiming
from lbmesh.gossip.seal import Rejection
from lbmesh.gossip.strays import Strays

TIMING = GossipTiming()
IN_ORDER = [Rejection.SELF, Rejection.LEFT, Rejection.STALE_IDENTITY, Rejection.UNKNOWN_KEY, Rejection.FORGED]


def test_a_source_is_told_of_once_a_minute_with_what_it_sent() -> None:
    strays = Strays(TIMING)
    told = [strays.refused(now / 10, "10.0.0.9", Rejection.MALFORMED) for now in range(1250)]
    said = {index: notice for index, notice in enumerate(told) if notice}
    assert list(said) == [0, 600, 1200]
    assert said[0].what == "datagrams from 10.0.0.9 are refused (1 malformed so far)"
    assert [notice.subject for notice in strays.standing(125.0)] == ["10.0.0.9"]
    assert strays.standing(300.0) == ()


@pytest.mark.parametrize("reason", [Rejection.REPLAYED, Rejection.UNPROVEN])
def test_what_networks_and_restarts_do_now_and_then_is_told_only_in_bulk(reason: Rejection) -> None:
    strays = Strays(TIMING)
    assert [bool(strays.refused(0.1 * count, "10.0.0.9", reason)) for count in range(100)] == [False] * 99 + [True]
    slow = Strays(TIMING)
    assert not any(slow.refused(1.0 * count, "10.0.0.9", reason) for count in range(1000))


@pytest.mark.parametrize("reason", IN_ORDER)
def test_what_is_in_order_or_told_elsewhere_is_not_told_here(reason: Rejection) -> None:
    strays = Strays(TIMING)
    assert not any(strays.refused(0.0, "10.0.0.9", reason) for _ in range(1000))
    assert len(strays) == 0


def test_made_up_sources_are_told_of_at_a_bounded_rate_and_fill_no_memory() -> None:
    strays = Strays(TIMING)
    told = Counter[int]()
    for number in range(20_000):
        now = number * 0.01
        if notice := strays.refused(now, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", Rejection.TRUNCATED):
            told[int(now // 60)] += 1
            last = notice
    assert set(told.values()) == {STRAY_SOURCES_TOLD_MAX + 1}
    assert last.subject == "other sources"
    assert len(strays) == STRAY_SOURCES_MAX


@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.sampled_from(["10.0.0.1", "10.0.0.2", "::1"]), st.sampled_from(Rejection)),
        max_size=60,
    )
)
def test_no_source_is_told_of_twice_in_a_minute(steps: list[tuple[float, str, Rejection]]) -> None:
    strays, now, told = Strays(TIMING), 0.0, dict[str, float]()
    for gap_s, host, reason in steps:
        now += gap_s
        if notice := strays.refused(now, host, reason):
            assert now - told.get(notice.subject, -60.0) >= 60.0
            told[notice.subject] = now
