"""A bound on attempts beyond the first, so that a mesh in trouble is not flooded by its own clients.

It bounds how many are under way at once, not how many are made: when a balancer dies under a hundred
requests all of them are tried again, but in bursts of twenty rather than all at once. Envoy's retry budget
works so too.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class AttemptBudget:
    """Counts requests under way and the attempts beyond the first among them."""

    share: float
    floor: int
    requests: int = 0
    extra: int = 0

    @property
    def limit(self) -> int:
        """How many attempts beyond the first may be under way now."""
        return max(self.floor, int(self.share * self.requests))

    def try_take(self) -> bool:
        """Take leave for one attempt more; False when the limit is reached."""
        if self.extra >= self.limit:
            return False
        self.extra += 1
        return True

    def give_back(self) -> None:
        """The attempt has ended, however."""
        self.extra -= 1
