"""One request's way through the balancers: when to wait, when to send it (again), which answer to take.

Pure: the transports tell it what happened and at what time, and ask for the next step. Both the threads'
and the tasks' transport are shells around this.

An attempt has two phases. While it *dials*, nothing of the request is on the wire: connects race, and
whatever fails there is tried elsewhere, for any method. Once *connected* the request may have arrived, and
only one that may be repeated gets another attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from lbmesh.client.budget import AttemptBudget
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.pace import Pace
from lbmesh.client.policy import BUDGET_POLL_S, Policy, Repeat
from lbmesh.model.address import Address


@dataclass(frozen=True, slots=True)
class Start:
    """Begin attempt number `attempt` (from 0) over `order`. `fresh`: on a new connection, not on a kept one."""

    attempt: int
    order: tuple[Address, ...]
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for an attempt to report something, at most until this time (None: as long as it takes)."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing runs and nothing more may be tried."""


Step = Start | Wait | Stop


@dataclass(frozen=True, slots=True)
class Failure:
    """What happened at one balancer."""

    balancer: Address
    what: str
    after_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.balancer} {self.what} (after {self.after_s:.3f} s)"


@dataclass(frozen=True, slots=True)
class Answered:
    """Which balancer answered, after how many attempts, and what went wrong before."""

    balancer: Address
    attempts: int
    failures: tuple[Failure, ...]


class Judgement(Enum):
    """What to do with an answer."""

    TAKE = auto()
    KEEP = auto()
    """Keep it, unread, in case no other balancer has a better one."""


