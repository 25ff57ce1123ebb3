"""Two nodes with one name: who hears of it, and what each is told."""

from lbmesh.gossip.claims import Claims
from lbmesh.gossip.codec import encode
from lbmesh.gossip.limits import EPOCH_JUMP_MAX, PONGS_MAX, GossipTiming
from lbmesh.gossip.members import Members
from lbmesh.gossip.messages import Conflict, DigestEntry, Message, Ping, Pong
from lbmesh.gossip.notices import Notice, NoticeKind, Notices
from lbmesh.gossip.outbox import Outbox
from lbmesh.gossip.proofs import Proofs
from lbmesh.gossip.records import Records
from lbmesh.gossip.replies import Reply
from lbmesh.gossip.seal import Opened
from lbmesh.gossip.turn import Turn
from lbmesh.model.address import Address

_RENAME = "rename one of them: [node] name must differ from node to node"


class Namesakes:
    """Refuses whoever a later start of the same name outranks, and tells the operator of both."""

    def __init__(
        self,
        records: Records,
        members: Members,
        outbox: Outbox,
        proofs: Proofs,
        notices: Notices,
        claims: Claims,
        timing: GossipTiming,
    ) -> None:
        self._records = records
        self._members = members
        self._outbox = outbox
        self._proofs = proofs
        self._notices = notices
        self._claims = claims
        self._timing = timing

    def refuse_stale(
        self, now: float, source: Address, opened: Opened, messages: tuple[Message, ...], turn: Turn
    ) -> None:
        """An earlier incarnation of a member spoke: is it a second node, and does it live still?"""
        self._enlighten(now, source, opened.sender, messages, turn)
        member = self._members.entries.get(opened.sender)
        both_live = member is not None and now - member.spoke_s <= self._timing.silent_s
        if not self._proofs.is_recent(now, opened.session) or member is None or not both_live:
            return
        if self._report(now, member.name, f"two nodes have this name, at {member.address} and {source}", turn):
            if not self._outbox.replies.spend(now, Reply.CONFLICT, member.name):
                return
            self._outbox.send(turn, member.address, [encode(Conflict(source))])

    def meet(self, now: float, source: Address, opened: Opened, messages: tuple[Message, ...], turn: Turn) -> None:
        """Another node spoke in this node's name."""
        own = self._records.own
        if self._is_invented(opened.incarnation.epoch):
            return
        if opened.incarnation > own.incarnation:
            self._claims.note(now, opened.incarnation, None)
        else:
            self._enlighten(now, source, own.name, messages, turn)
        if self._proofs.is_recent(now, opened.session):
            self._report(now, own.name, f"a node at {source} has this node's name", turn)

    def hear_of(self, now: float, teller: str, conflict: Conflict, turn: Turn) -> None:
        """A peer hears another node under this node's name."""
        self._report(
            now, self._records.own.name, f"{teller} hears a node at {conflict.address} that has this node's name", turn
        )

    def claimed(self, now: float, entry: DigestEntry, turn: Turn) -> None:
        """The mesh knows a later start of this node's name: of a second node, or this one lost its counter."""
        own = self._records.own
        if self._is_invented(entry.incarnation.epoch):
            return
        if self._claims.note(now, entry.incarnation, entry.beat):
            self._report(now, own.name, "another node lives in the mesh under this node's name", turn)
            return
        notice = Notice(
            NoticeKind.NAME_CLAIM,
            own.name,
            f"another node used this name with a higher epoch, {entry.incarnation.epoch} above {own.incarnation.epoch}",
            f"if it stays silent for {self._timing.takeover_s:.0f} s this node takes the name back"
            " (was the boot counter lost?)",
        )
        if self._notices.see(now, notice):
            turn.notices.append(notice)

    def _is_invented(self, epoch: int) -> bool:
        """The mesh takes no such jump of a member that it knows: while anybody answers this node's pings, it is known,
        and to follow would take it where nobody hears it. One that nobody answers has lost its counter.
        """
        is_jump = epoch - self._records.own.incarnation.epoch >= EPOCH_JUMP_MAX
        return is_jump and not all(self._members.own.edges.values())

    def _enlighten(self, now: float, source: Address, name: str, messages: tuple[Message, ...], turn: Turn) -> None:
        """Tell a refused sender of the incarnation that outranks it. It believes nobody who proved nothing, so it
        gets its proof along.
        """
        if self._outbox.replies.spend(now, Reply.ANSWER, name):
            frames = [encode(pong) for pong in pongs(messages, outranked=True)]
            self._outbox.send(turn, source, [*frames, self._outbox.inquiry(name)])

    def _report(self, now: float, name: str, what: str, turn: Turn) -> bool:
        notice = Notice(NoticeKind.NAME_CONFLICT, name, what, _RENAME)
        said = self._notices.see(now, notice)
        if said:
            turn.notices.append(notice)
        return said


def pongs(messages: tuple[Message, ...], *, outranked: bool) -> list[Pong]:
    """The answers to pings. One that comes alone measures an edge: an outranked sender has none to us."""
    if outranked and len(messages) == 1:
        return []
    return [Pong(message.nonce) for message in messages if isinstance(message, Ping)][:PONGS_MAX]
