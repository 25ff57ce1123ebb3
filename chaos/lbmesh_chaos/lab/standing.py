"""The faults that stand: done as planned, undone at the latest when their time is up, and checked for what they left.

Every undo is written down before its step is taken. Whoever ordered a fault may die: then all it ordered is undone.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import trio

from lbmesh_chaos.faults.order import Wrong, parse_order
from lbmesh_chaos.faults.plan import Plan, conflict, plan
from lbmesh_chaos.faults.steps import Hold, Step, Thing, undo
from lbmesh_chaos.lab.hands import Hands, StepError
from lbmesh_chaos.lab.programs import NotReadyError, Programs, Running
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
    lock: trio.Lock = field(default_factory=trio.Lock)
    is_healing: bool = False
    healed: trio.Event = field(default_factory=trio.Event)
    left: tuple[str, ...] = ()

    @property
    def until_s(self) -> float:
        """When its time is up."""
        return self.since_s + self.plan.at_most_s


@dataclass(slots=True)
class Faults:
    """All that stand. What two of them have in hand is never the same, so none waits for another.

    Times are trio's, which are those of the machine's monotonic clock plus a constant.

    `told` hears of all that happens. `nursery`: where dead-man timers wait.
    """

    world: World
    hands: Hands
    programs: Programs
    residue: Residue
    nursery: trio.Nursery
    told: Callable[..., None]
    standing: dict[int, Standing] = field(default_factory=dict)
    _count: int = 0

    async def apply(self, name: str, arguments: dict[str, object], seed: int, owner: object) -> Standing:
        """Do a fault. Raises RefusedError before anything is touched, StepError after what was done has been undone."""
        order = parse_order(name, arguments, self.world)
        if isinstance(order, tuple):
            raise RefusedError("\n".join(str(wrong) for wrong in order))
        planned = plan(order, self.world, seed)
        why_not = conflict(planned, (one.plan for one in self.standing.values()))
        if why_not is not None:
            raise RefusedError(str(Wrong(name, "", name, why_not)))
        self._count += 1
        fault = Standing(self._count, planned, owner, trio.current_time())
        self.standing[fault.number] = fault
        self._tell("begins", fault, at_most_s=planned.at_most_s)
        try:
            async with fault.lock:
                await self._do(fault)
        except StepError as error:
            self._tell("fails", fault, why=str(error))
            await self._heal(fault)
            raise
        self._tell("stands", fault)
        self.nursery.start_soon(self._watch, fault)
        return fault

    async def heal(self, number: int) -> tuple[str, ...]:
        """Undo a fault; what it left behind. One that is healed, or is being healed, is waited for."""
        fault = self.standing.get(number)
        if fault is None:
            raise RefusedError(f"no fault {number} stands; `lbmesh lab status` lists those that do")
        return await self._heal(fault)

    async def heal_all(self, owner: object | None = None) -> tuple[str, ...]:
        """Undo all faults, or all of one owner, at the same time; what they left behind."""
        mine = [one for one in self.standing.values() if owner is None or one.owner is owner]
        async with trio.open_nursery() as nursery:
            for one in mine:
                nursery.start_soon(self._heal, one)
        return tuple(line for one in mine for line in one.left)

    async def _heal(self, fault: Standing) -> tuple[str, ...]:
        fault.scope.cancel()
        with trio.CancelScope(shield=True):
            if fault.is_healing:
                await fault.healed.wait()
            else:
                fault.is_healing = True
                await self._undo(fault)
        return fault.left

    async def _watch(self, fault: Standing) -> None:
        """Let it flap, if it does, and undo it when its time is up."""
        with fault.scope:
            with trio.move_on_at(fault.until_s):
                await self._flap(fault)
                await trio.sleep_forever()
            self._tell("times out", fault)
        await self._heal(fault)

    async def _flap(self, fault: Standing) -> None:
        flapping = fault.plan.flapping
        while flapping is not None:
            await trio.sleep(flapping.on_s)
            async with fault.lock:
                with trio.CancelScope(shield=True):
                    await self._take_undos(fault)
                self._tell("rests", fault)
            await trio.sleep(flapping.off_s)
            async with fault.lock:
                try:
                    await self._do(fault)
                except StepError as error:
                    self._tell("fails", fault, why=str(error))
                else:
                    self._tell("stands", fault)

    async def _do(self, fault: Standing) -> None:
        with trio.CancelScope(shield=True):
            for together in _together(fault.plan.steps):
                fault.undos += [undo(step) for step in together]
                failed = await self._take_all(together, tries=1)
                if failed:
                    raise failed[0]

    async def _undo(self, fault: Standing) -> None:
        """All of it; then see what is left. Until that is known, nobody else may have the same in hand."""
        self._tell("heals", fault)
        async with fault.lock:
            failed = await self._take_undos(fault)
        self._tell("undone", fault)
        unready = await self._unready(fault.plan.holds)
        if any(hold.thing is Thing.PROCESSES for hold in fault.plan.holds):
            self._tell("ready", fault)
        left = [line for hold in sorted(fault.plan.holds, key=str) for line in await self.residue.of(hold)]
        fault.left = (*failed, *unready, *left)
        del self.standing[fault.number]
        fault.healed.set()
        self._tell("healed", fault, residue=list(fault.left))

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

    async def _unready(self, holds: frozenset[Hold]) -> list[str]:
        """Wait for the programs that a fault may have ended; which of them do not come back."""
        found: list[str] = []

        async def wait(running: Running) -> None:
            try:
                await self.programs.become_ready(running)
            except NotReadyError as error:
                found.append(str(error))

        async with trio.open_nursery() as nursery:
            for hold in holds:
                for running in self.programs.of(hold.host) if hold.thing is Thing.PROCESSES else ():
                    nursery.start_soon(wait, running)
        return sorted(found)

    def _tell(self, what: str, fault: Standing, **about: object) -> None:
        self.told(f"fault {what}", fault=fault.number, label=fault.plan.label, **about)

    def __iter__(self) -> Iterator[Standing]:
        return iter(self.standing.values())


def _together(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Runs of steps of one kind: a cut is to begin everywhere at once, or it is another fault for a while."""
    for _, run in itertools.groupby(steps, type):
        yield list(run)
