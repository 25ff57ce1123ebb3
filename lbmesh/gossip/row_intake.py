"""Rows that a member passes on: whose they are, whether they may be taken, and what the gossip's own mean."""

from lbmesh.gossip.codec import encode
from lbmesh.gossip.forgeries import Forgeries
from lbmesh.gossip.intruders import Intruders
from lbmesh.gossip.keys import Keys
from lbmesh.gossip.members import Members
from lbmesh.gossip.messages import Ping, Rows
from lbmesh.gossip.outbox import Outbox
from lbmesh.gossip.owners import Owners
from lbmesh.gossip.picture import Picture
from lbmesh.gossip.records import EDGES_KEY, KEYS_KEY, MEMBER_KEY, OwnerRecords, Records, is_internal
from lbmesh.gossip.replies import Reply
from lbmesh.gossip.signatures import authentic
from lbmesh.gossip.turn import Turn


class RowIntake:
    """Takes batches of rows, of whomever."""

    def __init__(
        self,
        owners: Owners,
        records: Records,
        members: Members,
        keys: Keys,
        picture: Picture,
        outbox: Outbox,
        intruders: Intruders,
        forgeries: Forgeries,
    ) -> None:
        self._owners = owners
        self._records = records
        self._members = members
        self._keys = keys
        self._picture = picture
        self._outbox = outbox
        self._intruders = intruders
        self._forgeries = forgeries

    def take(self, now: float, sender: str, batch: Rows, turn: Turn) -> int | None:
        """How many rows of the batch were news; None when it counts for nothing."""
        known = self._records.owners.get(batch.owner)
        if known is self._records.own:
            self._forgeries.came(now, sender, batch, turn)
            return None
        if known and (batch.incarnation < known.incarnation or self._owners.is_jump(known, batch.incarnation)):
            return None
        batch, forged, public_key = authentic(batch, known)
        if forged:
            self._intruders.forged_rows(now, sender, batch.owner, forged, turn)
        is_start = known is None or batch.incarnation > known.incarnation
        if is_start and (public_key is None or self._owners.has_just_spoken(now, batch.owner)):
            # A start counts only with its own signed word, else anybody could begin one and void what its owner has
            # said; and of whom this node has just heard, it takes a new start from nobody else.
            return None
        owner = self._owners.admit(batch.owner, batch.incarnation)
        if owner is None:
            return None
        if batch.incarnation > owner.incarnation:
            self._owners.restart(now, owner, batch.incarnation, turn)
        owner.public_key = public_key or owner.public_key
        return self._merge(now, owner, batch, turn)

    def _merge(self, now: float, owner: OwnerRecords, batch: Rows, turn: Turn) -> int:
        changed = self._records.merge(now, owner, batch)
        if refused := self._records.refused(owner, batch):
            self._intruders.refused_rows(now, owner.name, refused, turn)
        self._outbox.relay(now, owner.name, [key for key in changed if key in owner.rows])
        turn.rows += [(owner.name, key) for key in changed if not is_internal(key)]
        if MEMBER_KEY in changed:
            self._learn_member(now, owner, turn)
        if KEYS_KEY in changed:
            self._keys.learn(owner.name, owner.body(KEYS_KEY) or b"")
        if EDGES_KEY in changed or MEMBER_KEY in changed:
            if self._members.learn_edges(now, owner.name, owner.body(EDGES_KEY) or b"\0"):
                self._refute(now, owner.name, turn)
            self._picture.unsettle()
        return len(changed)

    def _refute(self, now: float, accuser: str, turn: Turn) -> None:
        """A member says that it cannot reach this node: speak to it, and it asks at once."""
        if self._outbox.replies.spend(now, Reply.REFUTATION, accuser):
            self._outbox.send(turn, self._members.entries[accuser].address, [encode(Ping(0))])

    def _learn_member(self, now: float, owner: OwnerRecords, turn: Turn) -> None:
        body = owner.body(MEMBER_KEY)
        change = None if body is None else self._members.learn(now, owner.name, owner.incarnation.epoch, body)
        if change is None:
            return
        turn.changes.append(change)
        if change.after.is_live and not (change.before and change.before.is_live):
            self._outbox.hasten_digest(now)
