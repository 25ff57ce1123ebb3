"""What the members say of fronts, kept parsed: rows change seldom, and are asked for at each look."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from lbmesh.control.front_rows import (
    CLAIM_PREFIX,
    VOTE_PREFIX,
    WILLING_KEY,
    is_front_row,
    parse_claim,
    parse_vote,
    parse_willing,
)
from lbmesh.failover.claims import Claim, Grant

FRONTS_MAX = 256
"""Claims, and votes, of one member; more are not believed."""


T = TypeVar("T")


@dataclass(slots=True)
class PeerFronts:
    """What one member says. `is_willing`: None for one that takes no part. `claims` and `votes`: by front."""

    is_willing: bool | None = None
    claims: dict[str, Claim] = field(default_factory=dict)
    votes: dict[str, Grant] = field(default_factory=dict)


class FrontBook:
    """By member. Whoever is not live is passed over by the reader."""

    def __init__(self) -> None:
        self._peers: dict[str, PeerFronts] = {}

    @property
    def peers(self) -> Mapping[str, PeerFronts]:
        """All that was ever said and not taken back."""
        return self._peers

    def take(self, changes: Iterable[tuple[str, str, bytes | None]]) -> bool:
        """Rows that changed: (member, key, value), None for one taken back. True when one was about fronts."""
        is_news = False
        for owner, key, value in changes:
            if is_front_row(key):
                is_news = True
                self._put(self._peers.setdefault(owner, PeerFronts()), key, value)
        return is_news

    def forget(self, keep: Iterable[str]) -> None:
        """Forget all other members."""
        kept = set(keep)
        self._peers = {name: peer for name, peer in self._peers.items() if name in kept}

    def _put(self, peer: PeerFronts, key: str, value: bytes | None) -> None:
        if key == WILLING_KEY:
            peer.is_willing = None if value is None else parse_willing(value)
        elif key.startswith(CLAIM_PREFIX):
            _set(peer.claims, key.removeprefix(CLAIM_PREFIX), None if value is None else parse_claim(value))
        elif key.startswith(VOTE_PREFIX):
            _set(peer.votes, key.removeprefix(VOTE_PREFIX), None if value is None else parse_vote(value))


def _set(table: dict[str, T], front: str, word: T | None) -> None:
    if word is None:
        table.pop(front, None)
    elif front in table or len(table) < FRONTS_MAX:
        table[front] = word
