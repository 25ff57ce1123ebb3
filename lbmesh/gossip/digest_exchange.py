"""Digests and what follows from them: answers, the end of an answer, and streams for what is too much for datagrams."""

from lbmesh.gossip.catch_up import CatchUp
from lbmesh.gossip.codec import encode
from lbmesh.gossip.forgeries import Forgeries
from lbmesh.gossip.limits import DELTA_DATAGRAMS_MAX, STREAM_UNITS_MAX
from lbmesh.gossip.members import Members
from lbmesh.gossip.messages import Digest, More
from lbmesh.gossip.namesakes import Namesakes
from lbmesh.gossip.outbox import Outbox
from lbmesh.gossip.replies import Reply
from lbmesh.gossip.streams import Streams
from lbmesh.gossip.sync import Sync
from lbmesh.gossip.turn import Turn
from lbmesh.model.address import Address


class DigestExchange:
    """Compares notes with a peer, until neither lacks what the other has."""

    def __init__(
        self,
        sync: Sync,
        members: Members,
        outbox: Outbox,
        streams: Streams,
        catch_up: CatchUp,
        namesakes: Namesakes,
        forgeries: Forgeries,
    ) -> None:
        self._sync = sync
        self._members = members
        self._outbox = outbox
        self._streams = streams
        self._catch_up = catch_up
        self._namesakes = namesakes
        self._forgeries = forgeries

    def answer(self, now: float, source: Address, sender: str, digest: Digest, turn: Turn) -> None:
        """Send what the peer lacks, and ask for what is lacking here."""
        if sender in self._members.live():
            self._catch_up.offer(digest)
        by_stream = turn.stream is not None
        if not by_stream and not self._outbox.replies.spend(now, Reply.ANSWER, sender):
            return
        answer = self._sync.answer(digest, STREAM_UNITS_MAX if by_stream else DELTA_DATAGRAMS_MAX)
        self._forgeries.are_known(now, sender, answer.overtaken, turn)
        if answer.claim is not None:
            self._namesakes.claimed(now, answer.claim, turn)
        frames = list(answer.frames)
        if not digest.answered and (by_stream or answer.is_cut):
            frames.append(encode(More(answer.is_cut)))
        self._outbox.send(turn, source, frames)

    def rows_came(self, now: float, news: int, turn: Turn) -> None:
        """A batch of rows was taken, of which so many were news: it may have been asked for."""
        if turn.stream is not None:
            self._streams.rows_came(turn.stream, news)
        if self._catch_up.hurries(now):
            self._outbox.hasten_digest(now)

    def hear_of_more(self, now: float, source: Address, sender: str, more: More, turn: Turn) -> None:
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
