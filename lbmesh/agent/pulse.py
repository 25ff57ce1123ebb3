"""The agent's pulse: stamps the tick board, and measures how late the loop lets it."""

from collections import deque
from time import monotonic

import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import LAG_WINDOW_S, TICK_S
from lbmesh.control.processes import AGENT_SLOT
from lbmesh.observe.ticks import TickBoard

_WINDOW_TICKS = int(LAG_WINDOW_S / TICK_S)


async def keep_pulse(hub: Hub, ticks: TickBoard) -> None:
    """Stamp every TICK_S, for ever. A task of the loop that hangs stops it, which is what the sentinel looks for."""
    lags: deque[float] = deque(maxlen=_WINDOW_TICKS)
    while True:
        ticks.stamp(AGENT_SLOT)
        before = monotonic()
        await trio.sleep(TICK_S)
        lags.append(max(0.0, monotonic() - before - TICK_S))
        hub.figures.loop_lag_s = max(lags)
