"""False downs: healthy members that healthy members held for down, in long runs under faults of others."""

from collections.abc import Sequence
from dataclasses import dataclass

from lbmesh.model.member import MemberState
from lbmesh_chaos.model.faults import HalfConnected, Lossy
from tests.sim.faults import Fault, Flipping, Weather, begin
from tests.sim.marks import Effort, Figure, Table, false_positive_bound
from tests.sim.spread import spread
from tests.sim.world import World

SLICE_S = 600.0
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
PAUSED = (1, 4, 8, 16, 32)
LIFEGUARD_FALSE_POSITIVES = 25
"""At healthy members, Lifeguard's best (arXiv 1707.00788, table 4)."""

GRID_ZONES = {"a": 43, "b": 43, "c": 42}


@dataclass(frozen=True, slots=True)
class Case:
    """One long run. `culprits`: the nodes at which the fault is."""

    name: str
    zones: tuple[tuple[str, int], ...]
    fault: Fault
    culprits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """Some minutes of a case, with a seed of their own."""

    case: Case
    seed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Errors:
    """`false`: downs of healthy by healthy; `turns`: the most often that one observer changed its mind on whether a
    culprit is down; `seconds`: how long.
    """

    false: int
    turns: int
    seconds: float


NINE, TEN, TWENTY = (("a", 3), ("b", 3), ("c", 3)), (("a", 4), ("b", 3), ("c", 3)), (("a", 7), ("b", 7), ("c", 6))
CASES = (
    Case("1 % loss, tenfold jitter", NINE, Weather(loss=0.01, jitter_s=0.02), ()),
    Case("a node that reaches one of ten", TEN, HalfConnected("c1", ("a1",)), ("c1",)),
    Case("80 % loss at two of twenty", TWENTY, Lossy(("b2", "c3"), 0.8), ("b2", "c3")),
    Case("a one-way link, flipping every 20 s", NINE, Flipping("a1", "b1", 40.0), ("a1", "b1")),
)


def watch(part: Slice) -> Errors:
    """Let the fault last, and count."""
    world = World(part.seed, dict(part.case.zones))
    world.start_all()
    world.run(2.0)
    since = len(world.changes)
    begin(part.case.fault, world)
    world.run(part.seconds)
    culprits = set(part.case.culprits)
    unhealthy = set() if isinstance(part.case.fault, Flipping) else culprits
    healthy = world.nodes.keys() - unhealthy
    false = len(world.downs(healthy, healthy))
    turns: dict[tuple[str, str], int] = {}
    for _, observer, change in world.changes[since:]:
        is_turn = change.before and (change.before is MemberState.DOWN) != (change.after is MemberState.DOWN)
        if is_turn and change.name in culprits and observer not in culprits:
            turns[observer, change.name] = turns.get((observer, change.name), 0) + 1
    return Errors(false, max(turns.values(), default=0), part.seconds)


def false_downs(effort: Effort) -> Table:
    """All cases, each cut into slices of ten minutes."""
    parts = []
    for case in CASES:
        hours = effort.hours if case is CASES[0] else effort.hours / 12
        count = max(1, round(hours * 3600 / SLICE_S))
        parts += [Slice(case, seed, SLICE_S) for seed in range(count)]
    results = list(spread(watch, parts, effort.processes))
    figures = []
    for case in CASES:
        own = [result for part, result in zip(parts, results, strict=True) if part.case is case]
        figures.append(_figure(case, own))
    return Table(
        "False downs of healthy members by healthy members",
        "Slices of ten simulated minutes, each with a seed of its own. The bound holds with 95 % (none in h hours: at "
        "most 3/h). Turns: how often one observer found a culprit down, or back, in ten minutes, at most. "
        "Mark: none; and at most two turns.",
        ("fault", "nodes", "simulated hours", "false downs", "per hour", "turns"),
        tuple(figures),
    )


def _figure(case: Case, own: Sequence[Errors]) -> Figure:
    hours = sum(one.seconds for one in own) / 3600
    false, turns = sum(one.false for one in own), max(one.turns for one in own)
    nodes = sum(size for _, size in case.zones)
    cells = (case.name, str(nodes), f"{hours:.3g}", str(false), false_positive_bound(false, hours), str(turns))
    return Figure(cells, false == 0 and turns <= 2)


@dataclass(frozen=True, slots=True)
class Pause:
    """One cell of the Lifeguard grid."""

    count: int
    for_s: float
    seed: int


def pause(cell: Pause) -> tuple[int, int]:
    """False downs in all, and those of healthy by healthy, when some of 128 are paused once."""
    world = World(cell.seed, GRID_ZONES)
    world.start_converged()
    world.run(3.0)
    since_s = world.now
    names = sorted(world.nodes)[:: len(world.nodes) // cell.count][: cell.count]
    world.pause(*names)
    world.run(cell.for_s)
    world.thaw(*names)
    world.run(5.0)
    healthy = world.nodes.keys() - set(names)
    of_paused = [one for one in world.downs(world.nodes, names) if one[0] > since_s]
    of_healthy = [one for one in world.downs(world.nodes, healthy) if one[0] > since_s]
    return len(of_paused), len(of_healthy)


def lifeguard_grid(effort: Effort) -> Table:
    """Pauses of 0.5 to 30 s at 1 to 32 of 128 members."""
    cells = [Pause(count, for_s, 1) for count in PAUSED for for_s in PAUSES_S]
    results = dict(zip(((one.count, one.for_s) for one in cells), spread(pause, cells, effort.processes), strict=True))
    figures = [
        Figure((str(count), *(f"{results[count, for_s][1]} ({results[count, for_s][0]})" for for_s in PAUSES_S)))
        for count in PAUSED
    ]
    total = sum(healthy for _, healthy in results.values())
    figures.append(Figure(("all", str(total), *[""] * (len(PAUSES_S) - 1)), total <= LIFEGUARD_FALSE_POSITIVES))
    return Table(
        "Lifeguard's grid: pauses at 128 members",
        "Downs of healthy members, in brackets those of paused ones, for each number of paused members and length of "
        f"one pause. Lifeguard's published total at healthy members is {LIFEGUARD_FALSE_POSITIVES}, of a grid with "
        "more repeats; ours should be 0.",
        ("paused", *(f"{for_s:g} s" for for_s in PAUSES_S)),
        tuple(figures),
    )
