"""Passive evidence: what failing requests say about a replica.

Failures in a row, with no answer to anybody between them, add up to a suspicion; of what fails now and then, outlier
ejection judges. A failed connection weighs three
points: nothing but the replica or the way to it can be at fault. A failure after the connection stood
weighs one: it can be the request's own doing (a slow query, an upload cut short). Three points ask for a
probe at once, nine are a verdict by themselves: three failed connections, or nine failed exchanges.
"""

from dataclasses import dataclass

CONNECT_POINTS = 3
RESPONSE_POINTS = 1
PROBE_POINTS = 3
CONDEMN_POINTS = 9

WINDOW_S = 10.0
"""A failure longer ago than this before the next one is forgotten."""

POINTS = {
    "connect_refused": CONNECT_POINTS,
    "connect_timeout": CONNECT_POINTS,
    "connect_failed": CONNECT_POINTS,
    "response_timeout": RESPONSE_POINTS,
    "request_timeout": RESPONSE_POINTS,
    "upstream_closed": RESPONSE_POINTS,
    "upstream_reset": RESPONSE_POINTS,
    "upstream_idle": RESPONSE_POINTS,
    "bad_response": RESPONSE_POINTS,
}
"""By the access log's words. Any other word is the client's or our own doing and weighs nothing."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Points gathered since the last answer, and when the newest came."""

    points: int = 0
    at_s: float = float("-inf")

    def after(self, reason: str, now: float, *, after_answer: bool = False) -> "Suspicion":
        """The suspicion after one more failed request. It never exceeds CONDEMN_POINTS. `after_answer`: the replica has
        answered since the one before.
        """
        points = POINTS.get(reason, 0)
        if not points:
            return self
        gathered = self.points if now - self.at_s <= WINDOW_S and not after_answer else 0
        return Suspicion(min(gathered + points, CONDEMN_POINTS), now)

    @property
    def wants_probe(self) -> bool:
        """True when it is time to look for oneself."""
        return self.points >= PROBE_POINTS

    @property
    def condemns(self) -> bool:
        """True when the failures alone are proof."""
        return self.points >= CONDEMN_POINTS
