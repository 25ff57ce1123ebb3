"""Places on paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh_chaos.report.page.scale import Linear, Logarithmic, nice_ticks


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6), most=st.integers(1, 20))
def test_ticks_are_few_within_and_round(low: float, span: float, most: int) -> None:
    ticks = nice_ticks(low, low + span, most)
    assert len(ticks) <= most + 1
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in ticks)


def test_ends_are_drawn_at_the_ends() -> None:
    assert [Linear(0, 10, 100, 200)(value) for value in (0, 5, 10)] == [100, 150, 200]
    assert [Logarithmic(0.001, 1, 90, 0)(value) for value in (0.001, 1, 5)] == pytest.approx([90, 0, 0])
    assert Logarithmic(0.0008, 0.5, 90, 0).ticks() == pytest.approx([0.001, 0.01, 0.1])
