"""Feedback for the zones' shares: when this zone's replicas are busier than those of others, more goes there.

Weights say what replicas ought to carry, not what they can. A zone whose replicas have become slow shows by what is in
flight there. Between two bounds nothing moves, and never more than one step at a time (Linkerd's HAZL adds remote
endpoints above a band of load and removes them below it).
"""

from dataclasses import dataclass

ABOVE = 1.5
"""This many times as much in flight for its weight as in the other zones: one step more goes there."""

BELOW = 1.1
"""Less than this: one step less."""

TOO_LOW = 0.95
"""Less than this, too much went there: half of it comes back at once."""

BUSY = 1.0
"""In flight for a replica of mean weight, from where on there is anything to compare."""

FALLING = 0.98
"""Of what was in flight at the last step: with less, the zone recovers already."""

STEP = 0.05
SPILL_MAX = 0.4
"""Peers' words steer this, so it never moves more of what the zone would keep."""


@dataclass(slots=True)
class LoadBand:
    """One service's. `spill`: how much of what the zone would keep goes elsewhere, 0 to SPILL_MAX. `own_before`: what
    was in flight here at the last step.
    """

    spill: float = 0.0
    own_before: float = 0.0

    def step(self, own: float, others: float) -> None:
        """Compare what is in flight for a replica of mean weight here with what it is elsewhere. To be called so seldom
        that the last step shows in it.
        """
        is_falling, self.own_before = own < FALLING * self.own_before, own
        if own >= BUSY and own > ABOVE * others:
            # What waits from before drains by itself: more spill would only swing to the other side.
            self.spill += 0.0 if is_falling else min(STEP, SPILL_MAX - self.spill)
        elif own < TOO_LOW * others:
            self.spill = self.spill / 2 if self.spill > STEP else 0.0
        elif own < BUSY or own < BELOW * others:
            self.spill = max(0.0, self.spill - STEP)
