"""Members that do what no member does: each is counted, and told of once a minute."""

from collections import Counter

from lbmesh.gossip.notices import Notice, NoticeKind, Notices
from lbmesh.gossip.turn import Turn

_ADVICE = (
    "is its release the same as here? If so, somebody has the key who should not: rotate it, and look for who that is"
)


class Intruders:
    """What a member with a valid key did that its role does not allow."""

    def __init__(self, notices: Notices, counters: Counter[str]) -> None:
        self._notices = notices
        self._counters = counters

    def forged_rows(self, now: float, sender: str, owner: str, count: int, turn: Turn) -> None:
        """`sender` passed on rows that `owner` has not signed."""
        self._counters["rows_forged"] += count
        self._say(now, NoticeKind.FORGED_ROWS, sender, f"passes on rows of {owner} that {owner} did not sign", turn)

    def overtaken(self, now: float, sender: str, turn: Turn) -> None:
        """`sender` knows rows of this node that it never wrote. It need not be their author."""
        self._counters["rows_overtaken"] += 1
        self._say(now, NoticeKind.FORGED_ROWS, sender, "was told rows of this node that this node never wrote", turn)

    def refused_rows(self, now: float, owner: str, count: int, turn: Turn) -> None:
        """`owner` has published more rows than there is room for."""
        self._counters["rows_refused"] += count
        self._say(
            now, NoticeKind.TOO_MANY_ROWS, owner, "publishes more rows than a node may; the rest are left out", turn
        )

    def _say(self, now: float, kind: NoticeKind, subject: str, what: str, turn: Turn) -> None:
        notice = Notice(kind, subject, what, _ADVICE)
        if self._notices.see(now, notice):
            turn.notices.append(notice)
