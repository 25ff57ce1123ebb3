"""Metrics of fronts: what an alert can watch."""

from lbmesh.failover.claims import FrontState
from lbmesh.failover.plan import NOBODY
from lbmesh.failover.sight import FrontStatus
from lbmesh.model.address import Address
from lbmesh.model.front import Front
from lbmesh.observe.front_metrics import front_metrics

FRONT = Front(Address("203.0.113.1", 80), "a")


def samples(*fronts: FrontStatus) -> list[str]:
    lines = b"".join(front_metrics(fronts)).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_who_answers_and_whether_something_is_amiss() -> None:
    held = FrontStatus(FRONT, FrontState.HELD, 0.0, 1, "home", NOBODY, "", "no BFD", ("a1", "b1"))
    assert samples(held) == [
        'lbmesh_front_held{front="203.0.113.1"} 1',
        'lbmesh_front_holders{front="203.0.113.1"} 2',
        'lbmesh_front_trouble{front="203.0.113.1"} 1',
    ]
    idle = FrontStatus(FRONT, FrontState.IDLE, 0.0, 1, "elsewhere", NOBODY, "", "")
    assert {line.rsplit(" ", 1)[1] for line in samples(idle)} == {"0"}
    assert samples() == []
