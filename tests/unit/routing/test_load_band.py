"""The load band: one step at a time, none between the bounds, none while there is nothing to compare."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.routing.load_band import ABOVE, BELOW, BUSY, SPILL_MAX, STEP, LoadBand


@pytest.mark.parametrize(
    ("own", "others", "change"),
    [
        (4.0, 2.0, STEP),
        (2.0, 0.0, STEP),
        (ABOVE * 2 - 0.01, 2.0, 0.0),
        (BELOW * 2 + 0.01, 2.0, 0.0),
        (2.0, 2.0, -STEP),
        (1.5, 2.0, -0.1),
        (BUSY - 0.01, 0.0, -STEP),
    ],
)
def test_a_step(own: float, others: float, change: float) -> None:
    band = LoadBand(0.2)
    band.step(own, others)
    assert band.spill == pytest.approx(0.2 + change)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=50))
def test_whatever_is_said_the_spill_stays_within_its_bounds(loads: list[tuple[float, float]]) -> None:
    band = LoadBand()
    for own, others in loads:
        before = band.spill
        band.step(own, others)
        assert 0.0 <= band.spill <= SPILL_MAX
        assert band.spill - before <= STEP + 1e-9
