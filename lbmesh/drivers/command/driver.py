"""The driver of fronts that a program moves: any provider that has an API, by a script of the operator's.

The contract of the program is in docs/FRONTS-CLOUD.md. It gets the claim's epoch and must refuse one that is older than
what it moved for last: the right to a front may lapse while it runs. It is stopped then, but what it has asked a
provider for cannot be called back.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic

import structlog
import trio

from lbmesh.drivers.command.limits import (
    EXIT_AGAIN,
    EXIT_DONE,
    EXIT_ELSEWHERE,
    EXIT_NEWER_EPOCH,
    LOOK_S,
    UNFINISHED_MAX_S,
)
from lbmesh.drivers.command.program import Ended, run_program
from lbmesh.drivers.right import Right
from lbmesh.failover.claims import EPOCH_MAX
from lbmesh.failover.orders import (
    Acquire,
    Done,
    Drain,
    Drifted,
    Failed,
    Outdated,
    Release,
    Renew,
    Tickle,
    Told,
    Unfinished,
    Unready,
)
from lbmesh.model.front import CommandDriver, Front

log = structlog.get_logger(__name__)

_CHECKED = (EXIT_DONE, EXIT_ELSEWHERE, EXIT_NEWER_EPOCH)
"""What answers a check."""


@dataclass(slots=True)
class _Held:
    """What is known of one front. `epoch`: of the claim that holds it here; None when it is not held. `checking`: the
    scope of the program that does so now. `turn`: one program at a time. `has_run`: to acquire it, since it was let go
    last. `missing`: why the program could not be run;
    `unsure`: why it could not tell where the front is led; `complaint`: which of them was told, "" for none.
    """

    epoch: int | None = None
    right: Right = field(default_factory=Right)
    unfinished_since_s: float | None = None
    checking: trio.CancelScope | None = None
    turn: trio.Lock = field(default_factory=trio.Lock)
    has_run: bool = False
    missing: str = ""
    unsure: str = ""
    complaint: str = ""


class CommandFronts:
    """`name` and `zone`: this node's."""

    def __init__(self, name: str, zone: str) -> None:
        self._name = name
        self._zone = zone
        self._fronts: dict[str, _Held] = {}

    async def acquire(self, order: Acquire) -> Done | Failed | Unfinished | Outdated:
        """Run it with "acquire". It is stopped when the right to the front lapses, as far as Renew has not told of a
        longer one.
        """
        front, held = order.front, self._of(order.front)
        held.right.extend(order.until_s)
        self._stop_check(held)
        try:
            async with held.turn:
                ended = await self._run(front, "acquire", order.epoch, order.reason, held.right.bound)
        finally:
            held.right.unbound()
        held.has_run = held.has_run or ended.has_run
        outcome = self._judge(order, ended, held)
        if isinstance(outcome, Done):
            held.epoch = order.epoch
        return outcome

    async def release(self, order: Release) -> Done | Failed:
        """Run it with "release", or with "fence" when the right is lost. That another has it by now is success;
        where no program could be run to acquire it, there is nothing to let go.
        """
        front, held = order.front, self._of(order.front)
        held.epoch, held.unfinished_since_s, held.unsure = None, None, ""
        self._stop_check(held)
        async with held.turn:
            ended = await self._run(front, "fence" if order.is_fenced else "release", order.epoch, order.reason)
        if ended.status in (EXIT_DONE, EXIT_NEWER_EPOCH, EXIT_ELSEWHERE) or not (held.has_run or ended.has_run):
            held.has_run = False
            return Done(front.name, order.ticket)
        return Failed(front.name, order.ticket, _words(_program(front), ended))

    async def drain(self, order: Drain) -> None:
        """Clients follow the address, so they cannot be sent elsewhere before it moves."""

    async def tickle(self, order: Tickle) -> None:
        """Whether the connections of the holder before lead here is the provider's affair."""

    def renew(self, order: Renew) -> None:
        """A program that is at work may work for so long."""
        self._of(order.front).right.extend(order.until_s)

    async def watch(self, front: Front, tell: Callable[[Told], None]) -> None:
        """Look from time to time whether the program is there, and ask it whether the front is still led here. What a
        former agent held is not told: the right to it has to be won again, and until then all may stay as it is.
        """
        held = self._of(front)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_at_program, front, held, tell)
            nursery.start_soon(self._ask_again, front, held, tell)

    async def _look_at_program(self, front: Front, held: _Held, tell: Callable[[Told], None]) -> None:
        while True:
            held.missing = _missing(_program(front).run)
            self._note(front, held, tell)
            await trio.sleep(LOOK_S)

    async def _ask_again(self, front: Front, held: _Held, tell: Callable[[Told], None]) -> None:
        check_s = _program(front).check_s
        while True:
            await trio.sleep(check_s or inf)
            if (epoch := held.epoch) is None:
                continue
            ended = await self._check(front, held, epoch)
            if ended is None or held.epoch != epoch:
                continue
            if ended.status in (EXIT_ELSEWHERE, EXIT_NEWER_EPOCH):
                tell(Drifted(front.name, f"it is led elsewhere: {ended.said or ended.complained or 'not said where'}"))
            is_told = ended.status in _CHECKED
            held.unsure = "" if is_told else f"it is not known where it is led: {_words(_program(front), ended)}"
            self._note(front, held, tell)

    async def _check(self, front: Front, held: _Held, epoch: int) -> Ended | None:
        """What it says; None when an order came meanwhile."""
        async with held.turn:
            with trio.CancelScope() as held.checking:
                return await self._run(front, "check", epoch, "still here?")
        return None

    @staticmethod
    def _stop_check(held: _Held) -> None:
        """An order does not wait for it."""
        if held.checking is not None:
            held.checking.cancel()

    def _of(self, front: Front) -> _Held:
        return self._fronts.setdefault(front.name, _Held())

    async def _run(
        self,
        front: Front,
        verb: str,
        epoch: int,
        reason: str,
        began: Callable[[trio.CancelScope], None] = lambda _: None,
    ) -> Ended:
        program = _program(front)
        argv = (str(program.run), verb, front.name, str(epoch), reason)
        return await run_program(argv, self._environment(front, verb, epoch, reason), began, program.timeout_s)

    def _environment(self, front: Front, verb: str, epoch: int, reason: str) -> Mapping[str, str]:
        return os.environ | {
            "LBMESH_VERB": verb,
            "LBMESH_ADDRESS": front.name,
            "LBMESH_PORT": str(front.address.port),
            "LBMESH_EPOCH": str(epoch),
            "LBMESH_REASON": reason,
            "LBMESH_NODE": self._name,
            "LBMESH_ZONE": self._zone,
        }

    def _judge(self, order: Acquire, ended: Ended, held: _Held) -> Done | Failed | Unfinished | Outdated:
        name, ticket, program = order.front.name, order.ticket, _program(order.front)
        since_s, held.unfinished_since_s = held.unfinished_since_s, None
        if ended.status == EXIT_DONE:
            return Done(name, ticket)
        if ended.status == EXIT_NEWER_EPOCH:
            epoch = _epoch(ended.said)
            if epoch is not None and epoch >= order.epoch:
                return Outdated(name, ticket, epoch, f"who ran {program.run.name} last")
        if ended.status == EXIT_AGAIN:
            now = monotonic()
            since_s = now if since_s is None else since_s
            if now - since_s < UNFINISHED_MAX_S:
                held.unfinished_since_s = since_s
                return Unfinished(name, ticket, f"{program.run} says: {ended.complained or 'not yet'}")
            return Failed(name, ticket, f"{program.run} has not come to an end in {UNFINISHED_MAX_S:g} s")
        if ended.is_stopped and held.right.has_lapsed:
            return Failed(name, ticket, f"{program.run} was stopped, for the votes for the front have lapsed")
        return Failed(name, ticket, _words(program, ended))

    @staticmethod
    def _note(front: Front, held: _Held, tell: Callable[[Told], None]) -> None:
        """Tell and log each problem once, and its end."""
        complaint = held.missing or held.unsure
        if complaint != held.complaint:
            if complaint:
                log.warning("a front that a program moves", front=front.name, problem=complaint)
            tell(Unready(front.name, complaint))
        held.complaint = complaint


def _program(front: Front) -> CommandDriver:
    assert isinstance(front.driver, CommandDriver)
    return front.driver


def _missing(program: Path) -> str:
    """Why it could not be run; "" if nothing is known to be in the way."""
    if not program.is_file():
        return f"there is no program {program}: install it, or correct options.run"
    return "" if os.access(program, os.X_OK) else f"{program} may not be executed: chmod +x it for the service's user"


def _epoch(said: str) -> int | None:
    """The epoch in the program's last line of output."""
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= 16 and int(said) < EPOCH_MAX else None


def _words(program: CommandDriver, ended: Ended) -> str:
    name, why = program.run, f": {ended.complained}" if ended.complained else ""
    if ended.is_stopped:
        return f"{name} did not end within {program.timeout_s:g} s{why}"
    if ended.status is None:
        return f"{name} {ended.complained}"
    if ended.status < 0:
        return f"{name} was killed by signal {-ended.status}{why}"
    if ended.status == EXIT_NEWER_EPOCH:
        return f"{name} refused the epoch (exit status {EXIT_NEWER_EPOCH}), but wrote no newer one as its last line"
    return f"{name} failed with exit status {ended.status}{why}"
