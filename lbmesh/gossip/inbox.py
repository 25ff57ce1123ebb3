"""What a datagram may change: who may speak, and what each message does."""

from lbmesh.gossip.catch_up import CatchUp
from lbmesh.gossip.codec import decode, encode
from lbmesh.gossip.forgeries import Forgeries
from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.intruders import Intruders
from lbmesh.gossip.keys import Keys
from lbmesh.gossip.limits import (
    DELTA_DATAGRAMS_MAX,
    EPOCH_JUMP_AWAY_MAX,
    EPOCH_JUMP_MAX,
    MEMBERS_MAX,
    STREAM_UNITS_MAX,
    GossipTiming,
)
from lbmesh.gossip.members import Members
from lbmesh.gossip.messages import Conflict, Digest, KeyGift, Message, More, Ping, Pong, Rows
from lbmesh.gossip.namesakes import Namesakes, pongs
from lbmesh.gossip.outbox import Outbox
from lbmesh.gossip.picture import Picture
from lbmesh.gossip.probing import Prober
from lbmesh.gossip.proofs import Proofs
from lbmesh.gossip.records import EDGES_KEY, KEYS_KEY, MEMBER_KEY, OwnerRecords, Records, is_internal
from lbmesh.gossip.replies import Replies, Reply
from lbmesh.gossip.seal import Opened, Rejection
from lbmesh.gossip.seeds import Seeds
from lbmesh.gossip.signatures import authentic
from lbmesh.gossip.streams import Streams
from lbmesh.gossip.sync import Sync
from lbmesh.gossip.turn import Turn
from lbmesh.model.address import Address
from lbmesh.model.member import MemberState


