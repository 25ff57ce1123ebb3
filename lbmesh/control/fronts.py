"""Fronts as the plane sees them: members, rows and the heartbeat's word become a sight, claims and votes rows."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from math import inf

from lbmesh.config.settings import Settings
from lbmesh.control.front_book import PeerFronts
from lbmesh.control.front_rows import CLAIM_PREFIX, VOTE_PREFIX
from lbmesh.control.inputs import Event, EventKind
from lbmesh.control.state import Readiness
from lbmesh.failover.claims import Claim, FrontState, Grant
from lbmesh.failover.fronts import Fronts
from lbmesh.failover.guards import Outlook
from lbmesh.failover.lease import electorate
from lbmesh.failover.orders import Outcome
from lbmesh.failover.plan import Lost, Standing
from lbmesh.failover.sight import FrontsOutput, FrontStatus, Move, Sight
from lbmesh.model.address import Address
from lbmesh.model.explanation import Explanation, Said
from lbmesh.model.member import Member, MemberState

UNREADY_S = 2.0
"""So long a node may have no forwarder before it takes no fronts any more."""


class FrontPart:
    """One agent's fronts. `session`: of this agent, never used before."""

    def __init__(self, settings: Settings, session: str, now: float) -> None:
        failover, node, gossip = settings.failover, settings.node, settings.gossip
        self._node, self._zone = node.name, node.zone
        self._witnesses = frozenset(failover.witnesses)
        own = gossip.advertise if gossip else None
        self._is_witness = settings.is_witness
        self._core = Fronts(
            node.name,
            settings.fronts,
            now=now,
            session=session,
            electorate=electorate(failover.zones, [_witness_name(one) for one in failover.witnesses]),
            drain_s=node.drain_timeout_s,
            voter=_witness_name(own) if own and self._is_witness else node.name,
            # Nobody else can hold what a node alone holds.
            **({} if gossip else {"settle_s": 0.0}),
        )
        self._count = len(settings.fronts)
        self._is_ready = False
        self._unready_s = inf
        self._outside: dict[str, bool] = {}
        self._is_unsettled = True

    @property
    def is_willing(self) -> bool | None:
        """Does this node take fronts? None where it takes no part."""
        return None if self._is_witness or not self._count else self._is_ready

    @property
    def is_used(self) -> bool:
        """Is there any front, or one to be let go?"""
        return self._count > 0 or not self._core.is_empty

    @property
    def is_relieved(self) -> bool:
        """Is each front that this node held in other hands, or is nobody there to take it?"""
        return self._core.is_relieved

    def configure(self, settings: Settings, now: float) -> None:
        """Follow new settings."""
        self._count = len(settings.fronts)
        self._core.configure(now, settings.fronts)
        self._is_unsettled = True

    def unsettle(self) -> None:
        """Somebody came or went, or says something new of fronts."""
        self._is_unsettled = True

    def fare(self, now: float, readiness: Readiness, *, at_once: bool) -> bool:
        """How this node fares; True when that is news for the peers. Without `at_once`, a node that serves nobody has
        UNREADY_S to recover: a forwarder that dies has a successor by then.
        """
        before = self.is_willing
        self._unready_s = inf if readiness.ready else min(self._unready_s, now + UNREADY_S)
        self._is_ready = readiness.ready or (self._is_ready and not at_once and now < self._unready_s)
        self._is_unsettled |= before is not self.is_willing
        return before is not self.is_willing

    def reach(self, what: str, *, in_reach: bool) -> None:
        """Whether something outside the mesh, such as the gateway, is in reach."""
        self._is_unsettled |= self._outside.get(what) is not in_reach
        self._outside[what] = in_reach

    def take(self, outcome: Outcome, now: float) -> None:
        """A driver says something."""
        self._core.take(now, outcome)

    def is_due(self, now: float) -> bool:
        """Is `step` to be called?"""
        return self._is_unsettled or now >= self._core.next_deadline()

    def next_deadline(self) -> float:
        """When `step` is due; infinite for a node without fronts."""
        if not self.is_used:
            return inf
        return min(self._core.next_deadline(), self._unready_s if self._is_ready else inf)

    def step(
        self,
        now: float,
        members: Iterable[Member],
        said: Mapping[str, PeerFronts],
        lost: Mapping[str, Lost],
        *,
        is_isolated: bool,
        stalled: str,
    ) -> FrontsOutput:
        """`said`: what the live peers say of fronts, by name. `is_isolated`: gossip hears nobody, though it should."""
        self._is_unsettled = False
        self._core.see(now, self._sight(tuple(members), said, lost, is_isolated=is_isolated, stalled=stalled))
        return self._core.step(now)

    def _sight(
        self,
        members: tuple[Member, ...],
        said: Mapping[str, PeerFronts],
        lost: Mapping[str, Lost],
        *,
        is_isolated: bool,
        stalled: str,
    ) -> Sight:
        nodes = {} if self._is_witness else {self._node: Standing(self._zone, self._is_ready)}
        claims: dict[str, dict[str, Claim]] = {}
        votes: dict[str, dict[str, Grant]] = {}
        peers = [one for one in members if one.name != self._node and one.state is not MemberState.LEFT]
        for member in peers:
            words = said.get(member.name) if member.state.is_live else None
            if words is None:
                continue
            is_witness = member.address in self._witnesses
            voter = _witness_name(member.address) if is_witness else member.name
            for front, grant in words.votes.items():
                votes.setdefault(front, {})[voter] = grant
            if words.is_willing is None or is_witness:
                continue
            nodes[member.name] = Standing(member.zone, words.is_willing)
            for front, claim in words.claims.items():
                claims.setdefault(front, {})[member.name] = claim
        hears_peer = not is_isolated and any(member.state.is_live and member.name not in lost for member in peers)
        outlook = Outlook(len(peers), hears_peer, dict(self._outside))
        return Sight(nodes, lost, claims, votes, outlook, stalled)

    def successors(self, name: str, judges: Collection[str]) -> list[str]:
        """Who would take a front, the first first, if this node died. `judges`: who judges this node."""
        return self._core.successors(name, judges)

    def statuses(self) -> tuple[FrontStatus, ...]:
        """All fronts as this node sees them, by address."""
        return tuple(self._core.statuses())

    def explain(
        self, now: float, name: str, members: Iterable[Member], said: Mapping[str, PeerFronts]
    ) -> Explanation | None:
        """Why a front is what it is here; None for one that is not in the settings."""
        status = next((one for one in self._core.statuses() if one.front.name == name), None)
        if status is None:
            return None
        found = status.place
        notes = [f"it belongs to {found.holder or 'nobody'}: {found.reason}", f"epoch {status.epoch} here"]
        notes += [f"{found.heir} is a better home"] if found.heir else []
        notes += [status.guard] if status.guard else []
        notes += [f"its driver says: {status.problem}"] if status.problem else []
        return Explanation(
            subject=name,
            state=status.state,
            for_s=max(0.0, now - status.since_s),
            rule=found.rule,
            reason=status.reason,
            said=tuple(_said(now, name, members, said)),
            notes=tuple(notes),
        )


def _said(now: float, front: str, members: Iterable[Member], said: Mapping[str, PeerFronts]) -> Iterator[Said]:
    """The peers' claims and votes; what the dead said does not count."""
    for member in members:
        words = said.get(member.name)
        if words is None:
            continue
        why_not = "" if member.state.is_live else f"it is {member.state}"
        if claim := words.claims.get(front):
            what = f"{claim.state}, epoch {claim.epoch}: {claim.reason}"
            age_s = now - words.heard_s.get(f"{CLAIM_PREFIX}{front}", now)
            yield Said(member.name, member.zone, what, age_s, not why_not, why_not)
        if vote := words.votes.get(front):
            what = f"votes for {vote.holder}, epoch {vote.epoch}"
            age_s = now - words.heard_s.get(f"{VOTE_PREFIX}{front}", now)
            yield Said(member.name, member.zone, what, age_s, not why_not, why_not)


def front_event(move: Move) -> Event:
    """A front changed hands, or is about to."""
    change = f"{move.before} to {move.after}"
    return Event(EventKind.FRONT, move.front, change, move.reason, move.after is FrontState.FENCED)


def _witness_name(address: Address) -> str:
    return f"witness {address}"
