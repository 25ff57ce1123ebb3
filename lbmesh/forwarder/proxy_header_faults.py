"""Connections that were closed for want of a right PROXY header: all of them counted, a few of them logged."""

from collections.abc import Callable

import structlog

LOG_GAP_S = 10.0
"""One is logged in this time: whoever reaches the port can bring them about."""

log = structlog.get_logger(__name__)


class ProxyHeaderFaults:
    """`count`: since the process started."""

    __slots__ = ("_clock", "_logged_s", "count")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._logged_s: float | None = None
        self.count = 0

    def note(self, peer: str, detail: str) -> None:
        """A connection from this peer was closed for this reason."""
        self.count += 1
        now = self._clock()
        if self._logged_s is None or now - self._logged_s >= LOG_GAP_S:
            self._logged_s = now
            log.warning("a connection without a right PROXY header", peer=peer, problem=detail, so_far=self.count)
