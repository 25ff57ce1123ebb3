"""What this node says to its peers: at once what has changed, and once an interval what stands."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf

from lbmesh.health.record import Record
from lbmesh.model.health import Opinion
from lbmesh.model.service import ReplicaId

REFRESH_AFTER = 0.75
"""Words that stand are said again this part of the interval after the last time, where there is newer evidence."""

REFRESHES_PER_STEP = 64
"""Some 6 µs each."""


class Voice:
    """The words this node has said, and those it still has to say or take back."""

    def __init__(self, node: str, zone: str) -> None:
        self._node = node
        self._zone = zone
        self._withdrawn: list[ReplicaId] = []
        self._unsaid: dict[ReplicaId, None] = {}
        self._refreshed_s = -inf

    def forget(self, record: Record) -> None:
        """This replica is not checked any more."""
        if record.published:
            self._withdrawn.append(record.replica)

    def words(
        self, touched: Iterable[Record], records: Mapping[ReplicaId, Record], now: float
    ) -> tuple[tuple[Opinion, ...], tuple[ReplicaId, ...]]:
        """What peers should hear now, and what is taken back. What stands is said again once an interval, and then
        all of it together: a few datagrams, each sent on by every peer, instead of some for each replica.
        """
        said: dict[ReplicaId, Opinion] = {}
        is_time = False
        for record in touched:
            word, published = record.own_word(self._node, self._zone), record.published
            if word is None and published:
                record.published = None
                self._withdrawn.append(record.replica)
            elif word and (not published or published.up is not word.up):
                said[record.replica] = word
            elif word and published and word.at_s > published.at_s:
                self._unsaid[record.replica] = None
                is_time |= self._refreshed_s + REFRESH_AFTER * record.check.interval_s <= now
        for replica in list(self._unsaid)[:REFRESHES_PER_STEP] if is_time else ():
            del self._unsaid[replica]
            known = records.get(replica)
            if known and known.published and (word := known.own_word(self._node, self._zone)):
                said[replica] = word
        if is_time and not self._unsaid:
            self._refreshed_s = now
        for replica, word in said.items():
            records[replica].published = replace(word, at_s=now)
        withdrawn, self._withdrawn = tuple(self._withdrawn), []
        return tuple(said.values()), withdrawn
