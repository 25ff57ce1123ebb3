"""What an operator must hear of and no member's state shows: said at once, then once a minute while it lasts."""

from dataclasses import dataclass
from enum import StrEnum

from lbmesh.gossip.limits import NOTICES_MAX, GossipTiming


class NoticeKind(StrEnum):
    """NAME_CONFLICT: two live nodes have one name. NAME_CLAIM: this node's name was used in a higher epoch.
    SEEDS_SILENT: no seed answers and no member is known. OTHER_KEY: datagrams that our keys do not open.
    FORGED_ROWS: a member passes on what its author did not sign, or knows more of this node than it wrote.
    TOO_MANY_ROWS: a member publishes more than there is room for. BAD_DATAGRAMS: a source sends what is refused.
    """

    NAME_CONFLICT = "name_conflict"
    NAME_CLAIM = "name_claim"
    SEEDS_SILENT = "seeds_silent"
    OTHER_KEY = "other_key"
    FORGED_ROWS = "forged_rows"
    TOO_MANY_ROWS = "too_many_rows"
    BAD_DATAGRAMS = "bad_datagrams"


@dataclass(frozen=True, slots=True)
class Notice:
    """`subject`: the node's name, or what else it is about; `what` happened, and `advice`: why, and what to do."""

    kind: NoticeKind
    subject: str
    what: str
    advice: str


@dataclass(slots=True)
class _Said:
    notice: Notice
    said_s: float
    seen_s: float


class Notices:
    """What was said when. One notice of a kind on a subject: the newest."""

    def __init__(self, timing: GossipTiming) -> None:
        self._timing = timing
        self._said: dict[tuple[NoticeKind, str], _Said] = {}

    def see(self, now: float, notice: Notice) -> bool:
        """It is so now. True when it is to be said: the first time, and a minute after the last. With as many as are
        remembered, all of this minute, nothing new is said: else those that had to be forgotten would be said again.
        """
        key = notice.kind, notice.subject
        said = self._said.get(key)
        if said is not None and now - said.said_s < self._timing.notice_repeat_s:
            said.notice, said.seen_s = notice, now
            return False
        if said is None and len(self._said) >= NOTICES_MAX:
            oldest = min(self._said, key=lambda known: self._said[known].said_s)
            if now - self._said[oldest].said_s < self._timing.notice_repeat_s:
                return False
            del self._said[oldest]
        self._said[key] = _Said(notice, now, now)
        return True

    def end(self, kind: NoticeKind) -> None:
        """Nothing of this kind is so any more."""
        for key in [key for key in self._said if key[0] is kind]:
            del self._said[key]

    def standing(self, now: float) -> tuple[Notice, ...]:
        """What was so in the last minute and a half; peers tell of conflicts once a minute."""
        bound_s = 1.5 * self._timing.notice_repeat_s
        return tuple(said.notice for said in self._said.values() if now - said.seen_s <= bound_s)
