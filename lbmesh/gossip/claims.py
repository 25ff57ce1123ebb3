"""Two nodes with one name: the higher incarnation wins.

A node that lost its boot counter looks just the same from outside. The silence of the other tells them apart:
when nothing new comes from the higher incarnation for ten seconds, this node takes the name back, one epoch
above it.
"""

from dataclasses import dataclass

from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.limits import SEQUENCE_MAX, GossipTiming

_STALE_BEATS_MAX = 3
"""How far what peers know of a dead node's beat may lie apart: more than this is life."""


@dataclass(slots=True)
class _Claim:
    incarnation: Incarnation
    beat: int
    since_s: float
    first_beat: int


class Claims:
    """Claims to this node's own name by others."""

    def __init__(self, timing: GossipTiming) -> None:
        self._timing = timing
        self._claim: _Claim | None = None

    def note(self, now: float, incarnation: Incarnation, beat: int | None) -> bool:
        """An incarnation above our own uses our name. `beat` None: it spoke itself, so it lives. True when it was
        seen to live since we know of it.
        """
        claim = self._claim
        if claim is None or incarnation > claim.incarnation:
            claim = self._claim = _Claim(incarnation, beat or 0, now, beat or 0)
        elif incarnation == claim.incarnation and (beat is None or beat > claim.beat):
            claim.beat, claim.since_s = max(claim.beat, beat or 0), now
        return beat is None or claim.beat > claim.first_beat + _STALE_BEATS_MAX

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
