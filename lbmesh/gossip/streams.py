"""Streams: for what is larger than a few datagrams, the one who lacks it asks over TCP, unit by unit.

A unit is a sealed datagram, and every rule for datagrams holds for it. The asker opens the stream, sends a digest and
gets rows, as many as a few dozen datagrams hold, and word whether that was all; then it asks on from what it knows by
then. So nothing is kept for it at the other side, and nothing is sent that it has not asked for.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from lbmesh.gossip.codec import encode
from lbmesh.gossip.limits import MEMBERS_MAX, STREAM_ROUNDS_MAX, STREAMS_MAX, GossipTiming
from lbmesh.gossip.messages import Digest
from lbmesh.gossip.sync import Sync
from lbmesh.model.address import Address


@dataclass(slots=True)
class _Stream:
    """One this node opened. `left`: digests still to be sent; `news`: rows that came since the last one."""

    left: list[Digest] = field(default_factory=list)
    news: int = 0
    rounds: int = 0


class Streams:
    """The streams that this node has opened, or wants to open: one to a peer, few in all, and not too often."""

    def __init__(self, sync: Sync, timing: GossipTiming) -> None:
        self._sync = sync
        self._timing = timing
        self._open: dict[Address, _Stream] = {}
        self._tried_s: OrderedDict[str, float] = OrderedDict()

    def offered(self, now: float, peer: str, address: Address) -> bool:
        """The peer has more for this node than datagrams hold. True when a stream is to be opened."""
        recent = now - self._tried_s.get(peer, float("-inf")) < self._timing.stream_gap_s
        if recent or address in self._open or len(self._open) >= STREAMS_MAX:
            return False
        self._open[address] = _Stream()
        self._tried_s[peer] = now
        self._tried_s.move_to_end(peer)
        if len(self._tried_s) > MEMBERS_MAX:
            self._tried_s.popitem(last=False)
        return True

    def has_asked(self, address: Address) -> bool:
        """Is it a stream of this node's making?"""
        return address in self._open

    def opened(self, address: Address) -> list[bytes]:
        """The stream stands: the first frames for it."""
        stream = self._open.get(address)
        if stream is None:
            return []
        stream.left = self._sync.all_digests()
        return [encode(stream.left[0])]

    def closed(self, address: Address) -> None:
        """The stream has ended, or never stood."""
        self._open.pop(address, None)

    def rows_came(self, address: Address, count: int) -> None:
        """A unit on this stream brought so much news."""
        stream = self._open.get(address)
        if stream is not None:
            stream.news += count

    def answered(self, address: Address, *, more: bool) -> list[bytes]:
        """The peer has said all it could in answer to a digest. Returns what to ask next; nothing when it is over."""
        stream = self._open.get(address)
        if stream is None or not stream.left:
            return []
        stream.rounds += 1
        if not more or not stream.news:
            stream.left.pop(0)
        stream.news = 0
        if not stream.left or stream.rounds >= STREAM_ROUNDS_MAX:
            return []
        stream.left[0] = self._sync.renewed(stream.left[0])
        return [encode(stream.left[0])]