class Attempts:
    """The state of one request. Not thread-safe: the shell holds its lock around each call.

    `after`: an answer whose body broke off, to be gone on with: its attempts count, and its balancer comes last.
    `failures` is what went wrong, in order; `spoiled` are the balancers whose kept connections should be
    closed.
    """

    def __init__(
        self,
        policy: Policy,
        memory: BalancerMemory,
        budget: AttemptBudget,
        pace: Pace,
        now: float,
        *,
        repeat: Repeat,
        after: Answered | None = None,
    ) -> None:
        self.failures: list[Failure] = list(after.failures) if after else []
        self.spoiled: set[Address] = set()
        self.started = after.attempts if after else 0
        self._policy = policy
        self._memory = memory
        self._budget = budget
        self._pace = pace
        self._may_repeat = repeat is not Repeat.ONCE
        # One that cannot be hedged is no probe: a frozen balancer would hold it until its timeout.
        self._may_hedge = repeat is Repeat.HEDGED
        self._untried = list(memory.order(now, may_repeat=self._may_hedge))
        self._began = now
        self._running: dict[int, Address | None] = {}
        self._sent: dict[int, float] = {}
        self._last_sent = now
        self._last_connect_s = 0.0
        self._guesses: set[int] = set()
        self._wanted_since: float | None = None
        self._timed_out = False
        self._put_aside: list[Address] = []
        if after:
            self._put_last(after.balancer)
            self._put_aside.append(after.balancer)
        budget.requests += 1

    @property
    def running(self) -> int:
        """Attempts under way."""
        return len(self._running)

    def step(self, now: float) -> Step:
        """What to do next; `Start` counts the attempt as under way."""
        if not self._may_start():
            return Wait(None) if self._running else Stop()
        due = self._due(now)
        if due is None or due > now:
            return Wait(due)
        if self.started and not self._take_leave(now):
            return self._wait_for_leave(now)
        self._wanted_since = None
        attempt, self.started = self.started, self.started + 1
        self._running[attempt] = None
        fresh = not self._may_hedge and not self._memory.is_proven(self._untried[0], now)
        return Start(attempt, tuple(self._untried), fresh)

    def connected(
        self,
        attempt: int,
        balancer: Address,
        now: float,
        *,
        failed: Sequence[Failure] = (),
        outrun: Sequence[Address] = (),
        connect_s: float = 0.0,
    ) -> None:
        """The attempt has a connection to `balancer`, which took `connect_s` to make; others failed before it, or were
        silent longer than the stagger.
        """
        self._note_failed(failed, now)
        for slow in outrun:
            self._rest(slow, now)
            self._put_last(slow)
        self._untried.remove(balancer)
        self._running[attempt] = balancer
        self._sent[attempt] = self._last_sent = now
        self._last_connect_s = connect_s

    def dial_failed(self, attempt: int, failed: Sequence[Failure], now: float, *, timed_out: bool) -> None:
        """No balancer of the attempt's order could be connected to."""
        self._note_failed(failed, now)
        self._timed_out |= timed_out
        self.ended(attempt)

    def broke(self, attempt: int, what: str, now: float, *, reused: bool, timed_out: bool) -> None:
        """The connection ended, or its time was up, before an answer."""
        balancer = self._running[attempt]
        assert balancer is not None
        self.failures.append(Failure(balancer, what, now - self._began))
        self._timed_out |= timed_out
        if reused and not timed_out:
            # A kept connection may end at any time and says nothing of the balancer (RFC 9112 §9.3.1); a
            # new one will.
            self._untried.append(balancer)
            self.spoiled.add(balancer)
        else:
            self._rest(balancer, now)
        self.ended(attempt)

    def answered(self, attempt: int, status: int, now: float) -> Judgement:
        """The head of an answer is here. Those it outdid, or outran by a clear margin, rest once it is taken."""
        balancer = self._running[attempt]
        assert balancer is not None
        self.ended(attempt)
        if self._may_repeat and status in self._policy.retry_statuses:
            self._put_aside.append(balancer)
            self.failures.append(Failure(balancer, f"answered {status}", now - self._began))
            return Judgement.KEEP
        self._memory.worked(balancer, now)
        self._note_time(now - self._sent[attempt])
        for started, outrun in self._running.items():
            if outrun is not None and outrun != balancer and started < attempt:
                waited_s = now - self._sent[started]
                if self._memory.outrun(outrun, waited_s, now):
                    self.spoiled.add(outrun)
                else:  # the times of one that failed are not the service's
                    self._note_time(waited_s)
        for worse in self._put_aside:
            if worse != balancer:
                self._rest(worse, now)
        return Judgement.TAKE

    def ended(self, attempt: int) -> None:
        """The attempt is over or was cancelled. Harmless when it is known already."""
        if attempt in self._running:
            del self._running[attempt]
            if attempt:
                self._budget.give_back()
            if attempt in self._guesses:
                self._guesses.discard(attempt)
                self._pace.end_guess()

    def close(self) -> None:
        """The request has its answer or its error: give everything back."""
        for attempt in list(self._running):
            self.ended(attempt)
        self._budget.requests -= 1

    def describe(self) -> str:
        """What happened at each balancer, for the caller's error message."""
        told = "; ".join(str(failure) for failure in self.failures) or "none was tried"
        ran_out = "" if self._wanted_since is None else "; gave up waiting for the retry budget"
        once = "; it may have been carried out, so it was not sent again" if self._sent and not self._may_repeat else ""
        return f"no balancer answered: {told}{ran_out}{once}"

    def _may_start(self) -> bool:
        if not self.started:
            return True
        return (
            self._may_repeat
            and bool(self._untried)
            and self.started < self._policy.attempts_max
            and not self._timed_out  # the caller's patience is over: what runs may finish, nothing new begins
        )

    def _due(self, now: float) -> float | None:
        if not self._running:
            return now
        if not self._may_hedge or None in self._running.values():
            return None
        delay_s = self._pace.delay_s(self._last_connect_s)
        return None if delay_s is None else self._last_sent + delay_s

    def _take_leave(self, now: float) -> bool:
        """Of the budget; and of the pace, for a hedge whose delay is a guess."""
        if not self._budget.try_take():
            return False
        longest_s = self._policy.hedge_delay_s
        is_early = self._running and longest_s is not None and now < self._last_sent + longest_s
        if is_early and not self._pace.is_measured:
            if not self._pace.try_guess():
                self._budget.give_back()
                return False
            self._guesses.add(self.started)
        return True

    def _wait_for_leave(self, now: float) -> Step:
        if self._wanted_since is None and not self._running:
            self._wanted_since = now
        if self._wanted_since is not None and now - self._wanted_since >= self._policy.budget_wait_s:
            return Stop()
        return Wait(now + BUDGET_POLL_S)

    def _note_failed(self, failed: Sequence[Failure], now: float) -> None:
        for failure in failed:
            self.failures.append(Failure(failure.balancer, failure.what, now - self._began))
            self._rest(failure.balancer, now)
            self._untried.remove(failure.balancer)

    def _note_time(self, taken_s: float) -> None:
        if self._may_hedge:  # others, which may be slow by nature, are never waited for in this way
            self._pace.note(taken_s)

    def _put_last(self, balancer: Address) -> None:
        if balancer in self._untried:  # a look-up may have taken it from the list
            self._untried.remove(balancer)
            self._untried.append(balancer)

    def _rest(self, balancer: Address, now: float) -> None:
        self._memory.failed(balancer, now)
        self.spoiled.add(balancer)
