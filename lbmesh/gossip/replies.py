"""How much one node answers: to each peer, and to all together. A peer counts by the name it authentically gives.

Without a bound on each kind of reply, one member, or one recording of many, could have this node spend its time and
its line, or pelt somebody whose address the datagrams bear.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from lbmesh.gossip.limits import REPLY_PEERS_MAX


class Reply(StrEnum):
    """What a peer's datagram may call for."""

    PONG = "pong"
    STRANGERS_PONG = "strangers_pong"
    PROOF = "proof"
    INTRODUCTION = "introduction"
    ANSWER = "answer"
    CONFLICT = "conflict"
    REFUTATION = "refutation"


@dataclass(frozen=True, slots=True)
class _Rate:
    """A burst, then so many a second: to one peer, and to all."""

    peer_burst: float
    peer_per_s: float
    burst: float
    per_s: float


_RATES = {
    # An observer pings five times a second, ten times when its edge is broken, and may be dialling this node as a seed
    # and wanting proofs besides; ten observe a member, whatever the size of the mesh. When all of a thousand start at
    # once, each pings each seed.
    Reply.PONG: _Rate(40, 40, 3000, 1000),
    # Of sessions that have proved nothing: names cost nothing, so what they use up must not be the members' share.
    Reply.STRANGERS_PONG: _Rate(40, 40, 3000, 1000),
    Reply.PROOF: _Rate(10, 5, 2000, 500),
    Reply.INTRODUCTION: _Rate(5, 1, 2000, 200),
    # A member sends one digest a second to one of its peers, and one of two more when somebody joins.
    Reply.ANSWER: _Rate(10, 5, 1000, 200),
    Reply.CONFLICT: _Rate(2, 0.1, 20, 1),
    Reply.REFUTATION: _Rate(10, 5, 200, 100),
}


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float

    def refill(self, now: float, burst: float, per_s: float) -> None:
        self.tokens = min(burst, self.tokens + (now - self.at_s) * per_s)
        self.at_s = now


class Replies:
    """Token buckets. What is withheld is counted as `replies_withheld`."""

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._peers: OrderedDict[tuple[Reply, str], _Bucket] = OrderedDict()
        self._all: dict[Reply, _Bucket] = {}

    def spend(self, now: float, reply: Reply, peer: str) -> bool:
        """True when one more may go to the peer."""
        rate = _RATES[reply]
        total = self._all.setdefault(reply, _Bucket(rate.burst, now))
        own = self._peers.setdefault((reply, peer), _Bucket(rate.peer_burst, now))
        self._peers.move_to_end((reply, peer))
        if len(self._peers) > REPLY_PEERS_MAX:
            self._peers.popitem(last=False)
        total.refill(now, rate.burst, rate.per_s)
        own.refill(now, rate.peer_burst, rate.peer_per_s)
        if own.tokens < 1 or total.tokens < 1:
            self._counters["replies_withheld"] += 1
            return False
        own.tokens -= 1
        total.tokens -= 1
        return True

    def forget(self, peer: str) -> None:
        """The peer is no longer known."""
        for reply in Reply:
            self._peers.pop((reply, peer), None)

    def __len__(self) -> int:
        return len(self._peers)
