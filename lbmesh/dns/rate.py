"""How many answers one network gets over UDP, where anybody can pretend to be in it (response rate limiting).

A theoretical time of arrival for each network (GCRA, ITU-T I.371): one number says how much of the allowance is used.
"""

from collections.abc import Hashable
from enum import Enum, auto

from lbmesh.dns.limits import RATE_BURST_S, RATE_NETWORKS_MAX, RATE_SLIP


class Allowance(Enum):
    """ANSWER it; SLIP: say "come over TCP"; DROP it."""

    ANSWER = auto()
    SLIP = auto()
    DROP = auto()


class RateLimit:
    """Of `rate` answers a second to each network; 0: no limit. Two tables: when the newer one is full, the older one is
    forgotten, which forgives what was used up in it.
    """

    def __init__(self, rate: int) -> None:
        self._gap_s = 1 / rate if rate else 0.0
        self._until_s: dict[Hashable, float] = {}
        self._before: dict[Hashable, float] = {}
        self._limited = 0

    def take(self, network: Hashable, now: float) -> Allowance:
        """One more answer."""
        if not self._gap_s:
            return Allowance.ANSWER
        until_s = self._until_s.get(network)
        if until_s is None:
            until_s = self._before.get(network, now)
            if len(self._until_s) >= RATE_NETWORKS_MAX:
                self._before, self._until_s = self._until_s, {}
        if until_s - now > RATE_BURST_S:
            self._limited += 1
            return Allowance.DROP if self._limited % RATE_SLIP else Allowance.SLIP
        self._until_s[network] = max(until_s, now) + self._gap_s
        return Allowance.ANSWER

    @property
    def size(self) -> int:
        """Networks that are remembered."""
        return len(self._until_s) + len(self._before)
