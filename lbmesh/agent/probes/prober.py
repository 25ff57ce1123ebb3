"""The prober: carries out probe orders, so many at a time, each in a task of its own."""

from time import monotonic

import structlog
import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import LOG_WINDOW_S, PROBES_IN_FLIGHT_MAX
from lbmesh.agent.probes.probe import probe
from lbmesh.agent.probes.trust import TrustStore
from lbmesh.agent.probes.turns import Turns
from lbmesh.agent.probes.words import quoted
from lbmesh.control.inputs import ProbeResult
from lbmesh.health.outcome import ProbeOrder

log = structlog.get_logger(__name__)


class Prober:
    """Runs probes in a nursery; every order is answered, whatever happens."""

    def __init__(self, hub: Hub, nursery: trio.Nursery) -> None:
        self._hub = hub
        self._trust = TrustStore()
        self._turns = Turns(PROBES_IN_FLIGHT_MAX)
        self._steps = trio.Lock()
        self._settings = hub.plane.settings
        self._logged_s: dict[type[Exception], float] = {}
        hub.on_probe = lambda order: nursery.start_soon(self._run, order)

    async def _run(self, order: ProbeOrder) -> None:
        async with self._turns.turn(order.replica.service):
            result = await self._probe(order)
        self._hub.figures.probes[order.replica.service, "success" if result.success else "failure"] += 1
        self._hub.do(self._hub.plane.probe_finished(order.replica, result, monotonic()))

    async def _probe(self, order: ProbeOrder) -> ProbeResult:
        if self._settings is not self._hub.plane.settings:
            self._settings = self._hub.plane.settings
            self._trust.forget_machine()
        try:
            return await probe(self._trust, self._steps, order)
        except Exception as error:
            self._log(error, order)
            said = quoted(str(error).encode(errors="replace"), marks="")
            return ProbeResult(False, f"the probe itself failed: {type(error).__name__}: {said}")

    def _log(self, error: Exception, order: ProbeOrder) -> None:
        """A replica that can bring it about can do so with each probe: once a minute is enough for each kind."""
        now, kind = trio.current_time(), type(error)
        if now - self._logged_s.get(kind, -LOG_WINDOW_S) >= LOG_WINDOW_S:
            self._logged_s[kind] = now
            log.error("a probe itself failed", replica=str(order.replica), exc_info=error)
