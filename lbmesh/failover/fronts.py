"""All fronts at one node: what it sees of the mesh goes in, orders for drivers and claims for the peers come out.

The one place that puts plan, guards, votes and machines together. `see` and `take` first, then `step`; nothing here has
a clock, a socket or a driver.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from lbmesh.failover.claims import Claim, FrontState, Grant
from lbmesh.failover.front import Aim, FrontMachine, Wish
from lbmesh.failover.front_limits import (
    BALK_S,
    HANDOVER_S,
    LOOK_S,
    PASSED_S,
    REASON_CHARACTERS_MAX,
    RETURN_GAP_S,
    SETTLE_S,
    STEP_S,
    UNCLAIMED_S,
)
from lbmesh.failover.guards import Outlook, Record
from lbmesh.failover.lease import Electorate, Tenancy, Voter
from lbmesh.failover.orders import Order, Outcome
from lbmesh.failover.plan import NOBODY, Lost, Place, Standing, is_held, order, place, rank
from lbmesh.model.front import Front

_PASSED = Claim(FrontState.IDLE, 0, "it does not claim it", is_unfit=True)
_NO_CLAIMS: Mapping[str, Claim] = {}
_NO_GRANTS: Mapping[str, Grant] = {}


@dataclass(frozen=True, slots=True)
class Sight:
    """What a node sees of the mesh. `nodes`: the live ones, itself among them, witnesses not. `gone`: by the heartbeat.
    `claims` and `grants`: {front: {node: what it says}}, of live peers. `stalled`: why this node serves nobody, "" when
    it does.
    """

    nodes: Mapping[str, Standing]
    gone: Mapping[str, Lost] = field(default_factory=dict)
    claims: Mapping[str, Mapping[str, Claim]] = field(default_factory=dict)
    grants: Mapping[str, Mapping[str, Grant]] = field(default_factory=dict)
    outlook: Outlook = Outlook()  # noqa: RUF009
    stalled: str = ""


@dataclass(frozen=True, slots=True)
class FrontStatus:
    """One front as this node sees it. `reason`: of the state here; `guard`: what holds a move back, "" for nothing;
    `problem`: what the driver said, "" when all is well.
    """

    front: Front
    state: FrontState
    since_s: float
    epoch: int
    reason: str
    place: Place
    guard: str
    problem: str


@dataclass(frozen=True, slots=True)
class Move:
    """A front's state changed here."""

    front: str
    before: FrontState
    after: FrontState
    reason: str


@dataclass(slots=True)
class FrontsOutput:
    """What one step brought. `claims` and `grants`: this node's rows that are to be written, None for taken back."""

    orders: list[Order] = field(default_factory=list)
    claims: dict[str, Claim | None] = field(default_factory=dict)
    grants: dict[str, Grant | None] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)


