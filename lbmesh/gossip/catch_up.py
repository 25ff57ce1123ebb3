"""Has a node that has just started been told what its peers know? Until then it may know a mesh of corpses as healthy.

Peers' digests say what there is to know. A node has caught up once digests of live peers have covered all ids, and
nothing that they offered is missing here. It never falls behind again: later news is what gossip is for.
"""

from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.limits import MEMBERS_MAX
from lbmesh.gossip.messages import ID_MAX, Digest
from lbmesh.gossip.records import Records

_RANGES_MAX = 64
"""Ranges of ids remembered; a mesh of 1024 has 26 digests."""


class CatchUp:
    """What peers have offered since this node started. Until `hurry_until_s` it asks for more as soon as some came."""

    def __init__(self, records: Records, hurry_until_s: float) -> None:
        self._records = records
        self._hurry_until_s = hurry_until_s
        self._offered: dict[int, tuple[Incarnation, int]] = {}
        self._ranges: set[tuple[int, int]] = set()
        self._is_done = False

    def offer(self, digest: Digest) -> None:
        """A live peer said what it knows."""
        if self._is_done or digest.answered:
            return
        if len(self._ranges) < _RANGES_MAX:
            self._ranges.add((digest.first, digest.last))
        for entry in digest.entries:
            if entry.owner_id in self._offered or len(self._offered) < MEMBERS_MAX:
                offer = entry.incarnation, entry.floor
                self._offered[entry.owner_id] = max(offer, self._offered.get(entry.owner_id, offer))

    def is_done(self) -> bool:
        """True from the time on when all that was offered was there."""
        if not self._is_done and self._covers_all():
            self._offered = {owner: offer for owner, offer in self._offered.items() if not self._holds(owner, offer)}
            self._is_done = not self._offered
        return self._is_done

    def hurries(self, now: float) -> bool:
        """True while it is worth asking for more before the next digest is due: a digest's answer is bounded."""
        return now < self._hurry_until_s and not self.is_done()

    def _covers_all(self) -> bool:
        next_id = 0
        for first, last in sorted(self._ranges):
            if first <= next_id:
                next_id = max(next_id, last + 1)
        return next_id > ID_MAX

    def _holds(self, owner_id: int, offer: tuple[Incarnation, int]) -> bool:
        """What others still have of this node's own earlier start is void."""
        name = self._records.ids.get(owner_id)
        if name is None:
            return False
        owner = self._records.owners[name]
        return owner is self._records.own or (owner.incarnation, owner.floor) >= offer
