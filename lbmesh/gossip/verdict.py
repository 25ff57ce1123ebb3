"""Who is down: a pure function of everybody's edges. Zones are judged first, each as one subject.

*Trusted* are those whose words count now: whom this node has just heard, and whoever is reached over a chain of edges
that are up, from them or from here. What the dead and the cut off said last stays in the books, but it accuses nobody
and vouches for nobody.

Only a quorum may condemn: each live zone has one vote, its live members a share each, and the trusted must have more
than half of all. So of two sides of a split at most one condemns the other, whatever the sizes of the zones. Where just
two zones live, half will do to condemn the other zone as a whole: nobody else could.

A zone is down when all trusted edges into it are broken, seen from two zones where there are two others, and by two
observers where a zone has two. A member is down when most of its live observers have their edge to it broken, in two
zones where there are two others, and two of them unless only two members live; those who are not trusted count as if
they reached it. A member with fewer broken edges is impaired. Who is down stays so until most
of the trusted that test it reach it, so that a half-connected member does not flap.

Who accuses many whom most others reach has itself the trouble (or lies), and its accusations are left out.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lbmesh.model.member import MemberState

_ROUNDS_MAX = 4
"""A fall takes votes away and can so decide more; one round settles almost everything."""

_CONTRADICTED_MIN = 2
"""So many accusations against the others' word show that the accuser is in trouble; one may be a single cut link."""

_PAIR = 2
_ROUNDING = 1e-9
"""Shares of a tie may add up to a little more than half."""


class Rule(StrEnum):
    """Which rule decided on a member. The names are for operators and stay."""

    THIS_NODE = "this_node"
    REACHED = "reached"
    UNTESTED = "not_tested"
    ZONE_DOWN = "zone_down"
    MAJORITY = "majority"
    NO_MAJORITY = "no_majority"
    STILL_DOWN = "still_down"
    CONTRADICTED = "contradicted"
    ISOLATED = "isolated"
    JOINED = "joined"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Subject:
    """A member to be judged: where it is, what it was held for, and what it says of others.

    `edges`: {name: broken}, empty when it does not vote.
    """

    name: str
    zone: str
    state: MemberState
    edges: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Finding:
    """A state, the rule that found it, and the reason in words for an operator."""

    state: MemberState
    rule: Rule
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """`findings`: on every subject, the judge too. `trusted`: whose words counted, the judge among them.
    `discounted`: {accuser: how many it accuses whom most others reach}.
    """

    findings: Mapping[str, Finding]
    trusted: frozenset[str]
    discounted: Mapping[str, int]


@dataclass(slots=True)
class _Votes:
    """On one member: who of the trusted cannot reach it, who can, and how many others once could."""

    accusers: list[str] = field(default_factory=list)
    vouchers: list[str] = field(default_factory=list)
    unheard: int = 0


_NO_VOTES = _Votes()
_STILL_DOWN = Finding(MemberState.DOWN, Rule.STILL_DOWN, "most observers have not reached it since")


@dataclass(frozen=True, slots=True)
class _Court:
    """Everything one round needs, indexed once. `live_zones`: {zone: its live members}. `votes_share`: of all zones'
    votes, what the trusted have.
    """

    subjects: Mapping[str, Subject]
    live_zones: Mapping[str, tuple[str, ...]]
    live_count: int
    votes_share: float
    trusted: frozenset[str]
    votes: Mapping[str, _Votes]
    discounted: Mapping[str, int]

    @property
    def is_quorum(self) -> bool:
        """Have the trusted more than half of all votes?"""
        return self.votes_share > 0.5 + _ROUNDING

    @property
    def is_half(self) -> bool:
        """Have they half at least?"""
        return self.votes_share > 0.5 - _ROUNDING


def judge(subjects: Iterable[Subject], me: str, heard: Collection[str] = ()) -> Judgement:
    """The finding on every subject. Subjects that have left must not be among them, except `me`. `heard`: who has just
    sent something to this node, which in a large mesh may itself watch nobody but the dead.
    """
    by_name = {subject.name: subject for subject in subjects}
    states = {name: subject.state for name, subject in by_name.items()}
    for _ in range(_ROUNDS_MAX):
        court = _convene(by_name, states, me, heard)
        findings = _judge_once(court, me)
        before, states = states, {name: finding.state for name, finding in findings.items()}
        if states == before:
            break
    return Judgement(findings, court.trusted, court.discounted)


def _convene(
    subjects: Mapping[str, Subject], states: Mapping[str, MemberState], me: str, heard: Collection[str]
) -> _Court:
    live = [subject for subject in subjects.values() if states[subject.name].is_live or subject.name == me]
    roots = {me, *(name for name in heard if name in subjects and states[name].is_live)}
    trusted = _trusted(subjects, states, roots)
    votes = _count(live, trusted, {})
    discounted = _discounted(votes, [subject for subject in live if subject.name in trusted])
    if discounted:
        votes = _count(live, trusted, discounted)
    zones: dict[str, tuple[str, ...]] = {}
    for subject in live:
        zones[subject.zone] = (*zones.get(subject.zone, ()), subject.name)
    share = sum(sum(name in trusted for name in names) / len(names) for names in zones.values()) / len(zones)
    return _Court(subjects, zones, len(live), share, trusted, votes, discounted)


