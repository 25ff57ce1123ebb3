"""Merging opinions: own evidence first, then what most peers say.

There is no single truth about a replica: it may be up from here and down from there, and both nodes are
right.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lbmesh.health.verdict import Verdict
from lbmesh.model.health import Availability, Opinion


class Basis(StrEnum):
    """Whose word decided."""

    OWN = "own"
    PEERS = "peers"
    INHERITED = "inherited"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Merged:
    """A replica's availability from this node, who decided it and why."""

    availability: Availability
    basis: Basis
    reason: str


NOTHING_KNOWN = Merged(Availability.UNKNOWN, Basis.NOBODY, "nobody has an opinion yet")


def merge(own: Verdict, peers: Iterable[Opinion], *, now: float, expiry_s: float) -> Merged:
    """The first rule that applies decides:

    1. Down by own evidence: down. Nobody else's success helps this node's requests.
    2. Up by own evidence, the newest of it a success: up, whatever the others say.
    3. Most of the peers' fresh opinions say down: down.
    4. Up by own evidence, of late failing: up, until `fall` is reached.
    5. Any fresh opinion of a peer is left: up.
    6. What the agent before this one thought. 7. Unknown.

    `peers`: opinions of live observers, at most one each; their order does not matter. Opinions and
    verdicts count for `expiry_s` seconds.
    """
    fresh = sorted((word for word in peers if word.at_s + expiry_s > now), key=lambda word: word.observer)
    downs = [word for word in fresh if not word.up]
    own_counts = own.is_fresh(now, expiry_s) and own.first_hand
    if own_counts and own.availability is Availability.DOWN:
        return Merged(Availability.DOWN, Basis.OWN, own.reason)
    if own_counts and not own.streak:
        return Merged(Availability.UP, Basis.OWN, own.reason)
    if len(downs) * 2 > len(fresh):
        word = downs[0]
        said = f"{len(downs)} of {len(fresh)} observers say down; {word.observer}: {word.reason}"
        if own_counts:
            return Merged(Availability.DOWN, Basis.OWN, f"own last {own.streak} failed, and {said}")
        return Merged(Availability.DOWN, Basis.PEERS, said)
    if own_counts:
        return Merged(Availability.UP, Basis.OWN, f"{own.reason}; last {own.streak} failed")
    if fresh:
        ups = len(fresh) - len(downs)
        return Merged(Availability.UP, Basis.PEERS, f"{ups} of {len(fresh)} observers say up")
    if own.is_fresh(now, expiry_s):
        return Merged(own.availability, Basis.INHERITED, own.reason)
    return NOTHING_KNOWN
