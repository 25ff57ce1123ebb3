"""The right to an exclusive front: a lease, held by the votes of more than half of a fixed electorate.

Any two such majorities share a voter (Gifford 1979), and a voter promises to one at a time. A promise lasts LEASE_S on
the voter's clock from when it took a bid; the bidder counts from when it made that bid, on its own. So no clocks are
compared, and no delay, loss, repetition or reordering can make two rights of one. Voters keep nothing on disk: one that
starts promises nothing until what it may have promised before has lapsed (PaxosLease, Trencseni et al. 2012).
"""

import hashlib
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf

from lbmesh.failover.claims import Bid, Claim, FrontState, Grant
from lbmesh.failover.front_limits import LEASE_S, RENEW_S, TERM_S

_ROUNDS_REMEMBERED = 16
"""Bids that can still be answered: all of a lease's, and more."""

_BIDDING = (FrontState.CLAIMING, FrontState.HELD, FrontState.DRAINING)


@dataclass(frozen=True, slots=True)
class Electorate:
    """Who votes, and with which part of a zone's vote."""

    votes: Mapping[str, Fraction] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The same for the same electorate only."""
        text = "\n".join(f"{name} {vote}" for name, vote in sorted(self.votes.items()))
        return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()

    def is_majority(self, voters: Collection[str]) -> bool:
        """Have they more than half of all votes?"""
        return 2 * self.share(voters) > sum(self.votes.values())

    def share(self, voters: Collection[str]) -> Fraction:
        """Their votes."""
        return sum((vote for name, vote in self.votes.items() if name in voters), Fraction())


def electorate(zones: Iterable[tuple[str, Collection[str]]], witnesses: Collection[str]) -> Electorate:
    """One vote for each zone, shared by its nodes, and one for each witness."""
    votes = {name: Fraction(1, len(names)) for _, names in zones for name in names}
    return Electorate(votes | dict.fromkeys(witnesses, Fraction(1)))


@dataclass(frozen=True, slots=True)
class _Promise:
    grant: Grant
    until_s: float


class Voter:
    """One node's vote on each exclusive front."""

    def __init__(self, now: float, electorate: str) -> None:
        self._quiet_until_s = now + LEASE_S
        self._electorate = electorate
        self._promises: dict[str, _Promise] = {}

    def vote(self, now: float, front: str, claims: Mapping[str, Claim], preferred: Iterable[str]) -> Grant | None:
        """The vote as it stands after these claims; None for none. `preferred`: the nodes, whom to prefer of several
        that bid first.
        """
        if now < self._quiet_until_s:
            return None
        known = self._promises.get(front)
        if known is not None:
            holder = known.grant.holder
            claim = claims.get(holder)
            if claim and claim.bid and claim.state in _BIDDING and self._is_news(claim.bid, known.grant, claim):
                return self._promise(now, front, holder, claim, claim.bid)
            if now < known.until_s and not (claim and _has_let_go(claim, known.grant)):
                return known.grant
        if any(self._is_foreign(claim) for claim in claims.values()):
            return None
        least = known.grant.epoch if known else 0
        for name in preferred:
            claim = claims.get(name)
            if claim is None or claim.bid is None or claim.bid.electorate != self._electorate:
                continue
            if claim.state in _BIDDING and claim.epoch > least:
                return self._promise(now, front, name, claim, claim.bid)
        return known.grant if known else None

    def due_s(self, front: str) -> float:
        """When another bid may be answered, as the promise lapses."""
        known = self._promises.get(front)
        return known.until_s if known else self._quiet_until_s

    def keep(self, now: float, fronts: Collection[str]) -> None:
        """Forget all others, once what was promised of them has lapsed."""
        self._promises = {
            name: promise for name, promise in self._promises.items() if name in fronts or now < promise.until_s
        }

    def _promise(self, now: float, front: str, holder: str, claim: Claim, bid: Bid) -> Grant:
        grant = Grant(holder, claim.epoch, bid)
        self._promises[front] = _Promise(grant, now + LEASE_S)
        return grant

    def _is_news(self, bid: Bid, grant: Grant, claim: Claim) -> bool:
        """A later bid of who has the promise. Another start of that node has no other right than the node."""
        is_later = bid.session != grant.bid.session or bid.round > grant.bid.round
        return is_later and claim.epoch >= grant.epoch and bid.electorate == self._electorate

    def _is_foreign(self, claim: Claim) -> bool:
        """Is the front held by votes of another electorate?"""
        return claim.bid is not None and claim.state.answers and claim.bid.electorate != self._electorate


def _has_let_go(claim: Claim, grant: Grant) -> bool:
    """Has the one start that got the promise said that it holds the front no more?"""
    is_over = claim.state is FrontState.IDLE and claim.epoch >= grant.epoch
    return is_over and claim.bid is not None and claim.bid.session == grant.bid.session


class Tenancy:
    """The bidder's side, for one front."""

    def __init__(self, name: str, session: str, electorate: Electorate) -> None:
        self._name = name
        self._session = session
        self._electorate = electorate
        self._fingerprint = electorate.fingerprint
        self._round = 0
        self._made: deque[tuple[int, float]] = deque(maxlen=_ROUNDS_REMEMBERED)

    def bid(self, now: float) -> Bid:
        """The bid that stands; a new one when it is time for that."""
        if now >= self.due_s():
            self._round += 1
            self._made.append((self._round, now))
        return Bid(self._session, self._round, self._fingerprint)

    def last(self) -> Bid:
        """The last bid, for saying that it is over."""
        return Bid(self._session, self._round, self._fingerprint)

    def due_s(self) -> float:
        """When the next bid is due."""
        return self._made[-1][1] + RENEW_S if self._made else -inf

    def until_s(self, epoch: int, grants: Mapping[str, Grant]) -> float:
        """Until when these votes give the right to the front; minus infinity when they never did."""
        made = dict(self._made)
        ends = sorted(
            (
                (made[grant.bid.round] + TERM_S, name)
                for name, grant in grants.items()
                if grant.holder == self._name
                and grant.epoch == epoch
                and grant.bid.session == self._session
                and grant.bid.electorate == self._fingerprint
                and grant.bid.round in made
            ),
            reverse=True,
        )
        voters: list[str] = []
        for end_s, name in ends:
            voters.append(name)
            if self._electorate.is_majority(voters):
                return end_s
        return -inf

    def votes(self, epoch: int, grants: Mapping[str, Grant]) -> str:
        """How the vote stands, in words."""
        mine = [name for name, grant in grants.items() if grant.holder == self._name and grant.epoch == epoch]
        have, need = self._electorate.share(mine), sum(self._electorate.votes.values())
        return f"{float(have):.3g} of {float(need):.3g} votes"
