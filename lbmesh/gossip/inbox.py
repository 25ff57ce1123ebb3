"""What a datagram may change: who may speak, and to whom each message goes."""

from lbmesh.gossip.codec import decode, encode
from lbmesh.gossip.digest_exchange import DigestExchange
from lbmesh.gossip.keys import Keys
from lbmesh.gossip.members import Members
from lbmesh.gossip.messages import Conflict, Digest, KeyGift, Message, More, Ping, Pong, Rows
from lbmesh.gossip.namesakes import Namesakes, pongs
from lbmesh.gossip.outbox import Outbox
from lbmesh.gossip.owners import Owners
from lbmesh.gossip.probing import Prober
from lbmesh.gossip.proofs import Proofs
from lbmesh.gossip.records import MEMBER_KEY
from lbmesh.gossip.replies import Reply
from lbmesh.gossip.row_intake import RowIntake
from lbmesh.gossip.seal import Opened, Rejection
from lbmesh.gossip.seeds import Seeds
from lbmesh.gossip.turn import Turn
from lbmesh.model.address import Address
from lbmesh.model.member import MemberState


class Inbox:
    """Takes opened datagrams. `own_session`: this node's."""

    def __init__(
        self,
        own_session: bytes,
        owners: Owners,
        members: Members,
        prober: Prober,
        seeds: Seeds,
        proofs: Proofs,
        namesakes: Namesakes,
        rows: RowIntake,
        digests: DigestExchange,
        keys: Keys,
        outbox: Outbox,
    ) -> None:
        self._own_session = own_session
        self._owners = owners
        self._members = members
        self._prober = prober
        self._seeds = seeds
        self._proofs = proofs
        self._namesakes = namesakes
        self._rows = rows
        self._digests = digests
        self._keys = keys
        self._outbox = outbox

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
        if opened.sender == self._members.own.name:
            self._namesakes.meet(now, source, opened, messages, turn)
            return Rejection.STALE_IDENTITY
        owner = self._owners.admit(opened.sender, opened.incarnation)
        if owner is None:
            return Rejection.FULL
        if opened.incarnation < owner.incarnation:
            self._namesakes.refuse_stale(now, source, opened, messages, turn)
            return Rejection.STALE_IDENTITY
        if self._owners.is_jump(owner, opened.incarnation):
            return Rejection.EPOCH_JUMP
        restarted = opened.incarnation > owner.incarnation
        if restarted:
            self._owners.restart(now, owner, opened.incarnation, turn)
        member = self._members.entries.get(opened.sender)
        if member is not None and member.state is MemberState.LEFT and owner.body(MEMBER_KEY) is not None:
            return Rejection.LEFT
        self._prober.poke(now, opened.sender)
        for message in messages:
            self._handle(now, source, opened.sender, message, turn)
        self._members.spoke(now, opened.sender)
        is_new = (member is None or restarted) and not was_proven
        if is_new and self._outbox.replies.spend(now, Reply.INTRODUCTION, opened.sender):
            self._outbox.send(turn, source, self._outbox.introduction())
        return None

    def _ask_for_proof(
        self, now: float, source: Address, opened: Opened, messages: tuple[Message, ...], turn: Turn
    ) -> None:
        """Answer its pings, for it may want a proof as well, and ping it. What is known of it goes along."""
        outranked = self._owners.outranks(opened.sender, opened.incarnation)
        frames = [encode(pong) for pong in pongs(messages, outranked=outranked)]
        if frames and not self._outbox.replies.spend(now, Reply.STRANGERS_PONG, opened.sender):
            frames = []
        ping = self._proofs.ask(now, opened.session)
        if ping is not None and self._outbox.replies.spend(now, Reply.PROOF, opened.sender):
            frames += [encode(ping), self._outbox.inquiry(opened.sender)]
        self._outbox.send(turn, source, frames)

    def _handle(self, now: float, source: Address, sender: str, message: Message, turn: Turn) -> None:
        match message:
            case Ping(nonce):
                if not self._outbox.replies.spend(now, Reply.PONG, sender):
                    return
                frames = [encode(Pong(nonce))]
                if sender not in self._members.entries and self._outbox.replies.spend(now, Reply.ANSWER, sender):
                    frames.append(self._outbox.inquiry(sender))
                self._outbox.send(turn, source, frames)
            case Pong(nonce):
                self._seeds.answered(now, nonce, sender)
                self._prober.pong(now, sender, nonce)
            case Rows():
                news = self._rows.take(now, sender, message, turn)
                if news is not None:
                    self._digests.rows_came(now, news, turn)
            case Digest():
                self._digests.answer(now, source, sender, message, turn)
            case Conflict():
                self._namesakes.hear_of(now, sender, message, turn)
            case KeyGift():
                self._keys.take(message)
            case More():
                self._digests.hear_of_more(now, source, sender, message, turn)
