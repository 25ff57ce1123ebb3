"""The world as the steps' docstrings have it: what each step does to a host, without a machine."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lbmesh_chaos.faults import steps
from lbmesh_chaos.faults.steps import Step
from lbmesh_chaos.model.faults import Part
from lbmesh_chaos.model.world import World


@dataclass(frozen=True)
class HostState:
    """What the residue check looks at."""

    dead: frozenset[Part] = frozenset()
    stopped: frozenset[Part] = frozenset()
    share: float = 1.0
    tables: frozenset[tuple[str, str]] = frozenset()
    queue: tuple[int, float] | None = None
    relay: tuple[str, ...] | None = None
    clock_s: float = 0.0
    is_disk_full: bool = False
    config: str | None = None
    behaviour: tuple[tuple[str, float | int | str | bool], ...] = ()


@dataclass(frozen=True)
class Modelled:
    """All hosts."""

    hosts: dict[str, HostState] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World) -> "Modelled":
        return cls({host.name: HostState() for host in world.everywhere})

    def after(self, taken: Iterable[Step]) -> "Modelled":
        hosts = dict(self.hosts)
        for step in taken:
            hosts[step.host] = _after(hosts[step.host], step)
        return Modelled(hosts)


def _after(state: HostState, step: Step) -> HostState:  # noqa: C901 (one line for each step)
    match step:
        case steps.Kill(_, part):
            # What is dead cannot be stopped.
            return replace(state, dead=state.dead | {part}, stopped=state.stopped - {part})
        case steps.Terminate():
            return replace(state, dead=state.dead | {Part.ALL}, stopped=frozenset())
        case steps.Start():
            return replace(state, dead=frozenset())
        case steps.Freeze(_, part):
            return replace(state, stopped=state.stopped | {part})
        case steps.Throttle(_, share):
            return replace(state, share=share)
        case steps.Thaw():
            return replace(state, stopped=frozenset(), share=1.0)
        case steps.AddFilter(_, added):
            return replace(state, tables=_without(state, added.table) | {(added.table, added.text)})
        case steps.RemoveFilter(_, table):
            return replace(state, tables=_without(state, table))
        case steps.LimitRate(_, bytes_per_s, _, latency_s):
            return replace(state, queue=(bytes_per_s, latency_s))
        case steps.RestoreQueue():
            return replace(state, queue=None)
        case steps.Delay():
            return replace(state, relay=step.relay_arguments)
        case steps.EndDelay():
            return replace(state, relay=None)
        case steps.SetClock(_, offset_s):
            return replace(state, clock_s=offset_s)
        case steps.FillDisk():
            return replace(state, is_disk_full=True)
        case steps.FreeDisk():
            return replace(state, is_disk_full=False)
        case steps.PushConfig(_, poison):
            return replace(state, config=poison)
        case steps.Behave(_, behaviour):
            return replace(state, behaviour=behaviour)


def _without(state: HostState, table: str) -> frozenset[tuple[str, str]]:
    return frozenset(one for one in state.tables if one[0] != table)
