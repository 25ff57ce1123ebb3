"""One front at one node: idle → claiming → held → draining → releasing, or fenced. One method a state.

`step` takes what the node wishes and what right it has, and gives the orders for the driver; what came of them comes
back by `take`. Nothing here looks at other nodes: that is done before a wish is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from math import inf

from lbmesh.failover.claims import FrontState
from lbmesh.failover.front_limits import (
    ACQUIRE_RETRY_MAX_S,
    FENCE_QUIET_S,
    OCCUPIED_RETRY_MAX_S,
    OCCUPIED_RETRY_S,
    ORDER_S,
    RETRY_MAX_S,
    RETRY_S,
    UNFIT_AFTER,
    UNFIT_S,
)
from lbmesh.failover.orders import (
    Acquire,
    Answer,
    Done,
    Drain,
    Drained,
    Drifted,
    Failed,
    Found,
    Occupied,
    Order,
    Outcome,
    Outdated,
    Release,
    Renew,
    Tickle,
    Unfinished,
    Unready,
)
from lbmesh.model.front import Front


class Aim(Enum):
    """HOLD: have it, or keep it. YIELD: hand it over. DROP: let it go at once. STAY: neither take nor give."""

    HOLD = auto()
    YIELD = auto()
    DROP = auto()
    STAY = auto()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a node wishes of a front, and why. `ask_first`: somebody may hold it still. `holder_before`: who held it and
    is gone, "" for nobody. `heir`: to whom it is handed over; `heir_holds`: that one holds it already. `is_last`:
    nobody else could have it, so that a driver which fails is tried on and on.
    """

    aim: Aim
    reason: str
    ask_first: bool = True
    holder_before: str = ""
    heir: str = ""
    heir_holds: bool = False
    is_last: bool = False


@dataclass(slots=True)
class _Pending:
    """An order that the driver has not ended yet."""

    ticket: int
    until_s: float


