"""Who is down: a pure function of everybody's edges. Zones are judged first, each as one subject.

A zone is down when every other live zone has all its edges into it broken, seen by two observers where it has
two. A member is down when a majority of its live observers has its edge broken, from two zones where two other
zones live, and by two observers unless only two members live. A member with fewer broken edges is impaired.
A dead zone and a cut are the same thing from inside, so the smaller side of a split condemns nobody beyond it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lbmesh.model.member import MemberState

_ROUNDS_MAX = 4
"""A fall takes votes away and can so decide more; one round settles almost everything."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A member to be judged: where it is, what it was held for, and what it says of others.

    `fresh`: heard of lately, so that its votes count. `edges`: {name: broken}, empty when it does not vote.
    """

    name: str
    zone: str
    state: MemberState
    fresh: bool
    edges: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Finding:
    """A state and the reason for it, in words for an operator."""

    state: MemberState
    reason: str


def judge(subjects: Iterable[Subject], me: str) -> dict[str, Finding]:
    """The finding on every subject but `me`. Subjects that have left must not be among them."""
    subjects = tuple(subjects)
    findings = {subject.name: Finding(subject.state, "") for subject in subjects}
    for _ in range(_ROUNDS_MAX):
        before = {name: finding.state for name, finding in findings.items()}
        findings = _judge_once(subjects, before, me)
        if all(finding.state == before[name] for name, finding in findings.items()):
            break
    del findings[me]
    return findings


def _judge_once(subjects: tuple[Subject, ...], states: Mapping[str, MemberState], me: str) -> dict[str, Finding]:
    live = [subject for subject in subjects if states[subject.name] is not MemberState.DOWN]
    own_zone = next(subject.zone for subject in subjects if subject.name == me)
    down_zones: dict[str, Finding] = {}
    for zone in sorted({subject.zone for subject in subjects} - {own_zone}):
        finding = _judge_zone(zone, subjects, live)
        if finding is not None:
            down_zones[zone] = finding
    return {
        subject.name: Finding(MemberState.ALIVE, "this node")
        if subject.name == me
        else down_zones.get(subject.zone) or _judge_member(subject, live, down_zones)
        for subject in subjects
    }


def _judge_zone(zone: str, subjects: tuple[Subject, ...], live: list[Subject]) -> Finding | None:
    members = {subject.name for subject in subjects if subject.zone == zone}
    watching_zones = sorted({subject.zone for subject in live} - {zone})
    witnesses = 0
    for other in watching_zones:
        fresh = [subject for subject in live if subject.zone == other and subject.fresh]
        edges = [[broken for target, broken in subject.edges.items() if target in members] for subject in fresh]
        watching = [flags for flags in edges if flags]
        if len(watching) < min(2, len(fresh)) or not watching or not all(map(all, watching)):
            return None
        witnesses += len(watching)
    needed = min(2, sum(1 for subject in live if subject.zone != zone))
    if not watching_zones or witnesses < needed:
        return None
    zones = "zone" if len(watching_zones) == 1 else "zones"
    return Finding(
        MemberState.DOWN, f"zone {zone} is down: no edge from {zones} {', '.join(watching_zones)} reaches it"
    )


def _judge_member(subject: Subject, live: list[Subject], down_zones: Mapping[str, Finding]) -> Finding:
    others = [voter for voter in live if voter.name != subject.name and voter.zone not in down_zones]
    votes = [(voter, voter.edges[subject.name]) for voter in others if voter.fresh and subject.name in voter.edges]
    accusers = [voter for voter, broken in votes if broken]
    if not accusers:
        return Finding(
            MemberState.ALIVE,
            f"{len(votes)} of {len(votes)} observers reach it" if votes else "not yet tested",
        )
    zones = sorted({voter.zone for voter in accusers})
    reason = f"{len(accusers)} of {len(votes)} observers, in {', '.join(zones)}, cannot reach it"
    zones_needed = min(2, len({voter.zone for voter in others} - {subject.zone}))
    agreed = len(accusers) * 2 > len(votes) and len(accusers) >= min(2, len(others)) and len(zones) >= zones_needed
    return Finding(MemberState.DOWN if agreed else MemberState.IMPAIRED, reason)
