"""Is a partner gone? A silent one only when all live backups of its fronts agree, or the last one finds a front dead,
too; one that is heard, by its own words.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from math import inf

from lbmesh.failover.limits import ANSWER_S, SILENCE_S
from lbmesh.failover.peer import Peer
from lbmesh.failover.words import Gone, GoneRule


class Stand(Enum):
    """What another backup makes of a suspect: hears nothing either; hears it; is not live itself; may still say."""

    AGREES = auto()
    HEARS = auto()
    ABSENT = auto()
    UNDECIDED = auto()


@dataclass(frozen=True, slots=True)
class Weighed:
    """The other backups' stands on one suspect. `absent`: those that are not live themselves; `doubtful`: those to be
    asked (again).
    """

    agreeing: int
    absent: tuple[str, ...]
    doubtful: tuple[Peer, ...]
    is_open: bool

    @property
    def may_need_probe(self) -> bool:
        """True when this node may turn out to be the only backup that lives."""
        return self.agreeing == 0 and (self.is_open or not self.doubtful)


def is_deaf(peers: Collection[Peer], now: float) -> bool:
    """True when none of two or more partners is heard: it is more likely this node that is cut off."""
    expected = [peer for peer in peers if peer.is_expected and peer.gone is None]
    return len(expected) >= 2 and all(peer.is_silent(now) for peer in expected)


def weigh(suspect: Peer, own_name: str, by_name: Mapping[str, Peer], now: float) -> Weighed:
    """Hear the other backups of a suspect's fronts."""
    stands = [
        (name, by_name.get(name), _stand(by_name.get(name), suspect, now))
        for name in suspect.partner.judges
        if name != own_name
    ]
    kinds = [stand for _, _, stand in stands]
    doubtful = (Stand.HEARS, Stand.UNDECIDED)
    return Weighed(
        agreeing=kinds.count(Stand.AGREES),
        absent=tuple(name for name, _, stand in stands if stand is Stand.ABSENT),
        doubtful=tuple(peer for _, peer, stand in stands if peer is not None and stand in doubtful),
        is_open=Stand.UNDECIDED in kinds,
    )


def confessed(peer: Peer, own_session: bytes, own_name: str, by_name: Mapping[str, Peer], now: float) -> Gone | None:
    """Gone by what it said last: that its forwarders hang, or that it hears none of its backups. Of these this node
    must hear another one: a single backup that is not heard may itself be mute.
    """
    said = peer.said
    if said is None or not peer.is_fresh(now):
        return None
    if peer.hangs:
        reason = f"it says that its forwarders hang: {said.hung} of {said.forwarders}"
        return Gone(peer.partner.name, GoneRule.HUNG, reason)
    others = [by_name.get(name) for name in peer.partner.judges if name != own_name]
    if (
        not peer.is_expected
        or not peer.calls_silent(own_session)
        or not any(one and one.is_fresh(now) for one in others)
    ):
        return None
    if not all(one is not None and peer.calls_silent(one.session) for one in others):
        return None
    reason = f"it says that it hears none of its {len(others) + 1} backups"
    return Gone(peer.partner.name, GoneRule.DEAF, reason)


def verdict(suspect: Peer, weighed: Weighed) -> Gone | None:
    """Gone, or not (yet)."""
    if weighed.doubtful or weighed.is_open:
        return None
    nothing = f"heard nothing for {SILENCE_S:g} s"
    if weighed.agreeing:
        live = weighed.agreeing + 1
        others = f", {len(weighed.absent)} silent too" if weighed.absent else ""
        reason = f"{live} of {live} live backups {nothing}{others}"
        return Gone(suspect.partner.name, GoneRule.SILENT, reason, absent=weighed.absent)
    probe = suspect.probe
    if probe is None or probe.alive is not False:
        return None
    reason = f"the only live backup {nothing}, and its front {suspect.partner.front} {probe.detail}"
    return Gone(suspect.partner.name, GoneRule.SILENT, reason, absent=weighed.absent)


def decided_by_s(suspect: Peer) -> float:
    """When the last backup that says nothing is taken for absent; infinite for no suspect."""
    return inf if suspect.suspected_s is None else suspect.suspected_s + ANSWER_S


def _stand(judge: Peer | None, suspect: Peer, now: float) -> Stand:
    assert suspect.suspected_s is not None
    if judge is None or judge.suspected_s is not None:
        return Stand.ABSENT
    if judge.is_fresh(now):
        if judge.calls_silent(suspect.session):
            return Stand.AGREES
        if judge.heard_s >= suspect.suspected_s:
            return Stand.HEARS
    return Stand.ABSENT if now >= decided_by_s(suspect) else Stand.UNDECIDED
