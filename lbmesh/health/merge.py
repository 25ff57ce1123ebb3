"""Merging opinions: own evidence first, then what most of the own zone say, then the other zones.

There is no single truth about a replica: it may be up from here and down from there, and both nodes are
right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lbmesh.health.verdict import Verdict
from lbmesh.model.health import Availability, Opinion

UP, UNKNOWN, DOWN = Availability.UP, Availability.UNKNOWN, Availability.DOWN


class Rule(StrEnum):
    """Which rule decided. The first seven merge, the others limit what merging would do; the values are fixed."""

    OWN_EVIDENCE = "own_evidence"
    OWN_FAILING_CONFIRMED = "own_failing_confirmed"
    SAME_ZONE_MAJORITY = "same_zone_majority"
    OTHER_ZONES = "other_zones"
    DOUBT = "doubt"
    LAST_KNOWN = "last_known"
    NOBODY = "nobody"
    HELD_BACK = "held_back"
    FAIL_OPEN = "fail_open"
    LAST_RESORT = "last_resort"
    REMOVAL_LIMIT = "removal_limit"
    ONE_ZONE_AT_A_TIME = "one_zone_at_a_time"
    EJECTED = "ejected"
    NOT_CHECKED = "not_checked"

    @property
    def is_hearsay(self) -> bool:
        """True when peers' words alone decided."""
        return self in (Rule.SAME_ZONE_MAJORITY, Rule.OTHER_ZONES, Rule.DOUBT)


@dataclass(frozen=True, slots=True)
class Merged:
    """A replica's availability from this node, which rule decided it and why.

    `ups`, `downs`: how many peers' words that count say so. `until_s`: when time alone changes it; None for never.
    """

    availability: Availability
    rule: Rule
    reason: str
    ups: int = 0
    downs: int = 0
    until_s: float | None = None

    @property
    def is_removal(self) -> bool:
        """True when peers' words alone keep requests from it."""
        return self.rule.is_hearsay and self.availability is not UP


NOTHING_KNOWN = Merged(UNKNOWN, Rule.NOBODY, "nobody has an opinion yet")


def merge(
    own: Verdict, peers: Iterable[Opinion], *, zone: str, now: float, expiry_s: float, doubt_s: float = 0.0
) -> Merged:
    """The first rule that applies decides:

    1. Down by own evidence: down. Nobody else's success helps this node's requests.
    2. Up by own evidence, the newest of it a success: up, whatever the others say.
    3. Up by own evidence, of late failing: down when the peers' words say down, else up, until `fall` is reached.
    4. The majority of the words from `zone`, this node's; at a tie, or when there are none, the majority of the others;
       at a tie there, up. But *doubt* (unknown: used only where no other is up) when the zone's only word is down and
       most elsewhere say up, and for `doubt_s` seconds after a word of down that is newer than all words from this
       zone: the lookers of this zone will say in that time what is true.
    5. What was last known, or what the agent before this one thought. 6. Unknown.

    `peers`: words that count, at most one of each observer; their order does not matter. They count whatever their age,
    verdicts for `expiry_s` seconds.
    """
    words = sorted(peers, key=lambda word: word.observer)
    ups = sum(word.up for word in words)
    downs = len(words) - ups
    said = _majority(words, zone)
    own_counts = own.is_fresh(now, expiry_s)
    if own_counts and own.first_hand:
        if own.availability is DOWN:
            return Merged(DOWN, Rule.OWN_EVIDENCE, own.reason, ups, downs)
        if not own.streak:
            return Merged(UP, Rule.OWN_EVIDENCE, own.reason, ups, downs)
        if said and said.availability is DOWN:
            reason = f"own last {own.streak} failed, and {said.reason}"
            return Merged(DOWN, Rule.OWN_FAILING_CONFIRMED, reason, ups, downs)
        return Merged(UP, Rule.OWN_EVIDENCE, f"{own.reason}; last {own.streak} failed", ups, downs)
    if said:
        return _unless_news(said, words, zone, now, doubt_s)
    if own_counts:
        return Merged(own.availability, Rule.LAST_KNOWN, own.reason)
    return NOTHING_KNOWN


def _majority(words: Sequence[Opinion], zone: str) -> Merged | None:
    """Rule 4 without news; None when nobody says anything."""
    if not words:
        return None
    near = [word for word in words if word.observer_zone == zone]
    far = [word for word in words if word.observer_zone != zone]
    ups = sum(word.up for word in words)
    downs = len(words) - ups
    found = Merged(UP, Rule.OTHER_ZONES, f"{ups} observers say up and {downs} say down", ups, downs)
    for rule, where, group in (
        (Rule.OTHER_ZONES, "of other zones", far),
        (Rule.SAME_ZONE_MAJORITY, "of this zone", near),
    ):
        against = [word for word in group if not word.up]
        if len(against) * 2 > len(group):
            reason = (
                f"{len(against)} of {len(group)} observers {where} say down; {against[0].observer}: {against[0].reason}"
            )
            found = Merged(DOWN, rule, reason, ups, downs)
        elif len(against) * 2 < len(group):
            reason = f"{len(group) - len(against)} of {len(group)} observers {where} say up"
            found = Merged(UP, rule, reason, ups, downs)
    if len(near) == 1 and not near[0].up and ups * 2 > len(far):
        reason = f"{found.reason}; {ups} of {len(far)} elsewhere say up, and nobody else of this zone has looked yet"
        return Merged(UNKNOWN, Rule.DOUBT, reason, ups, downs)
    return found


def _unless_news(said: Merged, words: Sequence[Opinion], zone: str, now: float, doubt_s: float) -> Merged:
    """Doubt that it is up, while a word of down is newer than all words of this zone."""
    looked_s = max((word.at_s for word in words if word.observer_zone == zone), default=float("-inf"))
    news = [word for word in words if not word.up and word.at_s > looked_s and word.at_s + doubt_s > now]
    if said.availability is not UP or not news:
        return said
    newest = max(news, key=lambda word: (word.at_s, word.observer))
    reason = f"{newest.observer} says down: {newest.reason}; this zone has not looked since"
    return Merged(UNKNOWN, Rule.DOUBT, reason, said.ups, said.downs, newest.at_s + doubt_s)
