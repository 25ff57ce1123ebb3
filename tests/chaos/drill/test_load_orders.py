"""Who sends what: every client host has all kinds of flows, the rates add up, and the same drill sends the same."""

from itertools import chain

import pytest

from lbmesh_chaos.drill.load_orders import Placed, orders
from lbmesh_chaos.model.flow import Body, Flow, Kind, Method
from lbmesh_chaos.model.world import World
from lbmesh_chaos.toolkit.extension import Load
from tests.chaos.faults.worlds import three_zones

WORLD = three_zones()
LOG = "/run/{host}/{client}.log"


def placed(load: Load | None = None, world: World = WORLD, seed: int = 7) -> tuple[Placed, ...]:
    return orders(world, load or Load(), 100.0, LOG, seed)


def flows(made: tuple[Placed, ...]) -> list[Flow]:
    return list(chain.from_iterable(one.order.flows for one in made))


def test_the_rates_of_all_flows_add_up_to_the_drill_s() -> None:
    made = flows(placed(Load(rate=600.0, plain_share=0.25)))
    assert sum(one.rate for one in made) == pytest.approx(600.0)
    assert sum(one.rate for one in made if one.kind.is_plain) == pytest.approx(150.0)
    for zone in ("zone-a", "zone-b", "zone-c"):
        assert sum(one.rate for one in made if one.zone == zone) == pytest.approx(200.0)


def test_every_kind_sends_what_is_idempotent_and_what_is_not_small_and_streaming() -> None:
    made = flows(placed())
    for kind in Kind:
        mine = [one for one in made if one.kind is kind]
        assert {one.method.is_idempotent for one in mine} == {True, False}
    for plain in (True, False):
        mine = [one for one in made if one.kind.is_plain is plain]
        assert {one.method for one in mine} == set(Method)
        assert {one.body for one in mine} == set(Body)


def test_each_process_has_one_engine_and_no_two_flows_have_one_name() -> None:
    made = placed()
    engines = [{one.kind for one in each.order.flows} for each in made]
    assert all(kinds in ({Kind.KEPT, Kind.FRESH}, {Kind.MESH_SYNC}, {Kind.MESH_ASYNC}) for kinds in engines)
    assert len({one.order.client for one in made}) == len(made) == 9
    assert len({one.name for one in flows(made)}) == len(flows(made))


def test_a_share_of_nothing_makes_no_process() -> None:
    assert {one.kind.is_plain for one in flows(placed(Load(plain_share=0.0)))} == {False}
    assert {one.kind.is_plain for one in flows(placed(Load(plain_share=1.0)))} == {True}
    assert len(placed(Load(plain_share=1.0))) == 3


def test_clients_know_the_balancers_by_the_service_s_name_where_there_are_resolvers() -> None:
    assert {one.order.addresses for one in placed()} == {("shop.lab:80",)}


def test_whoever_comes_first_is_asked_before_any_balancer() -> None:
    assert {one.order.addresses for one in placed(Load(first="provider"))} == {("provider.lab:80", "shop.lab:80")}
