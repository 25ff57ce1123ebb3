"""Why a member is held for what it is: everybody's word about it, and what became of each."""

from collections.abc import Iterator

from lbmesh.gossip.identity import member_id
from lbmesh.gossip.members import Entry, Members
from lbmesh.gossip.picture import Picture
from lbmesh.gossip.probing import Prober
from lbmesh.model.explanation import Explanation, Said, Transition


def explain_member(now: float, name: str, members: Members, prober: Prober, picture: Picture) -> Explanation | None:
    """What the observers say of the member, and which rule decided; None for a name that is unknown."""
    entry = members.entries.get(name)
    if entry is None:
        return None
    said = sorted(_words(now, entry, members, prober, picture), key=lambda word: (not word.counts, word.who))
    return Explanation(
        subject=name,
        state=entry.state,
        for_s=now - entry.since_s,
        rule=entry.rule,
        reason=entry.reason,
        said=tuple(said),
        history=tuple(
            Transition(move.before or "unknown", move.after, now - move.at_s, move.rule, move.reason)
            for move in reversed(entry.moves)
        ),
        notes=tuple(_notes(now, entry, members, prober, picture)),
    )


def _words(now: float, subject: Entry, members: Members, prober: Prober, picture: Picture) -> Iterator[Said]:
    subject_id = member_id(subject.name)
    observers = picture.plan.observers.get(subject.name, ())
    for voter in members.entries.values():
        broken = voter.edges.get(subject_id)
        if voter is subject or (broken is None and voter.name not in observers):
            continue
        why_not = _why_not(voter, broken, picture)
        yield Said(
            who="this node" if voter is members.own else voter.name,
            zone=voter.zone,
            what={None: "has not tested it yet", True: "cannot reach it", False: "reaches it"}[broken],
            age_s=_age_s(now, voter, subject, members, prober),
            counts=not why_not,
            why_not=why_not,
        )


def _why_not(voter: Entry, broken: bool | None, picture: Picture) -> str:
    """Why a word does not count; "" when it does."""
    judgement = picture.judgement
    if broken is None:
        return "it has no word yet"
    if voter.isolated:
        return "it reaches nobody itself"
    if voter.name not in judgement.trusted:
        return f"this node cannot reach it now: it is {voter.state}"
    if voter.name in judgement.discounted:
        return f"it cannot reach {judgement.discounted[voter.name]} members whom most others reach"
    return ""


def _age_s(now: float, voter: Entry, subject: Entry, members: Members, prober: Prober) -> float:
    edge = prober.edges.get(subject.name)
    if voter is members.own and edge is not None and not edge.broken:
        return max(0.0, now - edge.heard_s)
    return max(0.0, now - voter.edges_s)


def _notes(now: float, subject: Entry, members: Members, prober: Prober, picture: Picture) -> Iterator[str]:
    if subject is members.own:
        if picture.isolated:
            yield "no peer answers: what this node holds of the others is as old as that"
        return
    edge = prober.edges.get(subject.name)
    if edge is None:
        observers = len(picture.plan.observers.get(subject.name, ()))
        yield f"this node does not watch it: {observers} others do, spread over the zones"
    elif edge.rtt_s is not None:
        yield (
            f"own pings: last answer {now - edge.heard_s:.1f} s ago, round trip {1000 * edge.rtt_s:.1f} ms,"
            f" {edge.misses} missed in a row"
        )
    if subject.spoke_s == float("-inf"):
        yield f"it has not spoken to this node itself; it is in epoch {subject.epoch}"
    else:
        yield f"it last spoke to this node {now - subject.spoke_s:.1f} s ago, in epoch {subject.epoch}"
