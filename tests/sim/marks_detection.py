"""How soon a crash is seen by all, and how soon a split or a restart of all is forgotten."""

from dataclasses import dataclass
from functools import partial
from random import Random

from lbmesh.gossip.limits import PROFILES, GossipTiming
from lbmesh.model.member import MemberState
from tests.sim.marks import Effort, Figure, Table
from tests.sim.network import End
from tests.sim.schedules import CONVERGED_FROM, SHAPES
from tests.sim.spread import spread
from tests.sim.world import World
from tests.support.percentile import percentile

GIVEN_UP_S = 30.0
REPEATS_AT_ONCE = 10
HOUR_S = 3600.0
SPLIT_S = 5.0
RESTART_S = 10.0


@dataclass(frozen=True, slots=True)
class Kills:
    """Some kills in one world. `zone`: of whole zones."""

    shape: str
    seed: int
    repeats: int
    zone: bool


def started(shape: str, seed: int, timing: GossipTiming = PROFILES["fast"]) -> World:
    """A world that has settled."""
    zones = SHAPES[shape]
    world = World(seed, zones, timing=timing)
    if sum(zones.values()) >= CONVERGED_FROM:
        world.start_converged()
    else:
        world.start_all()
    world.run(3.0)
    return world


def kill(kills: Kills) -> list[float]:
    """For each kill, the seconds until the last survivor held the last of the dead for down."""
    world, rng = started(kills.shape, kills.seed), Random(f"kills {kills.seed}")
    times = []
    for _ in range(kills.repeats):
        world.run(rng.uniform(1.0, 2.0))
        victim = rng.choice(list(world.nodes.values()))
        names = [
            node.name for node in world.nodes.values() if node is victim or (kills.zone and node.zone == victim.zone)
        ]
        world.crash(*names)
        times.append(_seen_by_all_s(world, names))
        world.run(1.0)
        world.start(*names)
        world.run_until(world.all_alive, within_s=GIVEN_UP_S, step_s=0.05)
    return times


def _seen_by_all_s(world: World, names: list[str]) -> float:
    crashed_s, since = world.now, len(world.changes)
    waiting = {(observer, name) for observer in world.running() for name in names}
    while waiting and world.now < crashed_s + GIVEN_UP_S:
        world.run(0.02)
        for at_s, observer, change in world.changes[since:]:
            if change.after is MemberState.DOWN:
                waiting.discard((observer, change.name))
                last_s = at_s
        since = len(world.changes)
    return GIVEN_UP_S if waiting else last_s - crashed_s


def detection(effort: Effort) -> Table:
    """Crash of a node and of a zone, at each size."""
    figures = []
    for zone in (False, True):
        for shape in effort.sizes:
            jobs = [
                Kills(shape, seed, min(REPEATS_AT_ONCE, effort.repeats - seed), zone)
                for seed in range(0, effort.repeats, REPEATS_AT_ONCE)
            ]
            times = [time_s for one in spread(kill, jobs, effort.processes) for time_s in one]
            p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
            cells = ("a zone" if zone else "a node", shape, str(len(times)), *_seconds(p50, p99, max(times)))
            figures.append(Figure(cells, p50 <= 1.0 and p99 <= 1.5))
    return Table(
        "A crash is seen by all",
        "From SIGKILL until the last survivor holds the last of the dead for down; delays of 1 to 2 ms. Meshes of 100 "
        "and more begin with a converged picture. Mark: p50 ≤ 1.0 s, p99 ≤ 1.5 s.",
        ("crash of", "nodes", "repeats", "p50 s", "p99 s", "worst s"),
        tuple(figures),
    )


def _seconds(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.2f}" for value in values)


@dataclass(frozen=True, slots=True)
class Splits:
    """Some splits of one kind in one world."""

    shape: str
    kind: str
    for_s: float
    seed: int
    repeats: int


def split(splits: Splits) -> list[float]:
    """For each split, the seconds from its end until everybody holds everybody for alive."""
    world, rng = started(splits.shape, splits.seed), Random(f"splits {splits.seed}")
    times = []
    for _ in range(splits.repeats):
        world.run(rng.uniform(1.0, 2.0))
        side = rng.choice("abc")
        if splits.kind == "restart":
            world.crash(*world.nodes)
            world.run(splits.for_s)
            world.start(*world.nodes)
        else:
            world.cut(_three if splits.kind == "3-way" else partial(_two, side))
            world.run(splits.for_s)
            if splits.kind == "nested":
                world.cut(_three)
                world.run(splits.for_s)
            world.network.heal()
        times.append(world.run_until(world.all_alive, within_s=10 * GIVEN_UP_S, step_s=0.02))
    return times


def _two(side: str, source: End, target: End) -> bool:
    return (source.zone == side) != (target.zone == side)


def _three(source: End, target: End) -> bool:
    return source.zone != target.zone


def healing(effort: Effort) -> Table:
    """Splits of all lengths, three-way and nested; and everybody restarted at once."""
    few, many = max(1, effort.repeats // 10), max(1, effort.repeats // 2)
    kinds = [("3", "2-way", effort.long_split_h * HOUR_S, 1, SPLIT_S), ("9", "2-way", HOUR_S / 4, 1, SPLIT_S)]
    for shape in ("3", "9"):
        kinds += [(shape, "2-way", 5.0, many, SPLIT_S), (shape, "2-way", 60.0, few, SPLIT_S)]
    kinds += [(shape, "3-way", 15.0, few, SPLIT_S) for shape in ("9", "6/2/2")]
    kinds += [("9", "nested", 15.0, few, SPLIT_S)]
    kinds += [(shape, "restart", 1.0, few, RESTART_S) for shape in effort.sizes if int(shape) < CONVERGED_FROM]
    jobs = [Splits(shape, kind, for_s, 1, count) for shape, kind, for_s, count, _ in kinds]
    figures = []
    for (shape, kind, for_s, _, mark_s), times in zip(kinds, spread(split, jobs, effort.processes), strict=True):
        what = "all restarted" if kind == "restart" else f"{kind}, {_span(for_s)}"
        p99 = percentile(times, 0.99)
        cells = (what, shape, str(len(times)), *_seconds(percentile(times, 0.5), p99, max(times)))
        figures.append(Figure(cells, p99 <= mark_s))
    return Table(
        "Splits heal",
        "From the end of the split (or the start of the first node) until everybody holds everybody for alive. "
        "Nested: a second cut within the first. Mark: p99 ≤ 5 s, and 10 s after a restart of all.",
        ("what", "nodes", "repeats", "p50 s", "p99 s", "worst s"),
        tuple(figures),
    )


def _span(seconds: float) -> str:
    return f"{seconds / HOUR_S:g} h" if seconds >= HOUR_S / 4 else f"{seconds:g} s"