class Inbox:
    """Takes opened datagrams. All tables are the core's; only what a message may change is decided here."""

    def __init__(
        self,
        own_session: bytes,
        keys: Keys,
        streams: Streams,
        records: Records,
        members: Members,
        prober: Prober,
        sync: Sync,
        seeds: Seeds,
        picture: Picture,
        outbox: Outbox,
        proofs: Proofs,
        namesakes: Namesakes,
        replies: Replies,
        intruders: Intruders,
        timing: GossipTiming,
        catch_up: CatchUp,
    ) -> None:
        self._own_session = own_session
        self._keys = keys
        self._streams = streams
        self._records = records
        self._members = members
        self._prober = prober
        self._sync = sync
        self._seeds = seeds
        self._picture = picture
        self._outbox = outbox
        self._proofs = proofs
        self._namesakes = namesakes
        self._replies = replies
        self._intruders = intruders
        self._timing = timing
        self._forgeries = Forgeries(records, members, outbox, intruders, timing)
        self._catch_up = catch_up

    def accept(self, now: float, source: Address, opened: Opened, turn: Turn) -> Rejection | None:
        """Let the datagram do what it may; or say why it may do nothing."""
        messages = decode(opened.payload)
        if messages is None:
            return Rejection.MALFORMED
        if opened.session.key[1] == self._own_session:
            self._seeds.came_back(now, source, {message.nonce for message in messages if isinstance(message, Ping)})
            return Rejection.SELF
        was_proven = opened.session.proven_s is not None
        if not self._proofs.hold(now, opened, messages):
            self._ask_for_proof(now, source, opened, messages, turn)
            return Rejection.UNPROVEN
        if opened.sender == self._records.own.name:
            self._namesakes.meet(now, source, opened, messages, turn)
            return Rejection.STALE_IDENTITY
        owner = self._owner(opened.sender, opened.incarnation)
        if owner is None:
            return Rejection.FULL
        if opened.incarnation < owner.incarnation:
            self._namesakes.refuse_stale(now, source, opened, messages, turn)
            return Rejection.STALE_IDENTITY
        if self._is_jump(owner, opened.incarnation):
            return Rejection.EPOCH_JUMP
        restarted = opened.incarnation > owner.incarnation
        if restarted:
            self._restart(now, owner, opened.incarnation, turn)
        member = self._members.entries.get(opened.sender)
        if member is not None and member.state is MemberState.LEFT and owner.value(MEMBER_KEY) is not None:
            return Rejection.LEFT
        self._prober.poke(now, opened.sender)
        for message in messages:
            self._handle(now, source, opened.sender, message, turn)
        self._members.spoke(now, opened.sender)
        is_new = (member is None or restarted) and not was_proven
        if is_new and self._replies.spend(now, Reply.INTRODUCTION, opened.sender):
            self._outbox.send(turn, source, self._outbox.introduction())
        return None

    def _ask_for_proof(
        self, now: float, source: Address, opened: Opened, messages: tuple[Message, ...], turn: Turn
    ) -> None:
        """Answer its pings, for it may want a proof as well, and ping it. What is known of it goes along."""
        owner = self._records.owners.get(opened.sender)
        outranked = owner is not None and opened.incarnation < owner.incarnation
        frames = [encode(pong) for pong in pongs(messages, outranked=outranked)]
        if frames and not self._replies.spend(now, Reply.STRANGERS_PONG, opened.sender):
            frames = []
        ping = self._proofs.ask(now, opened.session)
        if ping is not None and self._replies.spend(now, Reply.PROOF, opened.sender):
            frames += [encode(ping), encode(self._sync.inquiry(opened.sender))]
        self._outbox.send(turn, source, frames)

    def _handle(self, now: float, source: Address, sender: str, message: Message, turn: Turn) -> None:
        match message:
            case Ping(nonce):
                if not self._replies.spend(now, Reply.PONG, sender):
                    return
                frames = [encode(Pong(nonce))]
                if sender not in self._members.entries and self._replies.spend(now, Reply.ANSWER, sender):
                    frames.append(encode(self._sync.inquiry(sender)))
                self._outbox.send(turn, source, frames)
            case Pong(nonce):
                self._seeds.answered(now, nonce, sender)
                self._prober.pong(now, sender, nonce)
            case Rows():
                self._take_rows(now, sender, message, turn)
            case Digest():
                self._answer_digest(now, source, sender, message, turn)
            case Conflict():
                self._namesakes.hear_of(now, sender, message, turn)
            case KeyGift():
                self._keys.take(message)
            case More():
                self._hear_of_more(now, source, sender, message, turn)

    def _take_rows(self, now: float, sender: str, batch: Rows, turn: Turn) -> None:
        known = self._records.owners.get(batch.owner)
        if known is self._records.own:
            self._forgeries.came(now, sender, batch, turn)
            return
        if known and (batch.incarnation < known.incarnation or self._is_jump(known, batch.incarnation)):
            return
        batch, forged, public_key = authentic(batch, known)
        if forged:
            self._intruders.forged_rows(now, sender, batch.owner, forged, turn)
        is_start = known is None or batch.incarnation > known.incarnation
        if is_start and (public_key is None or self._has_spoken(now, batch.owner)):
            # A start counts only with its own signed word, else anybody could begin one and void what its owner has
            # said; and of whom this node has just heard, it takes a new start from nobody else.
            return
        owner = self._owner(batch.owner, batch.incarnation)
        if owner is None:
            return
        if batch.incarnation > owner.incarnation:
            self._restart(now, owner, batch.incarnation, turn)
        owner.public_key = public_key or owner.public_key
        self._merge(now, owner, batch, turn)

    def _merge(self, now: float, owner: OwnerRecords, batch: Rows, turn: Turn) -> None:
        changed = self._records.merge(now, owner, batch)
        if refused := self._records.refused(owner, batch):
            self._intruders.refused_rows(now, owner.name, refused, turn)
        self._outbox.relay(now, owner.name, [key for key in changed if key in owner.rows])
        turn.rows += [(owner.name, key) for key in changed if not is_internal(key)]
        if turn.stream is not None:
            self._streams.rows_came(turn.stream, len(changed))
        if MEMBER_KEY in changed:
            self._learn_member(now, owner, turn)
        if KEYS_KEY in changed:
            self._keys.learn(owner.name, owner.body(KEYS_KEY) or b"")
        if EDGES_KEY in changed or MEMBER_KEY in changed:
            if self._members.learn_edges(now, owner.name, owner.body(EDGES_KEY) or b"\0"):
                self._refute(now, owner.name, turn)
            self._picture.unsettle()
        if self._catch_up.hurries(now):
            self._outbox.hasten_digest(now)

    def _refute(self, now: float, accuser: str, turn: Turn) -> None:
        """A member says that it cannot reach this node: speak to it, and it asks at once."""
        if self._replies.spend(now, Reply.REFUTATION, accuser):
            self._outbox.send(turn, self._members.entries[accuser].address, [encode(Ping(0))])

    def _learn_member(self, now: float, owner: OwnerRecords, turn: Turn) -> None:
        body = owner.body(MEMBER_KEY)
        change = None if body is None else self._members.learn(now, owner.name, owner.incarnation.epoch, body)
        if change is None:
            return
        turn.changes.append(change)
        if change.after.is_live and not (change.before and change.before.is_live):
            self._outbox.hasten_digest(now)

    def _answer_digest(self, now: float, source: Address, sender: str, digest: Digest, turn: Turn) -> None:
        if sender in self._members.live():
            self._catch_up.offer(digest)
        by_stream = turn.stream is not None
        if not by_stream and not self._replies.spend(now, Reply.ANSWER, sender):
            return
        answer = self._sync.answer(digest, STREAM_UNITS_MAX if by_stream else DELTA_DATAGRAMS_MAX)
        for name in answer.heard:
            self._members.heard(now, name)
        self._forgeries.are_known(now, sender, answer.overtaken, turn)
        if answer.claim is not None:
            self._namesakes.claimed(now, answer.claim, turn)
        frames = list(answer.frames)
        if not digest.answered and (by_stream or answer.is_cut):
            frames.append(encode(More(answer.is_cut)))
        self._outbox.send(turn, source, frames)

    def _hear_of_more(self, now: float, source: Address, sender: str, more: More, turn: Turn) -> None:
        """The end of an answer on a stream; or a peer that has more than its datagrams held."""
        if turn.stream is not None and self._streams.has_asked(turn.stream):
            asked = self._streams.answered(turn.stream, more=more.more)
            self._outbox.send(turn, turn.stream, asked)
            turn.stream_over = not asked
        if turn.stream is not None:
            return
        member = self._members.entries.get(sender)
        address = member.address if member else source
        if more.more and self._streams.offered(now, sender, address):
            turn.streams.append(address)

    def _owner(self, name: str, incarnation: Incarnation) -> OwnerRecords | None:
        if name not in self._records.owners and len(self._records.owners) >= MEMBERS_MAX:
            strangers = (each for each in self._records.owners if each not in self._members.entries)
            forgotten = next(strangers, None) or self._members.most_forgettable()
            if forgotten is None:
                return None
            self._records.forget(forgotten)
            self._sync.forget(forgotten)
            self._replies.forget(forgotten)
            self._keys.forget(forgotten)
            self._members.entries.pop(forgotten, None)
            self._picture.unsettle()
        return self._records.owner(name, incarnation)

    def _has_spoken(self, now: float, name: str) -> bool:
        """Has a member of this name just spoken to this node, in whichever start?"""
        member = self._members.entries.get(name)
        return member is not None and member.state.is_live and now - member.spoke_s <= self._timing.silent_s

    def _is_jump(self, owner: OwnerRecords, incarnation: Incarnation) -> bool:
        """Has the epoch risen further than by restarts? Then it is refused, or it would use up the name's epochs. Who
        was away may have been started often since.
        """
        member = self._members.entries.get(owner.name)
        was_away = member is not None and not member.state.is_live
        rise = incarnation.epoch - owner.incarnation.epoch
        is_jump = rise > (EPOCH_JUMP_AWAY_MAX if was_away else EPOCH_JUMP_MAX)
        self._outbox.counters["epoch_jumps"] += is_jump
        return is_jump

    def _restart(self, now: float, owner: OwnerRecords, incarnation: Incarnation, turn: Turn) -> None:
        gone = self._records.restart(owner, incarnation)
        turn.rows += [(owner.name, key) for key in gone if not is_internal(key)]
        self._members.learn_edges(now, owner.name, b"\0")
        self._prober.restart(now, owner.name)
        self._keys.restarted(owner.name)
