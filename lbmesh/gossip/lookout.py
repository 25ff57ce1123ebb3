"""Why a node may be alone: no seed answers, or what arrives is sealed under another key."""

from dataclasses import dataclass

from lbmesh.gossip.limits import GossipTiming
from lbmesh.gossip.members import Members
from lbmesh.gossip.notices import Notice, NoticeKind, Notices
from lbmesh.gossip.seal import Rejection
from lbmesh.gossip.seeds import Seeds
from lbmesh.gossip.turn import Turn
from lbmesh.model.address import Address

_NAMED_SEEDS_MAX = 3
_SAME_KEY = "is the key file the same on both nodes?"
_KEY_FAULTS = {
    Rejection.UNKNOWN_KEY: ("datagrams under another key", _SAME_KEY),
    Rejection.FORGED: ("datagrams that do not fit their key", f"somebody forges or damages them; or {_SAME_KEY}"),
}


@dataclass(frozen=True, slots=True)
class KeyFault:
    """Datagrams that this node's keys did not open: how many so far, and where the last came from."""

    reason: Rejection
    count: int
    source: Address


class Lookout:
    """Turns silence and wrong keys into notices."""

    def __init__(self, seeds: Seeds, members: Members, notices: Notices, timing: GossipTiming) -> None:
        self._seeds = seeds
        self._members = members
        self._notices = notices
        self._timing = timing
        self.key_faults: dict[Rejection, KeyFault] = {}

    def unanswered_for_s(self, now: float) -> float:
        """Seconds since a seed answered or a peer was live; 0 when there is no other seed to answer."""
        others = self._seeds.others(self._members.own.address)
        return self._seeds.silent_for_s(now, alone=bool(others) and not self._members.live_peers())

    def watch_seeds(self, now: float, turn: Turn) -> None:
        """Say it when no seed answers."""
        silent_s = self.unanswered_for_s(now)
        if silent_s == 0:
            self._notices.end(NoticeKind.SEEDS_SILENT)
        if silent_s < self._timing.seeds_silent_s:
            return
        addresses = self._seeds.others(self._members.own.address)
        named = ", ".join(map(str, addresses[:_NAMED_SEEDS_MAX]))
        more = f" and {len(addresses) - _NAMED_SEEDS_MAX} more" if len(addresses) > _NAMED_SEEDS_MAX else ""
        notice = Notice(
            NoticeKind.SEEDS_SILENT,
            "seeds",
            f"no seed of {named}{more} has answered for {silent_s:.0f} s",
            "is it up, is UDP open between the nodes, is the key the same?",
        )
        self._say(now, notice, turn)

    def refused(self, now: float, source: Address, reason: Rejection, turn: Turn) -> None:
        """A datagram was refused: say it when the keys are to blame. One subject, for sources can be made up."""
        fault = _KEY_FAULTS.get(reason)
        if fault is None:
            return
        known = self.key_faults.get(reason)
        count = known.count + 1 if known else 1
        self.key_faults[reason] = KeyFault(reason, count, source)
        what, advice = fault
        self._say(
            now, Notice(NoticeKind.OTHER_KEY, reason.value, f"{what} from {source}, {count} so far", advice), turn
        )

    def _say(self, now: float, notice: Notice, turn: Turn) -> None:
        if self._notices.see(now, notice):
            turn.notices.append(notice)
