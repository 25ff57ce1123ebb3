"""Figures as people read them."""

import pytest

from lbmesh_chaos.report.wording import number, percent, seconds

SHARES = {1.0: "100 %", 0.5: "50.00 %", 0.9612: "96.12 %", 0.9995: "99.950 %", 0.9999995: "99.999950 %", 0.0: "0.00 %"}
TIMES = {None: "–", 0.0: "0 ms", 0.9999: "1.00 s", 0.18: "180 ms", 2.314: "2.31 s", 14.2: "14.2 s"}


@pytest.mark.parametrize(("share", "text"), SHARES.items())
def test_a_share_has_two_digits_behind_its_nines(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("value", "text"), TIMES.items())
def test_seconds(value: float | None, text: str) -> None:
    assert seconds(value) == text


def test_thousands_are_set_apart() -> None:
    assert number(1234567) == "1\u202f234\u202f567"
