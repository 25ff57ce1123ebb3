"""Who is to hold a front: from the living and their claims, the same answer on every node that knows the same.

The home node, else the home zone, else anybody; among equals by rendezvous hash (Thaler and Ravishankar 1998), so that
the fronts of a dead node spread over the others. Who holds a front keeps it against its equals: a death moves what the
dead held, and a return what is at home there.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from lbmesh.failover.claims import Claim, FrontState
from lbmesh.model.front import Front


class PlaceRule(StrEnum):
    """Which rule gave a front its holder. The names are for operators and stay."""

    HOME_NODE = "home_node"
    HOME_ZONE = "home_zone"
    ELSEWHERE = "elsewhere"
    INCUMBENT = "incumbent"
    HANDED_OVER = "handed_over"
    JUDGE = "judge"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Standing:
    """A live node. `is_willing`: it takes fronts; not so while it drains, leaves, or none of its forwarders gets on."""

    zone: str
    is_willing: bool = True


@dataclass(frozen=True, slots=True)
class Lost:
    """A node that the heartbeat calls gone. `judges`: who judges it, all of whom found the same; `absent`: those of
    them that are silent themselves.
    """

    judges: frozenset[str]
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a front belongs now. `holder`: None when nobody can have it. `heir`: the better home that it should return
    to; None when there is none.
    """

    holder: str | None
    rule: PlaceRule
    reason: str
    heir: str | None = None


NOBODY = Place(None, PlaceRule.NOBODY, "no live node can hold it")


def place(front: Front, nodes: Mapping[str, Standing], claims: Mapping[str, Claim], gone: Mapping[str, Lost]) -> Place:
    """`nodes`: the live ones, and what they `claim` of this front. Only fronts that tolerate two holders leave who is
    merely `gone`.
    """
    lost = {} if front.is_exclusive else {name: how for name, how in gone.items() if name in nodes}
    pool = _able(nodes.keys() - lost.keys(), nodes, claims)
    if not pool:
        return NOBODY
    held = {name: claim for name, claim in claims.items() if name in nodes and claim.state.answers}
    handing = [(name, claim) for name, claim in held.items() if name not in lost and claim.heir in pool]
    if handing:
        giver, claim = max(handing, key=lambda one: (one[1].epoch, score(front, one[0])))
        return Place(claim.heir, PlaceRule.HANDED_OVER, f"handed over by {giver}: {claim.reason}")
    first = _first(front, pool, nodes)
    if incumbents := {name: claim for name, claim in held.items() if name in pool}:
        holder = min(incumbents, key=lambda name: _precedence(front, name, nodes[name].zone, incumbents[name]))
        is_better = rank(front, first, nodes[first].zone) < rank(front, holder, nodes[holder].zone)
        reason = f"{holder} holds it" if is_better else _why(front, holder, nodes[holder].zone)
        return Place(holder, PlaceRule.INCUMBENT, reason, first if is_better else None)
    if lost and (before := _holder_before(front, nodes, claims, held, lost)):
        how = lost[before]
        judges = pool & (how.judges - how.absent) or pool
        holder = _first(front, judges, nodes)
        return Place(holder, PlaceRule.JUDGE, f"{before} is gone, and {holder} comes first of those who judge it")
    rule = (PlaceRule.HOME_NODE, PlaceRule.HOME_ZONE, PlaceRule.ELSEWHERE)[rank(front, first, nodes[first].zone)]
    return Place(first, rule, _why(front, first, nodes[first].zone))


def successors(
    front: Front,
    name: str,
    nodes: Mapping[str, Standing],
    claims: Mapping[str, Claim],
    judges: Collection[str],
    gone: Collection[str] = (),
) -> list[str]:
    """Who takes the front when `name` dies, when the first of these has died, too, and so on. `judges`: who judges
    `name`; when all of them are dead, anybody. Who answers for it already does not come into it.
    """
    answering = {one for one, claim in claims.items() if claim.state.answers}
    able = _able(nodes.keys() - {name} - set(gone), nodes, claims) - answering
    ordered = order(front, able, nodes)
    return sorted(ordered, key=lambda one: not front.is_exclusive and one not in judges)


def is_last(
    front: Front, name: str, nodes: Collection[str], claims: Mapping[str, Claim], gone: Collection[str]
) -> bool:
    """Is there nobody but this node who could have the front?"""
    lost = () if front.is_exclusive else gone
    return all(one == name or one in lost or (one in claims and claims[one].is_unfit) for one in nodes)


def rank(front: Front, name: str, zone: str) -> int:
    """How near home a node is: 0 for the home node, 1 for the home zone, 2 for elsewhere."""
    return 0 if name == front.node else 1 if zone == front.zone else 2


def order(front: Front, names: Iterable[str], nodes: Mapping[str, Standing]) -> list[str]:
    """These nodes in the order in which they should have the front."""
    return sorted(names, key=lambda name: (rank(front, name, nodes[name].zone), -score(front, name)))


def _first(front: Front, names: Collection[str], nodes: Mapping[str, Standing]) -> str:
    return min(names, key=lambda name: (rank(front, name, nodes[name].zone), -score(front, name)))


def score(front: Front, name: str) -> int:
    """The rendezvous weight of a node for a front."""
    return _score(front.name, name)


@lru_cache(maxsize=1 << 15)
def _score(front: str, name: str) -> int:
    digest = hashlib.blake2b(f"{front}\0{name}".encode(), digest_size=8, person=b"lbmesh front")
    return int.from_bytes(digest.digest(), "big")


def _able(names: Collection[str], nodes: Mapping[str, Standing], claims: Mapping[str, Claim]) -> frozenset[str]:
    """Who may have the front: the willing that can; else those that can, for a drained node is better than none."""
    fit = frozenset(name for name in names if not (name in claims and claims[name].is_unfit))
    return frozenset(name for name in fit if nodes[name].is_willing) or fit or frozenset(names)


def _precedence(front: Front, name: str, zone: str, claim: Claim) -> tuple[bool, int, int, int]:
    """Of several that hold a front, the least one keeps it."""
    return not claim.is_firm, rank(front, name, zone), -claim.epoch, -score(front, name)


def _holder_before(
    front: Front,
    nodes: Mapping[str, Standing],
    claims: Mapping[str, Claim],
    held: Mapping[str, Claim],
    lost: Mapping[str, Lost],
) -> str | None:
    """The gone node whose front it was, by its claim, or because it came first; None for a front of others."""
    if owners := [name for name in held if name in lost]:
        return max(owners, key=lambda name: (held[name].epoch, score(front, name)))
    first = _first(front, _able(nodes.keys(), nodes, claims), nodes)
    return first if first in lost else None


def _why(front: Front, name: str, zone: str) -> str:
    match rank(front, name, zone):
        case 0:
            return f"{name} is its home node"
        case 1 if front.node:
            return f"its home node {front.node} cannot have it, and {name} comes first in its home zone {front.zone}"
        case 1:
            return f"{name} comes first in its home zone {front.zone}"
        case _:
            return f"nobody in its home zone {front.zone} can have it, and {name} comes first of the others"


def is_held(claim: Claim | None) -> bool:
    """True when a node holds the front, and does not hand it over."""
    return claim is not None and claim.state is FrontState.HELD
