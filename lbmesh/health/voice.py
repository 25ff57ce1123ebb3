"""What this node says to its peers: only what has changed. A word stands until it is taken back.

It counts at a peer while that peer trusts this node, so saying it again would tell nobody anything: at 100 balancers
each word a prober refreshes costs every member some 900 bytes.
"""

from collections.abc import Iterable
from dataclasses import replace

from lbmesh.health.limits import REASON_GAP_S
from lbmesh.health.record import Record
from lbmesh.model.health import Opinion
from lbmesh.model.service import ReplicaId

_DIGITS = str.maketrans("", "", "0123456789")


def reason_kind(reason: str) -> str:
    """A reason without its figures: "status 502" and "status 503" are of one kind, a timeout is of another."""
    return reason.translate(_DIGITS)


class Voice:
    """The words this node has said, and those it still has to take back."""

    def __init__(self, node: str, zone: str) -> None:
        self._node = node
        self._zone = zone
        self._withdrawn: list[ReplicaId] = []

    def forget(self, record: Record) -> None:
        """This replica is not checked any more."""
        if record.published:
            self._withdrawn.append(record.replica)

    def words(self, touched: Iterable[Record], now: float) -> tuple[tuple[Opinion, ...], tuple[ReplicaId, ...]]:
        """What peers should hear now, and what is taken back, because this node's own evidence has expired."""
        said = []
        for record in touched:
            word, published = record.own_word(self._node, self._zone), record.published
            if word is None and published:
                record.published = None
                self._withdrawn.append(record.replica)
            elif word and (published is None or _is_news(word, published, now)):
                record.published = replace(word, at_s=now)
                said.append(word)
        withdrawn, self._withdrawn = tuple(self._withdrawn), []
        return tuple(said), withdrawn


def _is_news(word: Opinion, published: Opinion, now: float) -> bool:
    """Of the same word, only why a replica is down is worth saying again, and not each time it varies."""
    if word.up is not published.up:
        return True
    is_other = reason_kind(word.reason) != reason_kind(published.reason)
    return not word.up and is_other and published.at_s + REASON_GAP_S <= now
