"""The prober: carries out probe orders, so many at a time, each in a task of its own."""

from time import monotonic

import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import PROBES_IN_FLIGHT_MAX
from lbmesh.agent.probes.probe import probe
from lbmesh.agent.probes.trust import TrustStore
from lbmesh.health.outcome import ProbeOrder


class Prober:
    """Runs probes in a nursery; every order is answered, whatever happens."""

    def __init__(self, hub: Hub, nursery: trio.Nursery) -> None:
        self._hub = hub
        self._trust = TrustStore()
        self._turns = trio.Semaphore(PROBES_IN_FLIGHT_MAX)
        hub.on_probe = lambda order: nursery.start_soon(self._run, order)

    async def _run(self, order: ProbeOrder) -> None:
        async with self._turns:
            result = await probe(self._trust, order)
        self._hub.figures.probes[order.replica.service, "success" if result.success else "failure"] += 1
        self._hub.do(self._hub.plane.probe_finished(order.replica, result, monotonic()))
