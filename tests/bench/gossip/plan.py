"""How much to measure, and the run through all of it."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.bench.gossip import measures
from tests.bench.gossip.disturbance import Disturbance
from tests.bench.gossip.samples import Crash, Fault, Rest
from tests.bench.gossip.systems import System
from tests.bench.gossip.world import World, running_worlds

_SEED = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """`repeats`: kills at each size. `rest_s`: at rest, after `settle_s` of it. `fault_s` and `split_s`: how long a
    fault of the network lasts; these are measured at `fault_sizes`.
    """

    sizes: tuple[int, ...]
    repeats: int
    rest_s: float
    settle_s: float
    fault_s: float
    split_s: float
    fault_sizes: tuple[int, ...]


FULL = Plan(sizes=(3, 10, 30), repeats=10, rest_s=30, settle_s=10, fault_s=60, split_s=30, fault_sizes=(10,))
QUICK = Plan(sizes=(3, 10), repeats=2, rest_s=10, settle_s=3, fault_s=15, split_s=15, fault_sizes=(10,))


@dataclass(slots=True)
class Samples:
    """Everything a run gave. `disturbed`: others' share of the machine, by measurement; `delays_s`: of log lines."""

    crashes: list[Crash] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)


def run(plan: Plan, systems: Sequence[System], directory: Path, say: Callable[[str], None]) -> Samples:
    """Measure all of it, size by size. Raises RuntimeError when a mesh does not come up or a node ends by itself."""
    samples, rng = Samples(), random.Random(_SEED)
    for nodes in plan.sizes:
        say(f"{nodes} members: starting {', '.join(system.title for system in systems)}")
        with running_worlds(systems, nodes, directory) as worlds:
            _run_size(plan, worlds, rng, samples, say)
            for world in worlds:
                samples.delays_s += world.recorder.delays_s
    return samples


def _run_size(
    plan: Plan, worlds: Sequence[World], rng: random.Random, samples: Samples, say: Callable[[str], None]
) -> None:
    nodes = len(worlds[0].members)
    if plan.rest_s:
        time.sleep(plan.settle_s)
        say(f"{nodes} members: {plan.rest_s:g} s at rest")
        samples.rests += _measured(samples, partial(measures.rest, worlds, plan.rest_s))
    victims: list[int] = []
    for number in range(plan.repeats):
        victims = victims or rng.sample(range(nodes), nodes)
        victim = victims.pop()
        crashes = _measured(samples, partial(measures.crash, worlds, victim, rng))
        samples.crashes += crashes
        seen = ", ".join(f"{one.system} {one.first_s:.2f}–{one.last_s:.2f} s" for one in crashes)
        say(f"{nodes} members: kill {number + 1} of {plan.repeats} seen by {seen}")
    if nodes not in plan.fault_sizes:
        return
    for measure, length_s in (
        (measures.half_connected, plan.fault_s),
        (measures.egress_loss, plan.fault_s),
        (measures.split, plan.split_s),
    ):
        found = _measured(samples, partial(measure, worlds, length_s))
        samples.faults += found
        false = ", ".join(f"{one.system} {one.false_failures}" for one in found)
        say(f"{nodes} members: {found[0].what}; false failures: {false}")


_S = TypeVar("_S")


def _measured(samples: Samples, measure: Callable[[], list[_S]]) -> list[_S]:
    disturbance = Disturbance()
    found = measure()
    samples.disturbed.append(disturbance.share())
    return found