@dataclass(slots=True)
class _Held:
    """One front with all that this node keeps of it. `balked`: until when heirs that did not take it are not asked
    again; `passed`: until when others that should have it are passed by; `awaited`: who should claim it, since when.
    """

    machine: FrontMachine
    tenancy: Tenancy | None
    wanted: Front | None
    told: FrontState = FrontState.IDLE
    place: Place = NOBODY
    guard: str = ""
    claim: Claim | None = None
    grant: Grant | None = None
    balked: dict[str, float] = field(default_factory=dict)
    passed: dict[str, float] = field(default_factory=dict)
    awaited: tuple[str, float] = ("", inf)


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
        self._settled_s = now + settle_s
        self._sight = Sight({})
        self._returned_s = -inf
        self._stepped_s = -inf
        self._all: dict[str, _Held] = {}
        self._due_s = now
        self.configure(now, fronts)

    def configure(self, now: float, fronts: Iterable[Front]) -> None:
        """Follow new settings: a front that is other than before is let go first, then claimed anew."""
        wanted = {front.name: front for front in fronts}
        for name, held in self._all.items():
            held.wanted = wanted.get(name)
        for name, front in wanted.items():
            if name not in self._all:
                self._all[name] = self._start(front, now)
        self._due_s = now

    def _start(self, front: Front, now: float) -> _Held:
        tenancy = Tenancy(self._name, self._session, self._electorate) if front.is_exclusive else None
        return _Held(FrontMachine(front, self._drain_s, now), tenancy, front)

    @property
    def is_empty(self) -> bool:
        """True without any front, and with none left to be let go."""
        return not self._all

    # Inputs

    def see(self, now: float, sight: Sight) -> None:
        """The mesh looks like this now."""
        self._sight = sight
        self._record.note(now, sight.nodes, sight.gone)
        self._due_s = now

    def take(self, now: float, outcome: Outcome) -> None:
        """A driver says something."""
        if held := self._all.get(outcome.front):
            held.machine.take(now, outcome)
            self._due_s = now

    def next_deadline(self) -> float:
        """When to call `step`."""
        return self._due_s if self._all else inf

    # What follows

    def step(self, now: float) -> FrontsOutput:
        """Do what is due."""
        output = FrontsOutput()
        for name, held in sorted(self._all.items(), key=lambda one: (-one[1].machine.front.weight, one[0])):
            self._step_one(now, held, output)
            if held.wanted != held.machine.front and held.machine.state is FrontState.IDLE:
                self._replace(now, name, held)
        self._voter.keep(now, self._all)
        # A vote of this node's own may have given it the right to what it bids for.
        soon_s = now if output.grants else now + LOOK_S
        self._due_s = min([soon_s, *(self._deadline(now, held) for held in self._all.values())])
        return output

    def statuses(self) -> list[FrontStatus]:
        """All fronts as this node sees them, by name."""
        return [
            FrontStatus(
                machine.front,
                machine.state,
                machine.since_s,
                machine.epoch,
                machine.reason,
                held.place,
                held.guard,
                machine.problem,
            )
            for _, held in sorted(self._all.items())
            for machine in (held.machine,)
        ]

    def _replace(self, now: float, name: str, held: _Held) -> None:
        if held.wanted is None:
            if held.claim is None and held.grant is None:
                del self._all[name]
        else:
            self._all[name] = self._start(held.wanted, now)
            self._all[name].claim, self._all[name].grant = held.claim, held.grant

    def _step_one(self, now: float, held: _Held, output: FrontsOutput) -> None:
        machine, front = held.machine, held.machine.front
        claims = dict(self._sight.claims.get(front.name, _NO_CLAIMS))
        claims.pop(self._name, None)
        if held.claim is not None:
            claims[self._name] = held.claim
        held.place = place(front, self._sight.nodes, self._with_passed(now, held, claims), self._sight.gone)
        self._await_claim(now, held, claims)
        held.guard = ""
        wish = self._wish(now, held, claims) if held.wanted == front else Wish(Aim.DROP, "the settings changed")
        before = machine.state
        right_until_s = self._right_until_s(held)
        output.orders += machine.step(now, wish, self._epoch(held, claims), right_until_s)
        if machine.state is FrontState.CLAIMING and before is FrontState.IDLE:
            self._stepped_s = now
        if machine.state is FrontState.DRAINING and before is FrontState.HELD:
            self._returned_s = now
        if machine.state is not held.told:
            output.moves.append(Move(front.name, held.told, machine.state, machine.reason))
            held.told = machine.state
        self._speak(now, held, claims, output)
        if held.tenancy is not None and before is machine.state is FrontState.CLAIMING and not held.guard:
            held.guard = self._waiting(now, held)

    # Who should have it, and does nothing

    def _with_passed(self, now: float, held: _Held, claims: Mapping[str, Claim]) -> Mapping[str, Claim]:
        """The claims, and that those who are passed by cannot have it, unless they say otherwise by now."""
        held.passed = {name: until_s for name, until_s in held.passed.items() if now < until_s and name not in claims}
        return {**claims, **dict.fromkeys(held.passed, _PASSED)} if held.passed else claims

    def _await_claim(self, now: float, held: _Held, claims: Mapping[str, Claim]) -> None:
        holder = held.place.holder
        if holder is None or holder == self._name or holder in claims or now < self._settled_s:
            held.awaited = ("", inf)
        elif held.awaited[0] != holder:
            held.awaited = (holder, now)
        elif now >= held.awaited[1] + UNCLAIMED_S:
            held.passed[holder] = now + PASSED_S

    # Wishes

    def _wish(self, now: float, held: _Held, claims: Mapping[str, Claim]) -> Wish:
        machine, found = held.machine, held.place
        if cut_off := self._sight.outlook.isolation():
            held.guard = cut_off
            return Wish(Aim.DROP if machine.front.is_exclusive else Aim.STAY, cut_off)
        if self._sight.stalled and found.holder not in (None, self._name):
            return Wish(Aim.DROP, self._sight.stalled)
        if machine.state is FrontState.DRAINING:
            return self._wish_draining(now, held, claims)
        if found.holder == self._name:
            return self._wish_own(now, held, claims)
        if machine.state is not FrontState.HELD or found.holder is None:
            return Wish(Aim.DROP, found.reason)
        if is_held(claims.get(found.holder)):
            return Wish(Aim.DROP, f"{found.holder} holds it, too: {found.reason}")
        if self._is_balked(now, held, found.holder):
            return Wish(Aim.HOLD, f"{found.holder} did not take it")
        return Wish(Aim.YIELD, found.reason, heir=found.holder)

    def _wish_own(self, now: float, held: _Held, claims: Mapping[str, Claim]) -> Wish:
        machine, found = held.machine, held.place
        if machine.state is FrontState.HELD:
            return self._wish_return(now, held)
        holders = [name for name, claim in claims.items() if name != self._name and claim.state.answers]
        is_given = any(claims[name].heir == self._name for name in holders)
        if machine.state is FrontState.IDLE and (guard := self._hold_back(now)):
            held.guard = guard
            return Wish(Aim.STAY, guard)
        before = "" if is_given or not holders else max(holders, key=lambda name: claims[name].epoch)
        return Wish(Aim.HOLD, found.reason, ask_first=not is_given, holder_before=before)

    def _hold_back(self, now: float) -> str:
        """Why nothing new is taken now; "" when it is."""
        if now < self._settled_s:
            return "this node has just started, and hears first who holds what"
        loss = self._record.mass_loss(now)
        if loss is None:
            return ""
        is_claiming = any(one.machine.state is FrontState.CLAIMING for one in self._all.values())
        return f"{loss}: one front at a time" if is_claiming or now < self._stepped_s + STEP_S else ""

    def _wish_return(self, now: float, held: _Held) -> Wish:
        """Hold it; or give it back to a better home that has been there long enough."""
        heir, reason = held.place.heir, held.place.reason
        if heir is None or self._is_balked(now, held, heir):
            return Wish(Aim.HOLD, reason)
        settled_s = self._settled(now, held, heir)
        if now < settled_s:
            losses = self._record.losses(now, heir)
            often = f", lost {losses} times of late," if losses > 1 else ""
            held.guard = f"hold-down: {heir}, a better home{often} gets it in {settled_s - now:.0f} s"
            return Wish(Aim.HOLD, reason)
        is_moving = any(one.machine.state is FrontState.DRAINING for one in self._all.values())
        if is_moving or now < self._returned_s + RETURN_GAP_S:
            held.guard = f"{heir} gets it when another front has moved: one at a time"
            return Wish(Aim.HOLD, reason)
        return Wish(Aim.YIELD, f"{heir}, a better home, is back", heir=heir)

    def _settled(self, now: float, held: _Held, heir: str) -> float:
        """From when on the heir may have it. What has just come here stays for as long, too."""
        machine = held.machine
        return max(self._record.settled_s(now, machine.front, heir), machine.since_s + machine.front.hold_down_s)

    def _wish_draining(self, now: float, held: _Held, claims: Mapping[str, Claim]) -> Wish:
        """Go on handing it over, unless the heir does not come."""
        machine, found = held.machine, held.place
        heir = found.holder
        if heir is None or heir == self._name:
            return Wish(Aim.HOLD, f"{machine.heir} cannot have it now: {found.reason}")
        holds = is_held(claims.get(heir))
        if not holds and not machine.front.is_exclusive and now >= machine.since_s + HANDOVER_S:
            held.balked[heir] = now + BALK_S
            return Wish(Aim.HOLD, f"{heir} did not take it within {HANDOVER_S:g} s")
        return Wish(Aim.YIELD, machine.reason, heir=heir, heir_holds=holds)

    def _is_balked(self, now: float, held: _Held, heir: str) -> bool:
        return now < held.balked.get(heir, -inf)

    # Rights

    def _right_until_s(self, held: _Held) -> float:
        if held.tenancy is None:
            return inf
        return held.tenancy.until_s(held.machine.epoch, self._grants(held))

    def _grants(self, held: _Held) -> dict[str, Grant]:
        grants = dict(self._sight.grants.get(held.machine.front.name, _NO_GRANTS))
        grants.pop(self._voter_name, None)
        if held.grant is not None:
            grants[self._voter_name] = held.grant
        return grants

    def _epoch(self, held: _Held, claims: Mapping[str, Claim]) -> int:
        """Higher than any that another had, and for a new claim than this node's own."""
        epochs = [claim.epoch for name, claim in claims.items() if name != self._name]
        epochs += [grant.epoch for grant in self._grants(held).values() if not self._is_mine(grant)]
        if held.machine.state is FrontState.IDLE:
            epochs += [held.machine.epoch, *(grant.epoch for grant in self._grants(held).values())]
        return 1 + max(epochs, default=0)

    def _is_mine(self, grant: Grant) -> bool:
        return grant.holder == self._name and grant.bid.session == self._session

    def _waiting(self, now: float, held: _Held) -> str:
        assert held.tenancy is not None
        if now < self._right_until_s(held):
            return ""
        return f"waits for votes: {held.tenancy.votes(held.machine.epoch, self._grants(held))}"

    # Words for the peers

    def _speak(self, now: float, held: _Held, claims: Mapping[str, Claim], output: FrontsOutput) -> None:
        name = held.machine.front.name
        claim = self._claim(now, held)
        if claim != held.claim:
            held.claim = output.claims[name] = claim
        if held.tenancy is None or self._voter_name not in self._electorate.votes:
            return
        # The claims of now, with this node's as it has just become.
        seen = {other: one for other, one in claims.items() if other != self._name}
        if claim is not None:
            seen[self._name] = claim
        preferred = order(held.machine.front, [one for one in seen if one in self._sight.nodes], self._sight.nodes)
        grant = self._voter.vote(now, name, seen, preferred)
        if grant != held.grant:
            held.grant = output.grants[name] = grant

    def _claim(self, now: float, held: _Held) -> Claim | None:
        """This node's row; None while it has nothing to say."""
        machine, tenancy = held.machine, held.tenancy
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
            is_firm=machine.state is FrontState.HELD and self._is_firm(now, held),
            is_unfit=is_unfit,
            bid=bid,
        )

    def _is_firm(self, now: float, held: _Held) -> bool:
        """Has a better home been lost so often that it must wait, even if it thinks that it holds the front?"""
        front, own = held.machine.front, self._sight.nodes.get(self._name)
        if own is None:
            return False
        own_rank = rank(front, self._name, own.zone)
        often = self._record.often_lost(now)
        return any(rank(front, name, zone) < own_rank for name, zone in often.items())

    # Time

    def _deadline(self, now: float, held: _Held) -> float:
        machine = held.machine
        times = [machine.due_s(self._right_until_s(held))]
        if held.tenancy is not None:
            if machine.wants_votes:
                times.append(held.tenancy.due_s())
            if self._sight.claims.get(machine.front.name) or machine.wants_votes:
                times.append(self._voter.due_s(machine.front.name))
        if machine.state is FrontState.HELD and held.place.heir is not None:
            times.append(self._settled(now, held, held.place.heir))
        if machine.state is FrontState.DRAINING:
            times.append(machine.since_s + HANDOVER_S)
        if held.place.holder == self._name and machine.state is FrontState.IDLE:
            times += [self._settled_s, self._stepped_s + STEP_S]
        return min((one for one in times if one > now), default=inf)
