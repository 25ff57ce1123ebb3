"""Rows that others know as this node's and that it never wrote: it speaks on above them, which voids them."""

from lbmesh.gossip.intruders import Intruders
from lbmesh.gossip.limits import GossipTiming
from lbmesh.gossip.members import Members
from lbmesh.gossip.messages import Rows
from lbmesh.gossip.outbox import Outbox
from lbmesh.gossip.records import Records
from lbmesh.gossip.turn import Turn


class Forgeries:
    """Whoever holds a key of the ring can ascribe rows to anybody, as only the gossip's own are signed. To speak above
    them takes all of this node's rows with it, so it is done more and more rarely while it goes on.
    """

    def __init__(
        self, records: Records, members: Members, outbox: Outbox, intruders: Intruders, timing: GossipTiming
    ) -> None:
        self._records = records
        self._members = members
        self._outbox = outbox
        self._intruders = intruders
        self._timing = timing
        self._gap_s = timing.overtake_gap_s
        self._overtaken_s = float("-inf")

    def came(self, now: float, sender: str, batch: Rows, turn: Turn) -> None:
        """A member passed on rows of this node: its own words, as a rule."""
        if batch.incarnation == self._records.own.incarnation:
            last = max((row.sequence for row in batch.rows), default=0)
            self.are_known(now, sender, max(last, batch.upto), turn)

    def are_known(self, now: float, sender: str, upto: int, turn: Turn) -> None:
        """A member knows this node's rows up to a sequence."""
        quiet_s = now - self._overtaken_s
        if upto <= self._records.own.floor or quiet_s < self._gap_s:
            return
        longest_s = self._timing.overtake_gap_max_s
        self._gap_s = min(2 * self._gap_s, longest_s) if quiet_s < 2 * longest_s else self._timing.overtake_gap_s
        self._overtaken_s = now
        self._intruders.overtaken(now, sender, turn)
        self._outbox.announce(now, self._records.overtake(now, upto))
        self._members.own.epoch = self._records.own.incarnation.epoch
