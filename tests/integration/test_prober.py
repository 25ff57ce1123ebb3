"""The prober runs so many probes at a time, and answers every order in the end."""

import random
import threading
from functools import partial

import trio
import trio.testing

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import PROBES_IN_FLIGHT_MAX
from lbmesh.agent.probes.prober import Prober
from lbmesh.control.plane import Plane
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.service import HealthCheck, ReplicaId
from tests.support.origins import OriginConnection, running_origin
from tests.support.planes import settings, shop
from tests.support.wait import wait_for

MORE = 5


def test_orders_beyond_the_bound_wait_their_turn() -> None:
    go_on = threading.Event()

    def hold(connection: OriginConnection) -> None:
        connection.read_head()
        go_on.wait(20)
        connection.answer()

    async def main() -> None:
        plane = Plane(settings(shop(1)), generation=1, gossip=None, rng=random.Random(1), now=0.0)
        hub = Hub(plane)
        check = HealthCheck(timeout_s=60.0)
        with running_origin(hold) as origin:
            order = ProbeOrder(ReplicaId("other", origin.address), check)
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    Prober(hub, nursery)
                    for _ in range(PROBES_IN_FLIGHT_MAX + MORE):
                        hub.on_probe(order)
                    full = partial(wait_for, lambda: origin.connections >= PROBES_IN_FLIGHT_MAX, "all probes in flight")
                    await trio.to_thread.run_sync(full)
                    await trio.testing.wait_all_tasks_blocked()
                    assert origin.connections == PROBES_IN_FLIGHT_MAX
                    assert not hub.figures.probes
                    go_on.set()
            assert hub.figures.probes["other", "success"] == PROBES_IN_FLIGHT_MAX + MORE

    trio.run(main)
