"""The sentinels' words that a partner is gone, and which of them are wrong."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Word:
    """A node's word, in its log, that a partner is gone. Times are those of the wall clock."""

    partner: str
    at_s: float


@dataclass(slots=True)
class Death:
    """From just before the signal until the node is started afresh."""

    name: str
    from_s: float
    until_s: float = inf


def wrong(words: Iterable[Word], deaths: Iterable[Death], since_s: float) -> int:
    """How many words since then are about a node that lived when they were said, whoever died before or after."""
    dead = tuple(deaths)
    return sum(1 for word in words if word.at_s >= since_s and not any(_is_of(word, death) for death in dead))


def _is_of(word: Word, death: Death) -> bool:
    return word.partner == death.name and death.from_s <= word.at_s < death.until_s
