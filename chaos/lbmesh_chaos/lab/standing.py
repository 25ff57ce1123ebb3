"""The faults that stand: done as planned, undone at the latest when their time is up, and checked for what they left.

Every undo is written down before its step is taken. Whoever ordered a fault may die: then all it ordered is undone.
"""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import trio

from lbmesh_chaos.faults.order import Wrong, parse_order
from lbmesh_chaos.faults.plan import Plan, conflict, plan
from lbmesh_chaos.faults.steps import Hold, Step, Thing, undo
from lbmesh_chaos.lab.hands import Hands, StepError
from lbmesh_chaos.lab.programs import NotReadyError, Programs
from lbmesh_chaos.lab.residue import Residue
from lbmesh_chaos.model.world import World

UNDO_TRIES = 3


class RefusedError(Exception):
    """An order that is not carried out; says why, a line for each thing that is wrong."""


@dataclass(slots=True, eq=False)
class Standing:
    """A fault that was done. `undos`: written down so far, the first one first. `owner`: who must live meanwhile."""

    number: int
    plan: Plan
    owner: object
    since_s: float
    undos: list[Step] = field(default_factory=list)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    healed: trio.Event = field(default_factory=trio.Event)
    left: tuple[str, ...] = ()

    @property
    def until_s(self) -> float:
        """When its time is up."""
        return self.since_s + self.plan.at_most_s


@dataclass(slots=True)
class Faults:
    """All that stand. Times are trio's, which are those of the machine's monotonic clock plus a constant.

    `told` hears of all that happens. `nursery`: where dead-man timers wait.
    """

    world: World
    hands: Hands
    programs: Programs
    residue: Residue
    nursery: trio.Nursery
    told: Callable[..., None]
    standing: dict[int, Standing] = field(default_factory=dict)
    _lock: trio.Lock = field(default_factory=trio.Lock)
    _count: int = 0

    async def apply(self, name: str, arguments: dict[str, object], seed: int, owner: object) -> Standing:
        """Do a fault. Raises RefusedError before anything is touched, StepError after what was done has been undone."""
        order = parse_order(name, arguments, self.world)
        if isinstance(order, tuple):
            raise RefusedError("\n".join(str(wrong) for wrong in order))
        planned = plan(order, self.world, seed)
        async with self._lock:
            why_not = conflict(planned, (one.plan for one in self.standing.values()))
            if why_not is not None:
                raise RefusedError(str(Wrong(name, "", name, why_not)))
            self._count += 1
            fault = Standing(self._count, planned, owner, trio.current_time())
            self.standing[fault.number] = fault
            self.told("fault begins", fault=fault.number, label=planned.label, at_most_s=planned.at_most_s)
            try:
                await self._do(fault)
            except BaseException as error:
                self.told("fault fails", fault=fault.number, label=planned.label, why=str(error))
                with trio.CancelScope(shield=True):
                    await self._undo(fault)
                raise
            self.told("fault stands", fault=fault.number, label=planned.label)
        self.nursery.start_soon(self._watch, fault)
        return fault

    async def heal(self, number: int) -> tuple[str, ...]:
        """Undo a fault; what it left behind. One that is healed, or is being healed, is waited for."""
        fault = self.standing.get(number)
        if fault is None:
            raise RefusedError(f"no fault {number} stands; `lbmesh lab status` lists those that do")
        return await self._heal(fault)

    async def heal_all(self, owner: object | None = None) -> tuple[str, ...]:
        """Undo all faults, or all of one owner, the last one first; what they left behind."""
        mine = [one for one in self.standing.values() if owner is None or one.owner is owner]
        return tuple([line for one in reversed(mine) for line in await self._heal(one)])

    async def _heal(self, fault: Standing) -> tuple[str, ...]:
        fault.scope.cancel()
        with trio.CancelScope(shield=True):
            async with self._lock:
                if not fault.healed.is_set():
                    await self._undo(fault)
        return fault.left

    async def _watch(self, fault: Standing) -> None:
        """Let it flap, if it does, and undo it when its time is up."""
        with fault.scope:
            with trio.move_on_at(fault.until_s):
                await self._flap(fault)
                await trio.sleep_forever()
            self.told("fault times out", fault=fault.number, label=fault.plan.label)
        if not fault.healed.is_set():
            await self._heal(fault)

    async def _flap(self, fault: Standing) -> None:
        flapping = fault.plan.flapping
        while flapping is not None:
            await trio.sleep(flapping.on_s)
            async with self._lock:
                with trio.CancelScope(shield=True):
                    await self._take_undos(fault)
                self.told("fault rests", fault=fault.number, label=fault.plan.label)
            await trio.sleep(flapping.off_s)
            async with self._lock:
                with contextlib.suppress(StepError):
                    await self._do(fault)
                self.told("fault stands", fault=fault.number, label=fault.plan.label)

    async def _do(self, fault: Standing) -> None:
        with trio.CancelScope(shield=True):
            for together in _together(fault.plan.steps):
                fault.undos += [undo(step) for step in together]
                failed = await self._take_all(together, tries=1)
                if failed:
                    raise failed[0]

    async def _undo(self, fault: Standing) -> None:
        """All of it; then see what is left. The lock is held."""
        self.told("fault heals", fault=fault.number, label=fault.plan.label)
        failed = await self._take_undos(fault)
        unready = [line async for line in self._unready(fault.plan.holds)]
        left = [line for hold in sorted(fault.plan.holds, key=str) for line in await self.residue.of(hold)]
        fault.left = (*failed, *unready, *left)
        del self.standing[fault.number]
        fault.healed.set()
        self.told("fault healed", fault=fault.number, label=fault.plan.label, residue=list(fault.left))

    async def _take_undos(self, fault: Standing) -> tuple[str, ...]:
        undos = fault.undos[::-1]
        failed = [error for together in _together(undos) for error in await self._take_all(together, tries=UNDO_TRIES)]
        fault.undos.clear()
        return tuple(f"the undo failed: {error}" for error in failed)

    async def _take_all(self, steps: Sequence[Step], tries: int) -> list[StepError]:
        """Take steps at the same time, each so many times until it succeeds; what failed."""
        failed: list[StepError] = []

        async def take(step: Step) -> None:
            for attempt in range(1, tries + 1):
                try:
                    await self.hands.take(step)
                    return
                except StepError as error:
                    if attempt == tries:
                        failed.append(error)

        async with trio.open_nursery() as nursery:
            for step in steps:
                nursery.start_soon(take, step)
        return failed

    async def _unready(self, holds: frozenset[Hold]) -> AsyncIterator[str]:
        for host in sorted({hold.host for hold in holds if hold.thing is Thing.PROCESSES}):
            for running in self.programs.of(host):
                try:
                    await self.programs.become_ready(running)
                except NotReadyError as error:
                    yield str(error)

    def __iter__(self) -> Iterator[Standing]:
        return iter(self.standing.values())


def _together(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Runs of steps of one kind: a cut is to begin everywhere at once, or it is another fault for a while."""
    for _, run in itertools.groupby(steps, type):
        yield list(run)