def _trusted(
    subjects: Mapping[str, Subject], states: Mapping[str, MemberState], roots: Collection[str]
) -> frozenset[str]:
    """Reachable from the roots over edges that are up, each reported by one already reached."""
    reached = set(roots)
    frontier = list(roots)
    while frontier:
        for target, broken in subjects[frontier.pop()].edges.items():
            if not broken and target not in reached and target in subjects and states[target].is_live:
                reached.add(target)
                frontier.append(target)
    return frozenset(reached)


def _count(live: list[Subject], trusted: frozenset[str], discounted: Mapping[str, int]) -> dict[str, _Votes]:
    votes: dict[str, _Votes] = {}
    for voter in live:
        name = voter.name
        if name in discounted:
            continue
        for target, broken in voter.edges.items():
            known = votes.get(target)
            if known is None:
                known = votes[target] = _Votes()
            if name not in trusted:
                known.unheard += 1
            elif broken:
                known.accusers.append(name)
            else:
                known.vouchers.append(name)
    return votes


def _discounted(votes: Mapping[str, _Votes], voters: list[Subject]) -> dict[str, int]:
    """Who of the voters accuses several, and most of those it tests, against most of the others' word."""
    contradicted: dict[str, int] = {}
    for on_target in votes.values():
        if len(on_target.vouchers) > len(on_target.accusers):
            for accuser in on_target.accusers:
                contradicted[accuser] = contradicted.get(accuser, 0) + 1
    edges = {voter.name: len(voter.edges) for voter in voters}
    return {
        name: count for name, count in contradicted.items() if count >= _CONTRADICTED_MIN and count * 2 > edges[name]
    }


def _judge_once(court: _Court, me: str) -> dict[str, Finding]:
    own_zone = court.subjects[me].zone
    zones = {subject.zone for subject in court.subjects.values()} - {own_zone}
    accused = {name for name, on_it in court.votes.items() if on_it.accusers}
    down_zones: dict[str, Finding] = {}
    for zone in sorted(zones):
        if not accused.isdisjoint(name for name, one in court.subjects.items() if one.zone == zone):
            finding = _judge_zone(zone, court)
            if finding is not None:
                down_zones[zone] = finding
    return {
        name: _judge_self(me, court)
        if name == me
        else down_zones.get(subject.zone) or _judge_member(subject, court, down_zones)
        for name, subject in court.subjects.items()
    }


def _judge_self(me: str, court: _Court) -> Finding:
    count = court.discounted.get(me)
    if count is None:
        return Finding(MemberState.ALIVE, Rule.THIS_NODE, "this node")
    return Finding(
        MemberState.IMPAIRED,
        Rule.CONTRADICTED,
        f"this node cannot reach {count} members whom most others reach: the trouble is here",
    )


def _judge_zone(zone: str, court: _Court) -> Finding | None:
    members = {subject.name for subject in court.subjects.values() if subject.zone == zone}
    other_zones = [other for other in court.live_zones if other != zone]
    if not court.is_quorum and not (court.is_half and len(court.live_zones) == _PAIR):
        return None
    witnesses = 0
    agreed: list[str] = []
    for other in other_zones:
        trusted = (name for name in court.live_zones[other] if name in court.trusted)
        voters = [court.subjects[name] for name in trusted if name not in court.discounted]
        seen = [[broken for target, broken in voter.edges.items() if target in members] for voter in voters]
        watching = [flags for flags in seen if flags]
        if not all(map(all, watching)):
            return None
        if watching and len(watching) >= min(2, len(voters)):
            agreed.append(other)
            witnesses += len(watching)
    witnesses_needed = min(2, sum(len(court.live_zones[other]) for other in other_zones))
    if not agreed or len(agreed) < min(2, len(other_zones)) or witnesses < witnesses_needed:
        return None
    zones = "zone" if len(agreed) == 1 else "zones"
    return Finding(
        MemberState.DOWN,
        Rule.ZONE_DOWN,
        f"zone {zone} is down: no edge from {zones} {', '.join(sorted(agreed))} reaches it",
    )


def _judge_member(subject: Subject, court: _Court, down_zones: Mapping[str, Finding]) -> Finding:
    votes = court.votes.get(subject.name) or _NO_VOTES
    accusers = [court.subjects[name] for name in votes.accusers if court.subjects[name].zone not in down_zones]
    was_down = subject.state is MemberState.DOWN
    if not votes.accusers:
        return _STILL_DOWN if was_down and not votes.vouchers else _reached(len(votes.vouchers))
    observers = len(accusers) + len(votes.vouchers) + votes.unheard
    zones = sorted({accuser.zone for accuser in accusers})
    reason = f"{len(accusers)} of {observers} observers, in {', '.join(zones)}, cannot reach it"
    other_zones = len(court.live_zones.keys() - down_zones.keys() - {subject.zone})
    others = court.live_count - (subject.name in court.live_zones.get(subject.zone, ()))
    agreed = (
        len(accusers) * 2 > observers
        and len(accusers) >= min(2, others)
        and len(zones) >= min(2, other_zones)
        and (court.is_quorum or others == 1)
    )
    if agreed:
        return Finding(MemberState.DOWN, Rule.MAJORITY, reason)
    if was_down and len(votes.vouchers) <= len(accusers):
        return _STILL_DOWN
    return Finding(MemberState.IMPAIRED, Rule.NO_MAJORITY, reason)


def _reached(observers: int) -> Finding:
    if not observers:
        return Finding(MemberState.ALIVE, Rule.UNTESTED, "not yet tested")
    return Finding(MemberState.ALIVE, Rule.REACHED, f"{observers} of {observers} observers reach it")
