"""Two nodes with one name: the higher incarnation wins, and both sides say so.

A node that lost its boot counter looks just the same from outside. The silence of the other tells them apart:
when nothing new comes from the higher incarnation for ten seconds, this node takes the name back, one epoch
above it.
"""

from dataclasses import dataclass

from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.limits import MEMBERS_MAX, SEQUENCE_MAX, GossipTiming


@dataclass(slots=True)
class _Claim:
    incarnation: Incarnation
    beat: int
    since_s: float


class Claims:
    """Claims to this node's own name by others, and when conflicts were last reported."""

    def __init__(self, timing: GossipTiming) -> None:
        self._timing = timing
        self._claim: _Claim | None = None
        self._reported_s: dict[str, float] = {}

    def note(self, now: float, incarnation: Incarnation, beat: int | None) -> None:
        """An incarnation above our own uses our name. `beat` None: it spoke itself, so it lives."""
        claim = self._claim
        if claim is None or incarnation > claim.incarnation:
            self._claim = _Claim(incarnation, beat or 0, now)
        elif incarnation == claim.incarnation and (beat is None or beat > claim.beat):
            claim.beat, claim.since_s = max(claim.beat, beat or 0), now

    def takeover(self, now: float) -> int | None:
        """The epoch in which to take the name back, once the claimant has been silent; else None."""
        claim = self._claim
        if claim is None or now < self.deadline_s():
            return None
        self._claim = None
        return claim.incarnation.epoch + 1 if claim.incarnation.epoch < SEQUENCE_MAX - 1 else None

    def deadline_s(self) -> float:
        """When a takeover may come; infinity without a claim."""
        return self._claim.since_s + self._timing.takeover_s if self._claim else float("inf")

    def should_report(self, now: float, name: str) -> bool:
        """True once a minute for each name."""
        if now - self._reported_s.get(name, float("-inf")) < self._timing.conflict_report_s:
            return False
        if len(self._reported_s) >= MEMBERS_MAX:
            self._reported_s.clear()
        self._reported_s[name] = now
        return True
