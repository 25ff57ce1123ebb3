"""Who owns rows here: the table of owners, its room, and when an owner has started anew."""

from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.keys import Keys
from lbmesh.gossip.limits import EPOCH_JUMP_AWAY_MAX, EPOCH_JUMP_MAX, MEMBERS_MAX, GossipTiming
from lbmesh.gossip.members import Members
from lbmesh.gossip.outbox import Outbox
from lbmesh.gossip.picture import Picture
from lbmesh.gossip.probing import Prober
from lbmesh.gossip.records import OwnerRecords, Records, is_internal
from lbmesh.gossip.sync import Sync
from lbmesh.gossip.turn import Turn


class Owners:
    """Lets owners in, starts them anew and forgets them, in all tables that know of them."""

    def __init__(
        self,
        records: Records,
        members: Members,
        prober: Prober,
        keys: Keys,
        picture: Picture,
        sync: Sync,
        outbox: Outbox,
        timing: GossipTiming,
    ) -> None:
        self._records = records
        self._members = members
        self._prober = prober
        self._keys = keys
        self._picture = picture
        self._sync = sync
        self._outbox = outbox
        self._timing = timing

    def admit(self, name: str, incarnation: Incarnation) -> OwnerRecords | None:
        """The owner's records, made when it is unknown. When the table is full the most forgettable goes: None when
        nobody is.
        """
        if name not in self._records.owners and len(self._records.owners) >= MEMBERS_MAX:
            strangers = (each for each in self._records.owners if each not in self._members.entries)
            forgotten = next(strangers, None) or self._members.most_forgettable()
            if forgotten is None:
                return None
            self._records.forget(forgotten)
            self._sync.forget(forgotten)
            self._outbox.replies.forget(forgotten)
            self._keys.forget(forgotten)
            self._members.entries.pop(forgotten, None)
            self._picture.unsettle()
        return self._records.owner(name, incarnation)

    def restart(self, now: float, owner: OwnerRecords, incarnation: Incarnation, turn: Turn) -> None:
        """The owner speaks in a later start: what it said before is void."""
        gone = self._records.restart(owner, incarnation)
        turn.rows += [(owner.name, key) for key in gone if not is_internal(key)]
        self._members.learn_edges(now, owner.name, b"\0")
        self._prober.restart(now, owner.name)
        self._keys.restarted(owner.name)

    def outranks(self, name: str, incarnation: Incarnation) -> bool:
        """Is a later incarnation of this name known?"""
        known = self._records.owners.get(name)
        return known is not None and incarnation < known.incarnation

    def has_just_spoken(self, now: float, name: str) -> bool:
        """Has a member of this name just spoken to this node, in whichever start?"""
        member = self._members.entries.get(name)
        return member is not None and member.state.is_live and now - member.spoke_s <= self._timing.silent_s

    def is_jump(self, owner: OwnerRecords, incarnation: Incarnation) -> bool:
        """Has the epoch risen further than by restarts? Then it is refused, or it would use up the name's epochs. Who
        was away may have been started often since.
        """
        member = self._members.entries.get(owner.name)
        was_away = member is not None and not member.state.is_live
        rise = incarnation.epoch - owner.incarnation.epoch
        is_jump = rise > (EPOCH_JUMP_AWAY_MAX if was_away else EPOCH_JUMP_MAX)
        self._outbox.counters["epoch_jumps"] += is_jump
        return is_jump
