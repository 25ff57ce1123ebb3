"""Whether this node has what it takes to hold a front, told whenever that changes.

A backup that lacks something would otherwise say so when it is needed, and not before.
"""

from collections.abc import Callable

import structlog
import trio

from lbmesh.drivers.vip.holding import Holding
from lbmesh.drivers.vip.interface import Interface
from lbmesh.drivers.vip.limits import LOOK_S
from lbmesh.drivers.vip.rules import Rules
from lbmesh.failover.orders import Told, Unready

log = structlog.get_logger(__name__)


class Readiness:
    """Of one front at this node. `flows_problem`: that its connections are not known to others, or theirs here, and
    why.
    """

    def __init__(
        self, front: str, interface: Interface, rules: Rules, holding: Holding, flows_problem: Callable[[], str]
    ) -> None:
        self._front = front
        self._interface = interface
        self._rules = rules
        self._holding = holding
        self._flows_problem = flows_problem

    async def look(self, tell: Callable[[Told], None]) -> None:
        """From time to time, for ever. Rules that somebody deleted are set again."""
        told: str | None = None
        while True:
            missing = await self._missing()
            if missing != told:
                if missing:
                    log.warning("a front could not be taken here as things are", front=self._front, problem=missing)
                elif told:
                    log.info("a front could be taken here again", front=self._front)
                tell(Unready(self._front, missing))
            told = missing
            await trio.sleep(LOOK_S)

    async def _missing(self) -> str:
        """What is held is looked after more closely (`holder.py`)."""
        if self._holding.held is None and (problem := self._interface.open() or await self._rules.keep()):
            return problem
        return self._flows_problem()
