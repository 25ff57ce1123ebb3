"""What is due when."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh_chaos.load.order import Order, read_order, write_order
from lbmesh_chaos.model.flow import Flow, Kind


def _order(*rates: float, seconds: float = 10.0) -> Order:
    flows = tuple(Flow(f"f{at}", "a", Kind.KEPT, rate=rate) for at, rate in enumerate(rates))
    return Order("c", flows, ("10.1.1.1:80",), 100.0, seconds, "c.log")


@given(rates=st.lists(st.floats(0.2, 500), min_size=1, max_size=4), seconds=st.floats(0.5, 20))
def test_the_rate_is_constant_and_all_is_within_the_time(rates: list[float], seconds: float) -> None:
    order = _order(*rates, seconds=seconds)
    for index, rate in enumerate(rates):
        due = order.due_s(index)
        assert abs(len(due) - seconds * rate) <= 1
        assert all(100.0 <= at < 100.0 + seconds + 1e-9 for at in due)
        assert all(abs(later - earlier - 1 / rate) < 1e-6 for earlier, later in pairwise(due))


def test_flows_of_one_rate_do_not_ask_at_the_same_moment() -> None:
    order = _order(*[10.0] * 8)
    first = sorted(order.due_s(index)[0] for index in range(8))
    assert min(later - earlier for earlier, later in pairwise(first)) > 0.004


def test_flows_are_merged_in_order_of_time() -> None:
    order = _order(7.0, 3.0, 11.0)
    merged = list(order.merged([0, 2]))
    assert merged == sorted(merged)
    assert {index for _, index, _ in merged} == {0, 2}
    assert len(merged) == len(order.due_s(0)) + len(order.due_s(2))


def test_an_order_outlives_its_file(tmp_path: Path) -> None:
    order = _order(5.0, 9.0)
    write_order(order, tmp_path / "order.json")
    assert read_order(tmp_path / "order.json") == order


def test_an_order_that_is_none_says_where_it_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text(
        '{"client": "c", "flows": [{"name": "f", "zone": "a", "kind": "carrier pigeon"}]}'
    )
    with pytest.raises(msgspec.ValidationError, match=r"carrier pigeon.*flows"):
        read_order(tmp_path / "order.json")
