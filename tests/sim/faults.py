"""What goes wrong, in the words of the chaos lab where it has them. Each fault begins, and says how it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from lbmesh.model.service import ReplicaId
from lbmesh_chaos.model.faults import Freeze, HalfConnected, Kill, Leave, Lossy, OneWay, Part, Split
from tests.sim.network import Conditions, End, Matches, anywhere
from tests.sim.replicas import SimulatedReplica
from tests.sim.world import World

Ending = Callable[[], None]


class SimulatedFault(Protocol):
    """Something that goes wrong for a while, and that no lab can do."""

    def begin(self, world: World) -> Ending:
        """Let it go wrong; returns what makes it good again."""


Fault = Kill | Leave | Freeze | Split | OneWay | HalfConnected | Lossy | SimulatedFault
"""The words that the lab has, too, are the lab's."""


def begin(fault: Fault, world: World) -> Ending:
    """Let a fault go wrong; returns what makes it good again. Replicas stay reachable from everywhere."""
    match fault:
        case Kill() | Leave() | Freeze():
            return _begin_on_nodes(fault, world)
        case Split(groups):
            return _imposed(world, Conditions(_between(groups), loss=1.0))
        case OneWay(sources, targets):
            return _imposed(
                world, Conditions(lambda one, other: one.name in sources and other.name in targets, loss=1.0)
            )
        case HalfConnected(name, reaches):
            return _imposed(world, Conditions(_strange_to(name, reaches), loss=1.0))
        case Lossy(names, loss):
            return _imposed(world, Conditions(lambda source, _: source.name in names, loss=loss))
        case _:
            return fault.begin(world)


def _begin_on_nodes(fault: Kill | Leave | Freeze, world: World) -> Ending:
    names = [name for name in fault.targets if world.nodes[name].is_up]
    match fault:
        case Kill(part=Part.AGENT):
            # The sentinel starts another one; the forwarders serve on.
            for name in names:
                world.restart_agent(name)
            return _nothing
        case Kill(targets, forgets=forgets):
            dying = [name for name in targets if world.nodes[name].core is not None]
            world.crash(*dying)
            for name in dying if forgets else ():
                world.nodes[name].boots = 0
            return lambda: world.start(*dying)
        case Leave():
            for name in names:
                world.leave(name)
            return lambda: world.start(*names)
        case Freeze():
            world.pause(*names)
            return lambda: world.thaw(*(name for name in names if world.nodes[name].paused))


def _between(groups: tuple[tuple[str, ...], ...]) -> Matches:
    group_of = {name: number for number, group in enumerate(groups) for name in group}

    def is_cut(source: End, target: End) -> bool:
        known = source.name in group_of and target.name in group_of
        return known and group_of[source.name] != group_of[target.name]

    return is_cut


def _strange_to(name: str, reaches: tuple[str, ...]) -> Matches:
    def is_cut(source: End, target: End) -> bool:
        ends = {source.name, target.name}
        return len(ends) == 2 and name in ends and not ends & set(reaches)

    return is_cut


@dataclass(frozen=True, slots=True)
class Lag:
    """The nodes' loops come round up to `lag_s` late."""

    names: tuple[str, ...]
    lag_s: float

    def begin(self, world: World) -> Ending:
        return _both(partial(self._set, world, self.lag_s), partial(self._set, world, 0.0))

    def _set(self, world: World, lag_s: float) -> None:
        for name in self.names:
            world.nodes[name].lag_s = lag_s
        world.turned()


@dataclass(frozen=True, slots=True)
class Flipping:
    """A one-way cut that comes and goes."""

    source: str
    target: str
    period_s: float

    def begin(self, world: World) -> Ending:
        cut: Fault = OneWay((self.source,), (self.target,))
        ended = False
        heal: Ending = _nothing

        def flip(cuts: bool) -> None:
            nonlocal heal
            heal()
            heal = begin(cut, world) if cuts and not ended else _nothing
            if not ended:
                world.at(world.now + self.period_s / 2, lambda: flip(not cuts))

        def end() -> None:
            nonlocal ended
            ended = True
            flip(False)

        flip(True)
        return end


@dataclass(frozen=True, slots=True)
class Refused:
    """The nodes' own kernels refuse what they send, and tell them so."""

    names: tuple[str, ...]

    def begin(self, world: World) -> Ending:
        return _imposed(world, Conditions(lambda source, _: source.name in self.names, refused=True))


@dataclass(frozen=True, slots=True)
class Weather:
    """What the network does to everybody."""

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    duplicates: float = 0.0
    overtaken: float = 0.0

    def begin(self, world: World) -> Ending:
        conditions = Conditions(anywhere, self.loss, self.delay_s, self.jitter_s, self.duplicates, self.overtaken)
        return _imposed(world, conditions)


@dataclass(frozen=True, slots=True)
class Ailing:
    """A replica is down, slow, or out of reach from some zones."""

    replica: ReplicaId
    up: bool = True
    slow_s: float = 0.0
    cut_from: tuple[str, ...] = ()

    def begin(self, world: World) -> Ending:
        assert world.replicas is not None
        replica = world.replicas.by_id[self.replica]
        return _both(
            partial(_set_replica, world, replica, self.up, self.slow_s, frozenset(self.cut_from)),
            partial(_set_replica, world, replica, True, 0.0, frozenset()),
        )


def _set_replica(world: World, replica: SimulatedReplica, up: bool, slow_s: float, cut_from: frozenset[str]) -> None:
    replica.up, replica.slow_s, replica.cut_from = up, slow_s, cut_from
    replica.changes.append(world.now)


def _imposed(world: World, conditions: Conditions) -> Ending:
    world.network.impose(conditions)
    return lambda: world.network.lift(conditions)


def _both(begin: Ending, end: Ending) -> Ending:
    begin()
    return end


def _nothing() -> None:
    """It ends by itself."""
