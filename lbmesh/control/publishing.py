"""Which addresses DNS publishes: from who lives, and who holds which front, with what holds a change back.

An address goes when its home is down or gone and nobody holds it. It comes back when that has been over for the front's
hold-down. Members of one zone only may go within VELOCITY_S, and none while this node hears nobody: whoever has asked
another node then has an answer that is no worse.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import inf

from lbmesh.model.dns import DnsPicture, DnsPolicy, PublishedAddress
from lbmesh.model.front import Front, NoDriver
from lbmesh.model.view import ViewVersion

VELOCITY_S = 600.0
"""Within this addresses of one zone go, and no other's: what takes all zones out in ten minutes is a fault of ours."""

ADOPT_S = 5.0
"""So long nobody may hold a front that can move before its address goes: within that a backup adopts it."""

LOOK_S = 0.5
"""How often it is looked at what waits for its time."""


@dataclass(frozen=True, slots=True)
class NodeSight:
    """A node as this one sees it. `serves`: clients may be sent to it; and why (not)."""

    name: str
    zone: str
    serves: bool
    reason: str


@dataclass(frozen=True, slots=True)
class DnsSight:
    """`holders`: by front, the living nodes that answer for it. `hears_peers`: another node lives, and has told whom it
    knows.
    """

    nodes: tuple[NodeSight, ...]
    holders: Mapping[str, Collection[str]]
    is_isolated: bool = False
    hears_peers: bool = True


@dataclass(slots=True)
class _Known:
    """What was made of a front. `good_s`, `bad_s`: since when there is somebody to answer there, and nobody.
    `was_good`: there was somebody before.
    """

    is_published: bool = True
    was_good: bool = False
    reason: str = ""
    good_s: float = inf
    bad_s: float = inf


class Publisher:
    """Makes the pictures of one agent, numbered from 1. `due_s`: when to look at the latest."""

    def __init__(self, generation: int) -> None:
        self.latest: DnsPicture | None = None
        self.due_s = inf
        self._generation = generation
        self._known: dict[str, _Known] = {}
        self._zones_left_s: dict[str, float] = {}

    def look(self, now: float, policy: DnsPolicy, fronts: Collection[Front], sight: DnsSight) -> DnsPicture | None:
        """The next picture; None when it would say what the latest says."""
        self.due_s = inf
        self._known = {front.name: self._known.get(front.name) or _Known() for front in fronts}
        for front in fronts:
            self._judge(now, front, sight)
        addresses = tuple(self._address(front) for front in fronts)
        latest = self.latest
        if latest and (latest.policy, latest.addresses) == (policy, addresses):
            return None
        number = latest.version.number + 1 if latest else 1
        self.latest = DnsPicture(ViewVersion(self._generation, number), policy, addresses)
        return self.latest

    def _address(self, front: Front) -> PublishedAddress:
        known = self._known[front.name]
        return PublishedAddress(front.name, front.zone, known.is_published, known.reason)

    def _judge(self, now: float, front: Front, sight: DnsSight) -> None:
        known = self._known[front.name]
        is_good, reason = _answerable(front, sight)
        if is_good:
            known.bad_s, known.good_s = inf, min(known.good_s, now)
        else:
            known.good_s, known.bad_s = inf, min(known.bad_s, now)
        if is_good and not known.is_published and known.was_good and now < known.good_s + front.hold_down_s:
            self._wait(now)
            known.reason = f"comes back when it has held for {front.hold_down_s:g} s: {reason}"
            return
        if not is_good and known.is_published and (guard := self._guard(now, front, known, sight)):
            self._wait(now)
            known.reason = f"{guard}, though {reason}"
            return
        if known.is_published and not is_good and known.was_good:
            self._zones_left_s.setdefault(front.zone, now)
        known.is_published, known.reason, known.was_good = is_good, reason, known.was_good or is_good

    def _wait(self, now: float) -> None:
        self.due_s = now + LOOK_S

    def _guard(self, now: float, front: Front, known: _Known, sight: DnsSight) -> str:
        """Why an address stays, though nobody may answer there; "" when it goes."""
        if sight.is_isolated:
            return "kept: this node hears nobody, and may be the one that is cut off"
        if not isinstance(front.driver, NoDriver) and now < known.bad_s + ADOPT_S:
            return "kept until a backup had time to adopt it"
        if not known.was_good:
            # It was dead when this agent came: that took nothing away.
            return ""
        self._zones_left_s = {zone: at_s for zone, at_s in self._zones_left_s.items() if now < at_s + VELOCITY_S}
        others = self._zones_left_s.keys() - {front.zone}
        if others:
            return f"kept: {min(others)} has left within {VELOCITY_S / 60:g} minutes, and one zone is enough"
        return ""


def _answerable(front: Front, sight: DnsSight) -> tuple[bool, str]:
    """Does somebody answer at this address? A front that can move has a holder; one that cannot has its home."""
    holders = sorted(sight.holders.get(front.name, ()))
    if not isinstance(front.driver, NoDriver):
        return (True, f"{', '.join(holders)} answers there") if holders else (False, "nobody holds it")
    if front.node:
        home, where = [one for one in sight.nodes if one.name == front.node], front.node
    else:
        home, where = [one for one in sight.nodes if one.zone == front.zone], front.zone
    if not home:
        if sight.hears_peers:
            return False, f"nobody is known of {where}"
        return True, f"nobody is known of {where}, and no peer is heard who would know"
    if serving := [one for one in home if one.serves]:
        return True, f"{serving[0].name} {serving[0].reason}"
    return False, "; ".join(f"{one.name} {one.reason}" for one in home[:3])
