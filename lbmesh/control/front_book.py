"""What the members say of fronts, kept parsed: rows change seldom, and are asked for at each look."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from lbmesh.control.front_rows import (
    CLAIM_PREFIX,
    VOTE_PREFIX,
    WILLING_KEY,
    parse_claim,
    parse_vote,
    parse_willing,
)
from lbmesh.failover.claims import Claim, Grant
from lbmesh.gossip.records import Row

FRONTS_MAX = 64
"""Claims, and votes, of one member; more are not believed."""


T = TypeVar("T")


@dataclass(slots=True)
class PeerFronts:
    """What one member says. `is_willing`: None for one that takes no part. `claims` and `votes`: by front. `heard_s`:
    when each row came.
    """

    is_willing: bool | None = None
    claims: dict[str, Claim] = field(default_factory=dict)
    votes: dict[str, Grant] = field(default_factory=dict)
    heard_s: dict[str, float] = field(default_factory=dict)


class FrontBook:
    """By member. Whoever is not live is passed over by the reader."""

    def __init__(self) -> None:
        self._peers: dict[str, PeerFronts] = {}

    @property
    def peers(self) -> Mapping[str, PeerFronts]:
        """All that was ever said and not taken back."""
        return self._peers

    def take(self, rows: Iterable[Row]) -> None:
        """Rows that are new, or have another value."""
        for row in rows:
            peer = self._peers.setdefault(row.owner, PeerFronts())
            self._put(peer, row.key, row.value)
            if len(peer.heard_s) <= 2 * FRONTS_MAX:
                peer.heard_s[row.key] = row.received_s

    def take_back(self, owner: str, key: str) -> None:
        """A row is there no more."""
        if peer := self._peers.get(owner):
            self._put(peer, key, None)
            peer.heard_s.pop(key, None)

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
