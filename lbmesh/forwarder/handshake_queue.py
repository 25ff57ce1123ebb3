"""Handshakes under way: a few steps a round, so that those who shake hands do not hold up those who are served."""

from collections import deque
from typing import Protocol

from lbmesh.forwarder.reactor import Reactor

HANDSHAKES_PER_ROUND = 4
"""Steps of handshakes between two looks at the sockets: with ECDSA P-256 one takes 0.2 ms, with RSA 2048 0.9 ms."""


class Shaking(Protocol):
    """A connection that shakes hands."""

    closed: bool

    def step_handshake(self) -> None:
        """Read what has come and go on."""

    def on_crash(self) -> None:
        """A bug of ours."""


class HandshakeQueue:
    """Those that have something to go on with, first come first served. A handler of the reactor."""

    urgent = False

    __slots__ = ("_reactor", "_stepped", "_waiting")

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._waiting: deque[Shaking] = deque()
        self._stepped: Shaking | None = None

    def add(self, connection: Shaking) -> None:
        """Step this connection soon."""
        if not self._waiting:
            self._reactor.again(self)
        self._waiting.append(connection)

    def on_ready(self, events: int) -> None:
        """One round."""
        del events
        waiting = self._waiting
        for _ in range(min(len(waiting), HANDSHAKES_PER_ROUND)):
            self._stepped = waiting.popleft()
            if not self._stepped.closed:
                self._stepped.step_handshake()
        self._stepped = None
        if waiting:
            self._reactor.again(self)

    def on_crash(self) -> None:
        """A bug in one handshake ends its connection; the others go on."""
        stepped, self._stepped = self._stepped, None
        if self._waiting:
            self._reactor.again(self)
        if stepped is not None:
            stepped.on_crash()
