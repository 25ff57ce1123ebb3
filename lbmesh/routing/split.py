"""Which of a route's services a request goes to, by weight: drawn anew each time, or always the same for one key."""

from collections.abc import Sequence
from hashlib import blake2b
from math import log
from typing import Generic, TypeVar

T = TypeVar("T")

_BITS = 52
"""Of the digest: so that a number a half above or below a whole one is exact as a float."""


class StickySplit(Generic[T]):
    """Weighted rendezvous hashing (Schindelhauer and Schomaker 2005): each key has a score for each name, and the
    highest wins. Every node and forwarder decides alike; when weights change, as few keys move as must; and the order
    of names means nothing.
    """

    __slots__ = ("_choices",)

    def __init__(self, choices: Sequence[tuple[str, int, T]]) -> None:
        """`choices`: name (up to 64 bytes), weight from 1 on, and what is chosen."""
        self._choices = tuple((name.encode(), weight, value) for name, weight, value in choices)

    def choose(self, key: bytes) -> T:
        """What this key always gets."""
        best: T | None = None
        best_score = 0.0
        for name, weight, value in self._choices:
            digest = blake2b(key, digest_size=8, key=name).digest()
            drawn = ((int.from_bytes(digest, "big") >> (64 - _BITS)) + 0.5) / (1 << _BITS)
            score = -weight / log(drawn)
            if score > best_score:
                best, best_score = value, score
        assert best is not None
        return best
