"""The private addresses that elastic ones are just led to. Pure.

EC2 leads one elastic address to a private one, and takes away the one before. Who looked before another's move was done
sees the address free still.
"""

from math import inf

from lbmesh.drivers.ec2.limits import CHOSEN_S


class Choices:
    """`moves`: addresses, and when the move to each was over. Times are monotonic, in seconds."""

    def __init__(self) -> None:
        self.moves: dict[str, float] = {}

    def is_free(self, address: str, looked_s: float) -> bool:
        """As EC2 was seen from `looked_s` on."""
        return self.moves.get(address, -inf) < looked_s

    def begin(self, address: str) -> None:
        """A move to it begins."""
        self.moves[address] = inf

    def end(self, address: str, now: float) -> None:
        """It is over, whatever came of it."""
        self.moves = {one: until_s for one, until_s in self.moves.items() if until_s > now - CHOSEN_S}
        self.moves[address] = now
