"""The measurements on running meshes. Several meshes go through each step together, so that what disturbs one
disturbs all.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.bench.gossip import faults
from tests.bench.gossip.samples import Crash, Fault, Rest
from tests.bench.gossip.sightings import Count, count, detections
from tests.bench.gossip.systems.base import ZONES
from tests.bench.gossip.world import World, wait_for
from tests.bench.processes import command_line, cpu_time_s, process_trees

SEEN_LIMIT_S = 30.0
HEAL_LIMIT_S = 60.0
AFTERMATH_S = 0.5
"""After the last survivor has seen a crash, false words about others may still follow."""

LOSS_PERCENT = 80


def crash(worlds: Sequence[World], victim: int, rng: random.Random) -> list[Crash]:
    """Kill one node, see who notices, bring it back."""
    time.sleep(rng.random())
    name = worlds[0].members[victim]
    killed_s = {world: world.kill(victim) for world in worlds}
    survivors = len(worlds[0].members) - 1
    wait_for(worlds, lambda world: len(_seen(world, name, killed_s[world])) == survivors, SEEN_LIMIT_S)
    time.sleep(AFTERMATH_S)
    seen = {world: sorted(_seen(world, name, killed_s[world]).values()) for world in worlds}
    counts = {world: _count(world, (name,), killed_s[world]) for world in worlds}
    started_s = {world: world.start(victim) for world in worlds}
    healed_s = _healed(worlds, started_s)
    return [
        Crash(
            nodes=len(world.members),
            system=world.system.name,
            seen_s=tuple(seen[world]),
            unseen=survivors - len(seen[world]),
            false_failures=counts[world].false_failures,
            healed_s=healed_s[world],
            spread_s=healed_s[world] - _first_word_s(world, name, started_s[world]),
        )
        for world in worlds
    ]


def _first_word_s(world: World, name: str, since_s: float) -> float:
    """How long after that the node first spoke of another; none at all is as good as at once."""
    words = (one.at_s for one in world.recorder.since(since_s) if one.observer == name != one.subject)
    return next(words, since_s) - since_s


def rest(worlds: Sequence[World], window_s: float) -> list[Rest]:
    """Leave them alone, and see what they use."""
    trees = process_trees(root for world in worlds for root in world.roots())
    before = {world: [_usage(world, root, trees[root]) for root in world.roots()] for world in worlds}
    time.sleep(window_s)
    after = {world: [_usage(world, root, trees[root]) for root in world.roots()] for world in worlds}
    return [_rest(world, before[world], after[world]) for world in worlds]


_Usage = dict[str, float]
"""CPU seconds by process, with "node" for all; "bytes" and "packets" sent; "at_s", when."""


def _usage(world: World, root: int, tree: Sequence[int]) -> _Usage | None:
    """None when a process of the tree has ended."""
    usage: _Usage = {"at_s": time.monotonic(), "node": 0.0}
    for pid in tree:
        try:
            role, used_s = world.system.role(command_line(pid)), cpu_time_s(pid)
        except OSError:
            return None
        usage[role] = usage.get(role, 0.0) + used_s
        usage["node"] += used_s
    sent = Path(f"/proc/{root}/net/dev").read_text().partition("eth0:")[2].split()
    return usage | {"bytes": float(sent[8]), "packets": float(sent[9])}


def _rest(world: World, before: Sequence[_Usage | None], after: Sequence[_Usage | None]) -> Rest:
    pairs = [(early, late) for early, late in zip(before, after, strict=True) if early and late]
    if not pairs:
        raise RuntimeError(f"{world.system.title}: every member lost a process while the mesh was at rest")

    def rates(key: str) -> tuple[float, ...]:
        return tuple((late[key] - early[key]) / (late["at_s"] - early["at_s"]) for early, late in pairs)

    first, last = pairs[0]
    roles = [key for key in first if key not in ("at_s", "bytes", "packets")]
    return Rest(
        nodes=len(world.members),
        system=world.system.name,
        window_s=last["at_s"] - first["at_s"],
        restless=len(before) - len(pairs),
        bytes_per_s=rates("bytes"),
        packets_per_s=rates("packets"),
        cpu={role: rates(role) for role in roles},
    )


def half_connected(worlds: Sequence[World], length_s: float) -> list[Fault]:
    """The last node reaches one in ten of the others."""
    nodes = len(worlds[0].members)
    scripts = faults.half_connected(nodes - 1, nodes)
    return _fault(worlds, "one node reaches one in ten", scripts, (nodes - 1,), length_s)


def egress_loss(worlds: Sequence[World], length_s: float) -> list[Fault]:
    """One in ten nodes, two at least, lose most of what they send."""
    nodes = len(worlds[0].members)
    culprits = tuple(range(nodes - max(2, nodes // 10), nodes))
    scripts = faults.egress_loss(culprits, LOSS_PERCENT, nodes)
    return _fault(worlds, f"{LOSS_PERCENT} % egress loss at {len(culprits)}", scripts, culprits, length_s)


def _fault(
    worlds: Sequence[World], what: str, scripts: Mapping[int, str], culprits: Sequence[int], length_s: float
) -> list[Fault]:
    names = tuple(worlds[0].members[number] for number in culprits)
    began_s = _hold(worlds, scripts, length_s)
    counts = {world: _count(world, names, began_s[world]) for world in worlds}
    healed_s = _heal(worlds, scripts)
    return [
        Fault(
            nodes=len(world.members),
            system=world.system.name,
            what=what,
            length_s=length_s,
            false_failures=counts[world].false_failures,
            false_impaired=counts[world].false_impaired,
            culprit_failures=counts[world].culprit_failures,
            healed_s=healed_s[world],
        )
        for world in worlds
    ]


def split(worlds: Sequence[World], length_s: float) -> list[Fault]:
    """The last zone is cut off from the others."""
    nodes = len(worlds[0].members)
    small = tuple(number for number in range(nodes) if number % len(ZONES) == len(ZONES) - 1)
    scripts = faults.split(small, nodes)
    began_s = _hold(worlds, scripts, length_s)
    judged = {world: _judge_split(world, small, began_s[world]) for world in worlds}
    healed_s = _heal(worlds, scripts)
    return [_split_sample(world, small, length_s, judged[world], healed_s[world]) for world in worlds]


_Judged = tuple[Count, Count, float, int]


def _judge_split(world: World, small: Sequence[int], began_s: float) -> _Judged:
    """What either side said of itself, when the larger was through with the smaller, and how many pairs (observer
    on the smaller, subject on the larger) were declared failed.
    """
    minority = [world.members[number] for number in small]
    majority = [name for name in world.members if name not in minority]
    said, now_s = world.recorder.since(began_s), time.monotonic()
    seen = {name: detections(said, name, began_s) for name in world.members}
    last_s = max(seen[subject].get(observer, float("inf")) for observer in majority for subject in minority)
    return (
        count(said, minority, began_s, now_s),
        count(said, majority, began_s, now_s),
        last_s,
        sum(observer in seen[subject] for observer in minority for subject in majority),
    )


def _split_sample(world: World, small: Sequence[int], length_s: float, judged: _Judged, healed_s: float) -> Fault:
    large, little, seen_s, condemned = judged
    return Fault(
        nodes=len(world.members),
        system=world.system.name,
        what=f"{len(small)} of {len(world.members)} cut off",
        length_s=length_s,
        false_failures=large.false_failures + little.false_failures,
        false_impaired=large.false_impaired + little.false_impaired,
        culprit_failures=large.culprit_failures,
        healed_s=healed_s,
        seen_s=seen_s,
        condemned=condemned,
        condemnable=len(small) * (len(world.members) - len(small)),
    )


def _hold(worlds: Sequence[World], scripts: Mapping[int, str], length_s: float) -> dict[World, float]:
    """Impose the scripts for so long; when they began in each, monotonic."""
    began_s = {}
    for world in worlds:
        began_s[world] = time.monotonic()
        world.impose(scripts)
    time.sleep(length_s)
    return began_s


def _heal(worlds: Sequence[World], scripts: Mapping[int, str]) -> dict[World, float]:
    ended_s = {}
    for world in worlds:
        world.impose(dict.fromkeys(scripts, faults.HEAL))
        ended_s[world] = time.monotonic()
    return _healed(worlds, ended_s)


def _healed(worlds: Sequence[World], since_s: Mapping[World, float]) -> dict[World, float]:
    """How long each took until everybody held everybody alive."""
    done: Callable[[World], bool] = lambda world: world.complete_since_s() is not None  # noqa: E731
    wait_for(worlds, done, HEAL_LIMIT_S)
    found = {world: world.complete_since_s() for world in worlds}
    return {world: float("inf") if at_s is None else max(at_s - since_s[world], 0.0) for world, at_s in found.items()}


def _seen(world: World, name: str, since_s: float) -> dict[str, float]:
    said = world.recorder.since(since_s)
    return {observer: at_s for observer, at_s in detections(said, name, since_s).items() if observer != name}


def _count(world: World, culprits: Sequence[str], since_s: float) -> Count:
    return count(world.recorder.since(since_s), culprits, since_s, time.monotonic())
