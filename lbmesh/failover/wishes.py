"""From where a front belongs to what this node wishes of it: the plan says where to, the guards say when."""

from collections.abc import Collection, Mapping
from math import inf

from lbmesh.failover.claims import Claim, FrontState
from lbmesh.failover.front import Aim, Wish
from lbmesh.failover.front_limits import BALK_S, HANDOVER_S, RETURN_GAP_S, STEP_S
from lbmesh.failover.guards import Record
from lbmesh.failover.kept import Kept
from lbmesh.failover.plan import is_held
from lbmesh.failover.sight import Sight


class Wishes:
    """Of one node. `heard_s`: until when it hears first who holds what. `record`: who came and went."""

    def __init__(self, name: str, record: Record, heard_s: float) -> None:
        self.heard_s = heard_s
        self._name = name
        self._record = record
        self._claimed_s = -inf
        self._returned_s = -inf

    def moved(self, now: float, before: FrontState, after: FrontState) -> None:
        """A front began to be taken, or to be handed over."""
        if before is FrontState.IDLE and after is FrontState.CLAIMING:
            self._claimed_s = now
        if before is FrontState.HELD and after is FrontState.DRAINING:
            self._returned_s = now

    def next_step_s(self) -> float:
        """When a front that was held back may be taken."""
        return max(self.heard_s, self._claimed_s + STEP_S)

    def wish(
        self, now: float, kept: Kept, claims: Mapping[str, Claim], sight: Sight, all_kept: Collection[Kept]
    ) -> Wish:
        """What to wish of a front whose place is found. `claims`: on it. `all_kept`: all fronts of this node. Notes in
        `kept.guard` what holds a move back.
        """
        machine, found = kept.machine, kept.place
        if cut_off := sight.outlook.isolation():
            kept.guard = cut_off
            return Wish(Aim.DROP if machine.front.is_exclusive else Aim.STAY, cut_off)
        if sight.stalled and found.holder not in (None, self._name):
            return Wish(Aim.DROP, sight.stalled)
        if machine.state is FrontState.DRAINING:
            return self._draining(now, kept, claims)
        if found.holder == self._name:
            return self._own(now, kept, claims, all_kept)
        if machine.state is not FrontState.HELD or found.holder is None:
            return Wish(Aim.DROP, found.reason)
        if is_held(claims.get(found.holder)):
            return Wish(Aim.DROP, f"{found.holder} holds it, too: {found.reason}")
        if self._is_balked(now, kept, found.holder):
            return Wish(Aim.HOLD, f"{found.holder} did not take it")
        return Wish(Aim.YIELD, found.reason, heir=found.holder)

    def _own(self, now: float, kept: Kept, claims: Mapping[str, Claim], all_kept: Collection[Kept]) -> Wish:
        machine, found = kept.machine, kept.place
        if machine.state is FrontState.HELD:
            return self._return(now, kept, all_kept)
        is_given = any(claim.heir == self._name and claim.state.answers for claim in claims.values())
        if machine.state is FrontState.IDLE and (guard := self._hold_back(now, all_kept)):
            kept.guard = guard
            return Wish(Aim.STAY, guard)
        before = "" if is_given else kept.last_holder
        return Wish(Aim.HOLD, found.reason, ask_first=not is_given, holder_before=before)

    def _hold_back(self, now: float, all_kept: Collection[Kept]) -> str:
        """Why nothing new is taken now; "" when it is."""
        if now < self.heard_s:
            return "this node has just started, and hears first who holds what"
        loss = self._record.mass_loss(now)
        if loss is None:
            return ""
        is_claiming = any(one.machine.state is FrontState.CLAIMING for one in all_kept)
        return f"{loss}: one front at a time" if is_claiming or now < self._claimed_s + STEP_S else ""

    def _return(self, now: float, kept: Kept, all_kept: Collection[Kept]) -> Wish:
        """Hold it; or give it back to a better home that has been there long enough."""
        heir, reason = kept.place.heir, kept.place.reason
        if heir is None or self._is_balked(now, kept, heir):
            return Wish(Aim.HOLD, reason)
        settled_s = self.settled_s(now, kept, heir)
        if now < settled_s:
            losses = self._record.losses(now, heir)
            often = f", lost {losses} times of late," if losses > 1 else ""
            kept.guard = f"hold-down: {heir}, a better home{often} gets it in {settled_s - now:.0f} s"
            return Wish(Aim.HOLD, reason)
        is_moving = any(one.machine.state is FrontState.DRAINING for one in all_kept)
        if is_moving or now < self._returned_s + RETURN_GAP_S:
            kept.guard = f"{heir} gets it when another front has moved: one at a time"
            return Wish(Aim.HOLD, reason)
        return Wish(Aim.YIELD, f"{heir}, a better home, is back", heir=heir)

    def settled_s(self, now: float, kept: Kept, heir: str) -> float:
        """From when on the heir may have it. What has just come here stays for as long, too."""
        machine = kept.machine
        return max(self._record.settled_s(now, machine.front, heir), machine.since_s + machine.front.hold_down_s)

    def _draining(self, now: float, kept: Kept, claims: Mapping[str, Claim]) -> Wish:
        """Go on handing it over, unless the heir does not come."""
        machine, found = kept.machine, kept.place
        heir = found.holder
        if heir is None or heir == self._name:
            return Wish(Aim.HOLD, f"{machine.heir} cannot have it now: {found.reason}")
        holds = is_held(claims.get(heir))
        if not holds and not machine.front.is_exclusive and now >= machine.since_s + HANDOVER_S:
            kept.balked[heir] = now + BALK_S
            return Wish(Aim.HOLD, f"{heir} did not take it within {HANDOVER_S:g} s")
        return Wish(Aim.YIELD, machine.reason, heir=heir, heir_holds=holds)

    def _is_balked(self, now: float, kept: Kept, heir: str) -> bool:
        return now < kept.balked.get(heir, -inf)
