"""When a View says that a replica is down, the requests that wait for its answer are moved to another one.

A replica that hangs would else hold them for the whole `response` timeout, though everybody knows by then. What is not
safe to repeat stays, and so does what the client has seen a part of.
"""

from collections import deque

from lbmesh.forwarder.client import ClientConnection
from lbmesh.forwarder.engine import Engine

MOVES_PER_STEP = 16
"""Requests moved between two batches: each takes about as long as a new request."""


class Relocation:
    """All the moves that one View causes, a few in each round of the reactor."""

    urgent = True

    __slots__ = ("_engine", "_left")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._left = deque(
            timed
            for timed in engine.wheel.everything()
            if isinstance(timed, ClientConnection) and timed.exchange.waits_for_fallen()
        )

    def begin(self) -> None:
        """Move the first ones in the reactor's next round."""
        if self._left:
            self._engine.reactor.again(self)
            self._engine.reactor.wake()

    def on_ready(self, events: int) -> None:
        """Move some."""
        del events
        for _ in range(min(MOVES_PER_STEP, len(self._left))):
            client = self._left.popleft()
            if not client.closed:
                self._engine.reactor.step_now(client, client.exchange.leave_fallen)
        if self._left:
            self._engine.reactor.again(self)

    def on_crash(self) -> None:
        """What is left stays where it is."""
