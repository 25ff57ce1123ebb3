"""When a node that leaves is relieved of its fronts: not before what it lets go has been let go."""

from math import inf

from lbmesh.failover.claims import FrontState
from lbmesh.failover.fronts import Fronts
from lbmesh.failover.lease import Electorate
from lbmesh.failover.orders import Acquire, Done, Release
from lbmesh.failover.plan import Standing
from lbmesh.failover.sight import Sight
from lbmesh.model.address import Address
from lbmesh.model.front import Front

FRONT = Front(Address("203.0.113.1", 80), "a", "a1")


def test_a_front_that_is_being_let_go_is_not_gone_yet() -> None:
    fronts = Fronts("a1", [FRONT], now=0.0, session="s", electorate=Electorate({}), drain_s=1.0, settle_s=0.0)
    fronts.see(0.0, Sight({"a1": Standing("a")}))
    (order,) = fronts.step(0.0).orders
    assert isinstance(order, Acquire)
    fronts.take(0.1, Done(FRONT.name, order.ticket))
    fronts.step(0.1)
    fronts.configure(0.2, [])
    (released,) = fronts.step(0.2).orders
    assert isinstance(released, Release)
    assert fronts.statuses()[0].state is FrontState.RELEASING
    assert not fronts.is_relieved
    fronts.take(0.3, Done(FRONT.name, released.ticket))
    fronts.step(0.3)
    assert fronts.is_relieved
    assert fronts.next_deadline() < inf
