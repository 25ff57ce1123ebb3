"""All fronts at one node: what it sees of the mesh goes in, orders for drivers and claims for the peers come out.

The one place that puts plan, guards, votes and machines together. `see` and `take` first, then `step`; nothing here has
a clock, a socket or a driver.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from math import inf

from lbmesh.failover.claims import Claim, FrontState, Grant
from lbmesh.failover.front import Aim, FrontMachine, Wish
from lbmesh.failover.front_limits import (
    HANDOVER_S,
    LEASE_S,
    LOOK_S,
    PASSED_S,
    REASON_CHARACTERS_MAX,
    SETTLE_S,
    UNCLAIMED_S,
)
from lbmesh.failover.guards import Record
from lbmesh.failover.kept import Kept
from lbmesh.failover.lease import Electorate, Tenancy, Voter
from lbmesh.failover.orders import Outcome
from lbmesh.failover.plan import is_held, is_last, order, place, rank, successors
from lbmesh.failover.sight import FrontsOutput, FrontStatus, Move, Sight
from lbmesh.failover.wishes import Wishes
from lbmesh.model.front import Front

_PASSED = Claim(FrontState.IDLE, 0, "it does not claim it", is_unfit=True)
_NO_CLAIMS: Mapping[str, Claim] = {}
_NO_GRANTS: Mapping[str, Grant] = {}


class Fronts:
    """One node's part. `voter`: its name in the electorate; `session`: of this start of the agent, never used before.
    `drain_s`: how long clients have to leave.
    """

    def __init__(
        self,
        name: str,
        fronts: Iterable[Front],
        *,
        now: float,
        session: str,
        electorate: Electorate,
        drain_s: float,
        voter: str | None = None,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._name = name
        self._voter_name = voter or name
        self._session = session
        self._electorate = electorate
        self._drain_s = drain_s
        self._voter = Voter(now, electorate.fingerprint)
        self._record = Record()
        self._wishes = Wishes(name, self._record, now + settle_s)
        self._sight = Sight({})
        self._all: dict[str, Kept] = {}
        self._due_s = now
        self.configure(now, fronts)

    def configure(self, now: float, fronts: Iterable[Front]) -> None:
        """Follow new settings: a front that is other than before is let go first, then claimed anew."""
        wanted = {front.name: front for front in fronts}
        for name, kept in self._all.items():
            kept.wanted = wanted.get(name)
        for name, front in wanted.items():
            if name not in self._all:
                self._all[name] = self._start(front, now)
        self._due_s = now

    def _start(self, front: Front, now: float) -> Kept:
        tenancy = Tenancy(self._name, self._session, self._electorate) if front.is_exclusive else None
        return Kept(FrontMachine(front, self._drain_s, now), tenancy, front)

    @property
    def is_empty(self) -> bool:
        """True without any front, and with none left to be let go."""
        return not self._all

    @property
    def is_relieved(self) -> bool:
        """True when others hold all that this node held, or are not there to, and nothing is about to be let go: what
        is withdrawn must be so before listeners close.
        """
        return not any(
            kept.machine.state is FrontState.RELEASING or (kept.machine.state.answers and not self._is_taken(kept))
            for kept in self._all.values()
        )

    def _is_taken(self, kept: Kept) -> bool:
        heir = kept.place.holder
        if heir is None or heir == self._name:
            return True
        return is_held(self._sight.claims.get(kept.machine.front.name, _NO_CLAIMS).get(heir))

    # Inputs

    def see(self, now: float, sight: Sight) -> None:
        """The mesh looks like this now."""
        self._sight = sight
        self._record.note(now, sight.nodes, sight.gone)
        self._due_s = now

    def take(self, now: float, outcome: Outcome) -> None:
        """A driver says something."""
        if kept := self._all.get(outcome.front):
            kept.machine.take(now, outcome)
            self._due_s = now

    def next_deadline(self) -> float:
        """When to call `step`."""
        return self._due_s if self._all else inf

    # What follows

    def step(self, now: float) -> FrontsOutput:
        """Do what is due."""
        output = FrontsOutput()
        for name, kept in sorted(self._all.items(), key=lambda one: (-one[1].machine.front.weight, one[0])):
            self._step_one(now, kept, output)
            if kept.wanted != kept.machine.front and kept.machine.state is FrontState.IDLE:
                self._replace(now, name, kept, output)
        self._voter.keep(now, self._all)
        # A vote of this node's own may have given it the right to what it bids for.
        soon_s = now if output.grants else now + LOOK_S
        self._due_s = min([soon_s, *(self._deadline(now, kept) for kept in self._all.values())])
        return output

    def successors(self, name: str, judges: Collection[str]) -> list[str]:
        """Who would take a front, the first first, if this node died; nobody for one that is not in the settings.
        `judges`: who judges this node.
        """
        kept = self._all.get(name)
        if kept is None:
            return []
        sight, claims = self._sight, self._sight.claims.get(name, _NO_CLAIMS)
        return successors(kept.machine.front, self._name, sight.nodes, claims, judges, sight.gone)

    def statuses(self) -> list[FrontStatus]:
        """All fronts as this node sees them, by name."""
        return [
            FrontStatus(
                machine.front,
                machine.state,
                machine.since_s,
                machine.epoch,
                machine.reason,
                kept.place,
                kept.guard,
                machine.problem or machine.unready,
                self._holders(kept),
            )
            for _, kept in sorted(self._all.items())
            for machine in (kept.machine,)
        ]

    def _holders(self, kept: Kept) -> tuple[str, ...]:
        """Who answers for it, as far as this node knows; mostly one."""
        nodes, gone, claims = self._sight.nodes, self._sight.gone, self._sight.claims
        said = claims.get(kept.machine.front.name, _NO_CLAIMS).items()
        found = {name for name, claim in said if claim.state.answers and name in nodes and name not in gone}
        found -= {self._name}
        return tuple(sorted(found | {self._name} if kept.machine.state.answers else found))

    def _replace(self, now: float, name: str, kept: Kept, output: FrontsOutput) -> None:
        """It was let go as it was: go on with it as it is, or forget it when no vote can rest on its rows any more."""
        if kept.wanted is not None:
            fresh = self._all[name] = self._start(kept.wanted, now)
            fresh.claim, fresh.grant = kept.claim, kept.grant
            fresh.machine.epoch, fresh.machine.unready = kept.machine.epoch, kept.machine.unready
            if fresh.tenancy is not None and kept.tenancy is not None:
                fresh.tenancy = kept.tenancy
        elif now >= kept.machine.since_s + LEASE_S:
            output.claims |= {name: None} if kept.claim else {}
            output.grants |= {name: None} if kept.grant else {}
            del self._all[name]

    def _step_one(self, now: float, kept: Kept, output: FrontsOutput) -> None:
        machine, front = kept.machine, kept.machine.front
        claims = dict(self._sight.claims.get(front.name, _NO_CLAIMS))
        claims.pop(self._name, None)
        if kept.claim is not None:
            claims[self._name] = kept.claim
        able = self._with_passed(now, kept, claims)
        kept.place = place(front, self._sight.nodes, able, self._sight.gone)
        self._await_claim(now, kept, claims)
        holders = [name for name, claim in claims.items() if is_held(claim)]
        if holders:
            kept.last_holder = "" if self._name in holders else max(holders, key=lambda name: claims[name].epoch)
        kept.guard = ""
        if kept.wanted == front:
            wish = self._wishes.wish(now, kept, claims, self._sight, self._all.values())
            wish = replace(wish, is_last=is_last(front, self._name, self._sight.nodes, able, self._sight.gone))
        else:
            wish = Wish(Aim.DROP, "the settings changed")
        before = machine.state
        right_until_s = self._right_until_s(kept)
        output.orders += machine.step(now, wish, self._epoch(kept, claims), right_until_s)
        self._wishes.moved(now, before, machine.state)
        if machine.state is not kept.told:
            output.moves.append(Move(front.name, kept.told, machine.state, machine.reason))
            kept.told = machine.state
        self._speak(now, kept, claims, output)
        if kept.tenancy is not None and before is machine.state is FrontState.CLAIMING and not kept.guard:
            kept.guard = self._waiting(now, kept)

    # Who should have it, and does nothing

    def _with_passed(self, now: float, kept: Kept, claims: Mapping[str, Claim]) -> Mapping[str, Claim]:
        """The claims, and that those who are passed by cannot have it, unless they say otherwise by now."""
        kept.passed = {name: until_s for name, until_s in kept.passed.items() if now < until_s and name not in claims}
        return {**claims, **dict.fromkeys(kept.passed, _PASSED)} if kept.passed else claims

    def _await_claim(self, now: float, kept: Kept, claims: Mapping[str, Claim]) -> None:
        holder = kept.place.holder
        if holder is None or holder == self._name or holder in claims or now < self._wishes.heard_s:
            kept.awaited = ("", inf)
        elif kept.awaited[0] != holder:
            kept.awaited = (holder, now)
        elif now >= kept.awaited[1] + UNCLAIMED_S:
            kept.passed[holder] = now + PASSED_S

    # Rights

    def _right_until_s(self, kept: Kept) -> float:
        if kept.tenancy is None:
            return inf
        return kept.tenancy.until_s(kept.machine.epoch, self._grants(kept))

    def _grants(self, kept: Kept) -> dict[str, Grant]:
        grants = dict(self._sight.grants.get(kept.machine.front.name, _NO_GRANTS))
        grants.pop(self._voter_name, None)
        if kept.grant is not None:
            grants[self._voter_name] = kept.grant
        return grants

    def _epoch(self, kept: Kept, claims: Mapping[str, Claim]) -> int:
        """Higher than any that another had, and for a new claim than this node's own."""
        epochs = [claim.epoch for name, claim in claims.items() if name != self._name]
        epochs += [grant.epoch for grant in self._grants(kept).values() if not self._is_mine(grant)]
        if kept.machine.state is FrontState.IDLE:
            epochs += [kept.machine.epoch, *(grant.epoch for grant in self._grants(kept).values())]
        return 1 + max(epochs, default=0)

    def _is_mine(self, grant: Grant) -> bool:
        return grant.holder == self._name and grant.bid.session == self._session

    def _waiting(self, now: float, kept: Kept) -> str:
        assert kept.tenancy is not None
        if now < self._right_until_s(kept):
            return ""
        return f"waits for votes: {kept.tenancy.votes(kept.machine.epoch, self._grants(kept))}"

    # Words for the peers

    def _speak(self, now: float, kept: Kept, claims: Mapping[str, Claim], output: FrontsOutput) -> None:
        name = kept.machine.front.name
        claim = self._claim(now, kept)
        if claim != kept.claim:
            kept.claim = output.claims[name] = claim
        if kept.tenancy is None or self._voter_name not in self._electorate.votes:
            return
        # The claims of now, with this node's as it has just become.
        seen = {other: one for other, one in claims.items() if other != self._name}
        if claim is not None:
            seen[self._name] = claim
        preferred = order(kept.machine.front, [one for one in seen if one in self._sight.nodes], self._sight.nodes)
        grant = self._voter.vote(now, name, seen, preferred)
        if grant != kept.grant:
            kept.grant = output.grants[name] = grant

    def _claim(self, now: float, kept: Kept) -> Claim | None:
        """This node's row; None while it has nothing to say."""
        machine, tenancy = kept.machine, kept.tenancy
        is_unfit = machine.is_unfit(now)
        bid = None
        if tenancy is not None and machine.wants_votes:
            bid = tenancy.bid(now)
        elif tenancy is not None and machine.epoch:
            bid = tenancy.last()
        if machine.state is FrontState.IDLE and not is_unfit and bid is None:
            return None
        reason = machine.problem or machine.reason
        if is_unfit or machine.state is not FrontState.CLAIMING:
            reason = machine.reason
        return Claim(
            machine.state,
            machine.epoch,
            reason[:REASON_CHARACTERS_MAX],
            heir=machine.heir,
            is_firm=machine.state is FrontState.HELD and self._is_firm(now, kept),
            is_unfit=is_unfit,
            bid=bid,
        )

    def _is_firm(self, now: float, kept: Kept) -> bool:
        """Has a better home been lost so often that it must wait, even if it thinks that it holds the front?"""
        front, own = kept.machine.front, self._sight.nodes.get(self._name)
        if own is None:
            return False
        own_rank = rank(front, self._name, own.zone)
        often = self._record.often_lost(now)
        return any(rank(front, name, zone) < own_rank for name, zone in often.items())

    # Time

    def _deadline(self, now: float, kept: Kept) -> float:
        machine = kept.machine
        times = [machine.due_s(self._right_until_s(kept))]
        if kept.tenancy is not None:
            if machine.wants_votes:
                times.append(kept.tenancy.due_s())
            if self._sight.claims.get(machine.front.name) or machine.wants_votes:
                times.append(self._voter.due_s(machine.front.name))
        if machine.state is FrontState.HELD and kept.place.heir is not None:
            times.append(self._wishes.settled_s(now, kept, kept.place.heir))
        if machine.state is FrontState.DRAINING:
            times.append(machine.since_s + HANDOVER_S)
        if kept.place.holder == self._name and machine.state is FrontState.IDLE:
            times.append(self._wishes.next_step_s())
        return min((one for one in times if one > now), default=inf)
