"""Datagrams that should not have come, by source: each source is told of once a minute, and a flood of made-up sources
at a bounded rate. All of them are counted by reason, whether they are told of or not.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from math import inf

from lbmesh.gossip.limits import STRAY_SOURCES_MAX, STRAY_SOURCES_TOLD_MAX, GossipTiming
from lbmesh.gossip.notices import Notice, NoticeKind
from lbmesh.gossip.seal import Rejection

_ONE, _MANY = 1, 100
_TELLING = {
    Rejection.TOO_LARGE: _ONE,
    Rejection.TRUNCATED: _ONE,
    Rejection.VERSION: _ONE,
    Rejection.MALFORMED: _ONE,
    Rejection.EPOCH_JUMP: _ONE,
    Rejection.FULL: _ONE,
    Rejection.REPLAYED: _MANY,
    Rejection.UNPROVEN: _MANY,
}
"""How many in a minute are worth a word. Networks double a datagram now and then, and each start of a peer is unproven
at first. What is not listed is in order, or told of elsewhere: wrong keys by `Lookout`, old starts by `Namesakes`.
"""

_ADVICE = (
    "if it is a member: is its release the same as here? If not: something else sends to this port, or somebody "
    "sends again what it recorded; close the port to it"
)


@dataclass(slots=True)
class _Source:
    """One source: what it sent in its current minute, and when it was last told of."""

    since_s: float
    told_s: float
    refused: Counter[Rejection] = field(default_factory=Counter)


class Strays:
    """The sources of refused datagrams, the least recent forgotten first."""

    def __init__(self, timing: GossipTiming) -> None:
        self._minute_s = timing.notice_repeat_s
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._told: list[tuple[float, Notice]] = []

    def refused(self, now: float, host: str, reason: Rejection) -> Notice | None:
        """A datagram of this source changed nothing; the notice, when it is time for one."""
        if reason not in _TELLING:
            return None
        source = self._source(now, host)
        source.refused[reason] += 1
        is_much = any(count >= _TELLING[each] for each, count in source.refused.items())
        if not is_much or now - source.told_s < self._minute_s:
            return None
        source.told_s = now
        self._told = [one for one in self._told if now - one[0] < self._minute_s]
        if len(self._told) > STRAY_SOURCES_TOLD_MAX:
            return None
        notice = _notice(host, source.refused)
        if len(self._told) == STRAY_SOURCES_TOLD_MAX:
            notice = Notice(NoticeKind.BAD_DATAGRAMS, "other sources", "more sources send what is refused", _ADVICE)
        self._told.append((now, notice))
        return notice

    def standing(self, now: float) -> tuple[Notice, ...]:
        """What was told in the last minute and a half."""
        return tuple(notice for told_s, notice in self._told if now - told_s <= 1.5 * self._minute_s)

    def _source(self, now: float, host: str) -> _Source:
        source = self._sources.get(host)
        if source is None or now - source.since_s >= self._minute_s:
            source = self._sources[host] = _Source(now, source.told_s if source else -inf)
        self._sources.move_to_end(host)
        if len(self._sources) > STRAY_SOURCES_MAX:
            self._sources.popitem(last=False)
        return source

    def __len__(self) -> int:
        return len(self._sources)


def _notice(host: str, refused: Counter[Rejection]) -> Notice:
    counts = ", ".join(f"{count} {reason}" for reason, count in refused.most_common())
    return Notice(NoticeKind.BAD_DATAGRAMS, host, f"datagrams from {host} are refused ({counts} so far)", _ADVICE)
