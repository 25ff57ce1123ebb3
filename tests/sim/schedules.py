"""Random schedules: storms of faults with calm between them, all drawn from one seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from lbmesh_chaos.model.faults import Freeze, HalfConnected, Kill, Leave, Lossy, OneWay, Part, Split
from tests.sim.clock import OFFSET_MAX_S, SKEW_MAX, NodeClock
from tests.sim.faults import (
    Ailing,
    Fault,
    Flipping,
    Lag,
    Refused,
    Weather,
    begin,
)
from tests.sim.health_invariants import HealthInvariants
from tests.sim.invariants import Invariants
from tests.sim.replicas import replica_id
from tests.sim.world import World

SHAPES: dict[str, dict[str, int]] = {
    "1": {"a": 1},
    "2": {"a": 1, "b": 1},
    "3": {"a": 1, "b": 1, "c": 1},
    "9": {"a": 3, "b": 3, "c": 3},
    "6/2/2": {"a": 6, "b": 2, "c": 2},
    "30": {"a": 10, "b": 10, "c": 10},
    "100": {"a": 34, "b": 33, "c": 33},
    "1000": {"a": 334, "b": 333, "c": 333},
}
REPLICAS = 6
CONVERGED_FROM = 100
"""So many nodes and more begin with a converged picture: their join costs minutes of processor time."""

STORM_S = (10.0, 50.0)
CALM_S = (12.0, 30.0)
FAULTS_IN_A_STORM_MAX = 3


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault, when it begins and how long it lasts."""

    at_s: float
    for_s: float
    fault: Fault

    def __str__(self) -> str:
        return f"{self.at_s:8.2f} s, for {self.for_s:6.2f} s: {self.fault}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One world and what goes wrong in it."""

    seed: int
    shape: str
    seconds: float
    whole: bool
    faults: tuple[Planned, ...]

    def __str__(self) -> str:
        kind = "whole planes" if self.whole else "gossip alone"
        head = f"seed {self.seed}: {self.shape} nodes, {kind}, {self.seconds:g} simulated seconds"
        return "\n".join([head, *map(str, self.faults)])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a schedule that held all invariants went through."""

    trace: str
    agreed: int
    settled: int


def skewed_clock(rng: Random) -> NodeClock:
    """Up to ten years ahead or behind, and up to 200 ppm fast or slow."""
    return NodeClock(rng.uniform(-OFFSET_MAX_S, OFFSET_MAX_S), 1 + rng.uniform(-SKEW_MAX, SKEW_MAX))


def draw(seed: int, shape: str | None = None, seconds: float = 600.0, *, whole: bool | None = None) -> Schedule:
    """The schedule of a seed; what is not given is drawn, too."""
    rng = Random(f"schedule {seed}")
    drawn_shape = rng.choice(["1", "2", "3", "3", "9", "9", "6/2/2", "30"])
    drawn_whole = rng.random() < 0.7
    shape = shape or drawn_shape
    names = [f"{zone}{number}" for zone, size in SHAPES[shape].items() for number in range(1, size + 1)]
    whole = drawn_whole if whole is None else whole
    faults: list[Planned] = []
    at_s = 5.0
    storm_max_s, calm_max_s = (max(shortest, min(longest, seconds / 4)) for shortest, longest in (STORM_S, CALM_S))
    while True:
        storm_s = rng.uniform(STORM_S[0], storm_max_s)
        if at_s + storm_s + calm_max_s > seconds:
            break
        for _ in range(rng.randint(1, FAULTS_IN_A_STORM_MAX)):
            begins_s = rng.uniform(0, storm_s * 0.8)
            lasts_s = rng.uniform(0.05, storm_s - begins_s)
            faults.append(Planned(at_s + begins_s, lasts_s, _fault(rng, names, whole)))
        at_s += storm_s + rng.uniform(CALM_S[0], calm_max_s)
    return Schedule(seed, shape, seconds, whole, tuple(sorted(faults, key=lambda one: one.at_s)))


def _fault(rng: Random, names: Sequence[str], whole: bool) -> Fault:
    zones = sorted({name[0] for name in names})
    some = tuple(rng.sample(names, rng.randint(1, max(1, len(names) // 3))))
    one, other = rng.sample(names, 2) if len(names) > 1 else (names[0], names[0])
    zone = rng.choice(zones)
    inside = tuple(name for name in names if name[0] == zone)
    outside = tuple(name for name in names if name[0] != zone)
    choices: list[Callable[[], Fault]] = [
        partial(Kill, some),
        partial(Kill, inside),
        partial(Kill, (one,), forgets=True),
        partial(Leave, (one,)),
        partial(Kill, (one,), Part.AGENT),
        partial(Freeze, some),
        partial(Freeze, inside),
        partial(Lag, some, rng.uniform(0.05, 0.8)),
        partial(Split, (inside, outside)),
        partial(Split, tuple(tuple(name for name in names if name[0] == each) for each in zones)),
        partial(Split, _halves(rng, names)),
        partial(OneWay, (one,), (other,)),
        partial(OneWay, inside, outside),
        partial(Flipping, one, other, rng.uniform(2.0, 20.0)),
        partial(HalfConnected, one, (other,)),
        partial(Lossy, some, rng.uniform(0.3, 0.9)),
        partial(Refused, some),
        partial(Weather, loss=rng.uniform(0, 0.02), jitter_s=rng.uniform(0, 0.02)),
        partial(Weather, delay_s=rng.uniform(0, 0.05), jitter_s=rng.uniform(0, 0.05), overtaken=0.1),
        partial(Weather, duplicates=rng.random(), overtaken=rng.random()),
    ]
    if whole:
        choices += [partial(_ailing, rng, zones)] * 6
    return rng.choice(choices)()


def _halves(rng: Random, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    first = set(rng.sample(names, rng.randint(1, max(1, len(names) - 1))))
    return tuple(sorted(first)), tuple(name for name in names if name not in first)


def _ailing(rng: Random, zones: Sequence[str]) -> Fault:
    replica = replica_id(rng.randrange(REPLICAS))
    choices = [
        Ailing(replica, up=False),
        Ailing(replica, slow_s=rng.uniform(0.1, 3.0)),
        Ailing(replica, cut_from=tuple(rng.sample(zones, rng.randint(1, len(zones))))),
    ]
    return rng.choice(choices)


def run(schedule: Schedule) -> Outcome:
    """Let a schedule happen. Raises InvariantError, with the schedule, when an invariant does not hold."""
    zones = SHAPES[schedule.shape]
    world = World(schedule.seed, zones, replicas=REPLICAS if schedule.whole else None, clocks=skewed_clock)
    invariants = Invariants(world)
    health = HealthInvariants(world) if schedule.whole else None
    if len(world.nodes) >= CONVERGED_FROM:
        world.start_converged()
    else:
        world.start(*world.nodes)
    for planned in schedule.faults:
        world.at(planned.at_s, partial(_happen, world, planned))
    world.run(schedule.seconds)
    return Outcome(world.trace(), invariants.agreed, health.settled if health else 0)


def _happen(world: World, planned: Planned) -> None:
    world.say(f"begins: {planned.fault}")
    end = begin(planned.fault, world)

    def ends() -> None:
        world.say(f"ends: {planned.fault}")
        end()

    world.at(world.now + planned.for_s, ends)
