"""A load at real hosts: never more than the list allows, and nowhere else."""

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh_chaos.drill.aimed_load import AllowedLoad, allow
from lbmesh_chaos.drill.load_orders import aimed_orders, requests_in
from lbmesh_chaos.drill.run import DrillError
from lbmesh_chaos.model.flow import Body, Kind, Method
from lbmesh_chaos.toolkit.extension import Load
from lbmesh_chaos.toolkit.target_list import TargetList
from tests.chaos.toolkit.test_target_list import LIST, targets
from tests.chaos.toolkit.test_target_load import LOAD

SHORT = Load(lasts_s=20.0)


def listed(**changes: object) -> TargetList:
    """The list with a load, changed."""
    whole = targets(LIST + LOAD)
    assert whole.load is not None
    return replace(whole, load=replace(whole.load, **changes))  # type: ignore[arg-type]


def test_it_is_the_experiment_s_at_the_rate_that_was_asked_for() -> None:
    made = allow(listed(), replace(SHORT, rate=500.0), 40.0)
    assert (made.load.rate, made.load.lasts_s) == (40.0, 20.0)
    assert str(made).startswith(f"40 requests a second for 20 s ({made.requests} in all) to 10.1.1.1:80 (zone-a), ")
    assert (made.evidence.logged, made.evidence.echoed, made.evidence.counted) == (False, True, True)


@pytest.mark.parametrize(
    ("allowed", "load", "rate", "says"),
    [
        (targets(LIST), SHORT, 10.0, 'the list of "staging" lets none be sent; its owner writes [load]'),
        (listed(), SHORT, 51.0, "--load 51: write a number above 0; the list's rate_max is 50"),
        (listed(), SHORT, 0.0, "--load 0: write a number above 0"),
        (listed(), SHORT, float("nan"), "--load nan: write a number above 0"),
        (listed(), replace(SHORT, lasts_s=121.0), 1.0, "load.lasts: 121 s; the list's lasts_max is 120 s"),
        (listed(requests_max=700), SHORT, 40.0, "in 20 s; the list's requests_max is 700"),
        (listed(), replace(SHORT, first="provider"), 10.0, "load.first: is a host of a lab; leave it out"),
    ],
)
def test_what_the_list_does_not_allow_is_refused(allowed: TargetList, load: Load, rate: float, says: str) -> None:
    with pytest.raises(DrillError) as said:
        allow(allowed, load, rate)
    assert says in str(said.value)


@given(
    rate=st.floats(0.1, 50.0),
    lasts_s=st.floats(1.0, 120.0),
    plain_share=st.sampled_from((0.0, 0.3, 0.5, 1.0)),
    requests_max=st.integers(1, 3000),
)
def test_whatever_is_allowed_stays_within_the_list(
    rate: float, lasts_s: float, plain_share: float, requests_max: int
) -> None:
    within, load = listed(requests_max=requests_max), Load(lasts_s=lasts_s, plain_share=plain_share)
    try:
        made = allow(within, load, rate)
    except DrillError:
        assert rate * lasts_s > requests_max - 40  # the only bound that these can break
        return
    orders = [one.order for one in aimed_orders(made.within, made.load, 100.0, "7", "/{host}/{client}", 1)]
    due = sorted(at_s for order in orders for index in range(len(order.flows)) for at_s in order.due_s(index))
    assert len(due) + len(made.within.addresses) == made.requests <= requests_max
    assert all(100.0 <= at_s < 100.0 + lasts_s for at_s in due)
    assert sum(flow.rate for order in orders for flow in order.flows) == pytest.approx(rate)
    assert len(due) <= ceil(rate * lasts_s) + sum(len(order.flows) for order in orders)
    named = {str(one.address) for one in made.within.addresses}
    assert all(set(order.addresses) == named for order in orders)


def _flows_of(made: AllowedLoad) -> dict[tuple[Kind, Method], float]:
    placed = aimed_orders(made.within, made.load, 0.0, "7", "/{host}/{client}", 1)
    flows = [flow for one in placed for flow in one.order.flows if flow.zone == "zone-a"]
    assert {flow.body for flow in flows} == {Body.SMALL}
    assert len({flow.stem for flow in flows}) == len(flows)
    return {(flow.kind, flow.method): flow.rate for flow in flows}


def test_methods_that_the_list_does_not_name_are_not_used_and_every_kind_of_client_asks() -> None:
    """The list has no keyed_post; without a post there is GET alone."""
    flows = _flows_of(allow(listed(), SHORT, 40.0))
    assert {method for _, method in flows} == {Method.GET, Method.POST}
    assert sum(flows.values()) == pytest.approx(20.0)
    within = listed().load
    assert within is not None
    only_get = _flows_of(allow(listed(template=replace(within.template, post="")), SHORT, 40.0))
    assert set(only_get) == {(kind, Method.GET) for kind in Kind}
    assert sum(only_get.values()) == pytest.approx(20.0)


def test_each_zone_s_clients_ask_its_addresses_first() -> None:
    made = allow(listed(), SHORT, 40.0)
    placed = aimed_orders(made.within, made.load, 0.0, "7", "/{host}/{client}", 1)
    first = {one.host: one.order.addresses[0] for one in placed}
    assert first == {"zone-a": "10.1.1.1:80", "zone-b": "10.1.1.3:80"}
    assert len({one.order.log for one in placed}) == len(placed) == 6
    assert requests_in(placed) + 3 == made.requests
