"""This node's doubt about itself (Lifeguard's local health, arXiv 1707.00788, with other signs).

Sends that fail and steps that come late are strikes. While there are some, an edge needs more misses to break: who is
starved of processor time or cut off by its own firewall is slower to accuse others. Missed answers are no strikes,
as they are in Lifeguard: here most of them are the death of a zone, and what speaks against this node then is that
others reach whom it does not, which the verdict sees.
"""

from lbmesh.gossip.limits import SENDS_FAILED_MAX, SENDS_WITHIN_S, GossipTiming
from lbmesh.model.address import Address


class Awareness:
    """Strikes that fade."""

    def __init__(self, timing: GossipTiming) -> None:
        self._timing = timing
        self._strikes = 0.0
        self._at_s = float("-inf")
        self._failed_s: dict[Address, float] = {}
        self.latest = ""
        """What the last strike was for."""

    def send_failed(self, now: float, address: Address, peers: int) -> None:
        """The system refused to send to this address. That of one member may be one that nobody can send to; when two,
        and a quarter of the `peers`, fail within a second, it is this node.
        """
        self._failed_s = {each: at_s for each, at_s in self._failed_s.items() if now - at_s < SENDS_WITHIN_S}
        if len(self._failed_s) < SENDS_FAILED_MAX:
            self._failed_s[address] = now
        enough = min(max(2, peers / 4), peers, SENDS_FAILED_MAX)
        if len(self._failed_s) >= enough:
            self.strike(now, f"sending to {address} failed")

    def strike(self, now: float, reason: str) -> None:
        """Something that is this node's own fault went wrong."""
        self._strikes = min(self.strikes(now) + 1, self._timing.strikes_max)
        self._at_s = now
        self.latest = reason

    def strikes(self, now: float) -> float:
        """What is left of them."""
        return self._strikes * 0.5 ** ((now - self._at_s) / self._timing.strike_half_life_s) if self._strikes else 0.0

    def extra_misses(self, now: float) -> int:
        """How many more pings than usual a peer may miss now."""
        return round(self.strikes(now))