class FrontMachine:
    """`state`, since `since_s`, and why. `problem`: what the driver said last of an order, "" when all is well;
    `unready`: what it lacks to carry out one. `drain_s`: how long clients have to leave.
    """

    def __init__(self, front: Front, drain_s: float, now: float) -> None:
        self.front = front
        self.state = FrontState.IDLE
        self.since_s = now
        self.reason = "nothing to do"
        self.problem = self.unready = ""
        self.epoch = 0
        self.heir = ""
        self._drain_s = drain_s
        self._drained_s = inf
        self._wish = Wish(Aim.STAY, "")
        self._pending: _Pending | None = None
        self._tickets = 0
        self._attempts = 0
        self._is_half_done = False
        self._retry_s = now
        self._unfit_until_s = -inf
        self._renewed_s = -inf
        self._drift = ""

    def is_unfit(self, now: float) -> bool:
        """Has its driver failed so often that another node should have the front?"""
        return now < self._unfit_until_s

    @property
    def wants_votes(self) -> bool:
        """True while it must have the right to the front, or goes without."""
        return self.state in (FrontState.CLAIMING, FrontState.HELD, FrontState.DRAINING)

    @property
    def is_begun(self) -> bool:
        """True once a driver may have done something for the claim."""
        has_tried = self._pending is not None or self._attempts > 0 or self._is_half_done
        return has_tried or self.state is not FrontState.CLAIMING

    def due_s(self, right_until_s: float) -> float:
        """When to call `step` at the latest; infinite when no time changes anything."""
        times = [self._pending.until_s if self._pending else inf]
        if self.state in (FrontState.CLAIMING, FrontState.HELD, FrontState.DRAINING) and right_until_s > -inf:
            times.append(right_until_s)
        if self._pending is None:
            times.append(self._retry_due_s(right_until_s))
        if self.state is FrontState.DRAINING:
            times.append(self._drained_s)
        return min(times)

    def _retry_due_s(self, right_until_s: float) -> float:
        match self.state:
            case FrontState.IDLE:
                return self._unfit_until_s if self._unfit_until_s > self.since_s else inf
            case FrontState.CLAIMING:
                return self._retry_s if right_until_s > -inf else inf
            case FrontState.HELD | FrontState.DRAINING:
                return self._retry_s if self._drift else inf
            case FrontState.RELEASING:
                return self._retry_s
            case FrontState.FENCED:
                return self._retry_s if self._attempts else self.since_s + FENCE_QUIET_S

    # Inputs

    def take(self, now: float, outcome: Outcome) -> None:
        """What a driver says; of an order that is over it is too late. `step` is to follow."""
        match outcome:
            case Found(epoch=epoch):
                if self.state is FrontState.IDLE:
                    self._go(now, FrontState.HELD, "held already when this agent started")
                    self.epoch = max(self.epoch, epoch)
            case Drained():
                self._drained_s = min(self._drained_s, now)
            case Drifted(what=what):
                if self.state.answers and self._pending is None:
                    self._drift = self.problem = what
            case Unready(what=what):
                self.unready = what
            case Done() | Failed() | Occupied() | Unfinished() | Outdated():
                if self._pending and self._pending.ticket == outcome.ticket:
                    self._pending = None
                    self._end(now, outcome)

    def _end(self, now: float, outcome: Answer) -> None:
        match outcome:
            case Done(note=note):
                self._attempts, self._retry_s, self._drift, self._is_half_done = 0, now, "", False
                if self.state is FrontState.RELEASING:
                    self._go(now, FrontState.IDLE, self.reason)
                elif self.state is not FrontState.FENCED:
                    self.problem = note
                if self.state is FrontState.CLAIMING:
                    self._go(now, FrontState.HELD, self._wish.reason)
                    self._renewed_s = self._unfit_until_s = -inf
            case Failed(reason=reason):
                self._attempts += 1
                self.problem = reason
                longest_s = ACQUIRE_RETRY_MAX_S if self.wants_votes else RETRY_MAX_S
                self._retry_s = now + min(longest_s, RETRY_S * 2 ** (min(self._attempts, 10) - 1))
            case Occupied(by=by):
                self.problem = f"it still answers elsewhere: {by}"
                self._retry_s = now + self._patience_s(now)
            case Unfinished(reason=reason):
                self.problem, self._is_half_done = reason, True
                self._retry_s = now + self._patience_s(now)
            case Outdated(epoch=epoch, by=by):
                # The votes were given to the older epoch: they must be asked for again, so this takes nothing from
                # whoever has them. It is how a mesh that starts anew finds the epochs of the one before.
                self.problem = f"{by} claimed it with epoch {epoch}, which is no older than {self.epoch}"
                self.epoch, self._retry_s = max(self.epoch, epoch + 1), now + self._patience_s(now)

    def _patience_s(self, now: float) -> float:
        return min(OCCUPIED_RETRY_MAX_S, max(OCCUPIED_RETRY_S, (now - self.since_s) / 4))

    def step(self, now: float, wish: Wish, epoch: int, right_until_s: float) -> list[Order]:
        """Do what is due. `epoch`: for a new claim, higher than any other's. `right_until_s`: until when this node has
        the right to the front, infinite where none is needed, minus infinity for none.
        """
        if self._pending and now >= self._pending.until_s:
            ticket, self._pending = self._pending.ticket, None
            self._end(now, Failed(self.front.name, ticket, f"the driver has not answered for {ORDER_S:g} s"))
        orders: list[Order] = []
        for _ in FrontState:
            before = self.state
            match before:
                case FrontState.IDLE:
                    steps = self._idle(now, wish, epoch)
                case FrontState.CLAIMING:
                    steps = self._claiming(now, wish, epoch, right_until_s)
                case FrontState.HELD:
                    steps = self._held(now, wish, right_until_s)
                case FrontState.DRAINING:
                    steps = self._draining(now, wish, right_until_s)
                case FrontState.RELEASING:
                    steps = self._releasing(now)
                case FrontState.FENCED:
                    steps = self._fenced(now)
            orders += steps
            if self.state is before:
                break
        return orders

    # States

    def _idle(self, now: float, wish: Wish, epoch: int) -> Iterator[Order]:
        yield from ()
        if not self.is_unfit(now):
            self.problem = ""
        if wish.aim is Aim.HOLD and (wish.is_last or not self.is_unfit(now)):
            self._go(now, FrontState.CLAIMING, wish.reason)
            self._wish, self.epoch = wish, max(epoch, self.epoch + 1)
            self._attempts, self._retry_s, self._is_half_done, self.problem = 0, now, False, ""

    def _claiming(self, now: float, wish: Wish, epoch: int, right_until_s: float) -> Iterator[Order]:
        if wish.aim is not Aim.HOLD:
            yield from self._let_go(now, wish.reason)
        elif self._attempts >= UNFIT_AFTER and not wish.is_last:
            yield from self._give_up(now)
        elif now >= right_until_s:
            if self.is_begun:
                yield from self._fence(now)
            else:
                self.epoch = max(self.epoch, epoch)
        elif self._pending is None and now >= self._retry_s:
            self._wish, self.reason = wish, wish.reason
            self._renewed_s = right_until_s
            yield self._acquire(now, wish.reason, wish.ask_first, right_until_s)
        elif self._pending is not None and right_until_s > self._renewed_s:
            self._renewed_s = right_until_s
            yield Renew(self.front, self.epoch, right_until_s)

    def _held(self, now: float, wish: Wish, right_until_s: float) -> Iterator[Order]:
        if now >= right_until_s:
            yield from self._fence(now)
            return
        if wish.aim is Aim.DROP:
            yield from self._let_go(now, wish.reason)
            return
        if wish.aim is Aim.YIELD:
            self._go(now, FrontState.DRAINING, wish.reason)
            self.heir = wish.heir
            self._drained_s = now + self._drain_s if self.front.is_exclusive else inf
            yield Drain(self.front, self.epoch, wish.heir, wish.reason)
            return
        if self._attempts >= UNFIT_AFTER and not wish.is_last:
            yield from self._give_up(now)
            return
        if right_until_s > self._renewed_s:
            self._renewed_s = right_until_s
            yield Renew(self.front, self.epoch, right_until_s)
            if self._wish.holder_before:
                yield Tickle(self.front, self.epoch, self._wish.holder_before)
                self._wish = Wish(Aim.HOLD, self._wish.reason)
        if self._drift and self._pending is None and now >= self._retry_s:
            yield self._acquire(now, f"repair: {self._drift}", False, right_until_s)

    def _draining(self, now: float, wish: Wish, right_until_s: float) -> Iterator[Order]:
        if now >= right_until_s:
            yield from self._fence(now)
        elif wish.aim is Aim.DROP:
            yield from self._let_go(now, wish.reason)
        elif wish.aim is not Aim.YIELD:
            self._go(now, FrontState.HELD, wish.reason)
            yield self._acquire(now, f"not handed over: {wish.reason}", False, right_until_s)
        else:
            self.heir = wish.heir
            if wish.heir_holds and self._drained_s == inf:
                self._drained_s = now + self._drain_s
            if right_until_s > self._renewed_s:
                self._renewed_s = right_until_s
                yield Renew(self.front, self.epoch, right_until_s)
            if now >= self._drained_s and (wish.heir_holds or self.front.is_exclusive):
                yield from self._let_go(now, wish.reason)

    def _releasing(self, now: float) -> Iterator[Order]:
        if self._pending is None and now >= self._retry_s:
            yield self._release(now, is_fenced=False)

    def _fenced(self, now: float) -> Iterator[Order]:
        if self._attempts and self._pending is None and now >= self._retry_s:
            yield self._release(now, is_fenced=True)
        elif not self._attempts and self._pending is None and now >= self.since_s + FENCE_QUIET_S:
            self._go(now, FrontState.IDLE, self.reason)

    # Ways out

    def _let_go(self, now: float, reason: str) -> Iterator[Order]:
        """Release it; at once idle when nothing was begun."""
        if not self.is_begun:
            self._go(now, FrontState.IDLE, reason)
            return
        self._go(now, FrontState.RELEASING, reason)
        self._attempts, self._retry_s = 0, now
        yield self._release(now, is_fenced=False)

    def _fence(self, now: float) -> Iterator[Order]:
        self._go(now, FrontState.FENCED, "the votes for it have lapsed")
        self._attempts = 0
        yield self._release(now, is_fenced=True)

    def _give_up(self, now: float) -> Iterator[Order]:
        """The driver fails again and again: another node should have it."""
        self._unfit_until_s = now + UNFIT_S
        problem = self.problem
        yield from self._let_go(now, f"its driver failed {self._attempts} times: {problem}")
        self.problem = problem

    def _acquire(self, now: float, reason: str, ask_first: bool, until_s: float) -> Acquire:
        ticket = self._ticket(now)
        return Acquire(self.front, self.epoch, reason, ticket, ask_first, until_s)

    def _release(self, now: float, *, is_fenced: bool) -> Release:
        return Release(self.front, self.epoch, self.reason, self._ticket(now), is_fenced)

    def _ticket(self, now: float) -> int:
        self._tickets += 1
        self._pending = _Pending(self._tickets, now + ORDER_S)
        return self._tickets

    def _go(self, now: float, state: FrontState, reason: str) -> None:
        if state is not self.state:
            self.since_s = now
        if state is not FrontState.DRAINING:
            self.heir, self._drained_s = "", inf
        self.state, self.reason = state, reason
