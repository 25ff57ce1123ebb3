"""The vocabulary of what goes wrong. Each fault begins, and says how it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from lbmesh.model.service import ReplicaId
from tests.sim.network import Conditions, End, anywhere
from tests.sim.replicas import SimulatedReplica
from tests.sim.world import World

Ending = Callable[[], None]


class Fault(Protocol):
    """Something that goes wrong for a while."""

    def begin(self, world: World) -> Ending:
        """Let it go wrong; returns what makes it good again."""


@dataclass(frozen=True, slots=True)
class Crash:
    """SIGKILL, or the machine is gone; then a restart. `epoch_lost`: with the file of the boot counter."""

    names: tuple[str, ...]
    epoch_lost: bool = False

    def begin(self, world: World) -> Ending:
        names = [name for name in self.names if world.nodes[name].core is not None]
        world.crash(*names)
        for name in names if self.epoch_lost else ():
            world.nodes[name].boots = 0
        return lambda: world.start(*names)


@dataclass(frozen=True, slots=True)
class Leave:
    """SIGTERM, and later a start."""

    name: str

    def begin(self, world: World) -> Ending:
        if not world.nodes[self.name].is_up:
            return _nothing
        world.leave(self.name)
        return lambda: world.start(self.name)


@dataclass(frozen=True, slots=True)
class AgentRestart:
    """The agent dies, and the sentinel starts another; the forwarders serve on."""

    name: str

    def begin(self, world: World) -> Ending:
        if world.nodes[self.name].is_up:
            world.restart_agent(self.name)
        return _nothing


@dataclass(frozen=True, slots=True)
class Stop:
    """SIGSTOP, and SIGCONT."""

    names: tuple[str, ...]

    def begin(self, world: World) -> Ending:
        names = [name for name in self.names if world.nodes[name].is_up]
        world.pause(*names)
        return lambda: world.thaw(*(name for name in names if world.nodes[name].paused))


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
class Split:
    """Each group reaches only itself; who is in none, nobody. Replicas stay reachable from everywhere."""

    groups: tuple[tuple[str, ...], ...]

    def begin(self, world: World) -> Ending:
        group_of = {name: number for number, group in enumerate(self.groups) for name in group}

        def is_cut(source: End, target: End) -> bool:
            return source is not target and group_of.get(source.name, -1) != group_of.get(target.name, -2)

        return _imposed(world, Conditions(is_cut, loss=1.0))


@dataclass(frozen=True, slots=True)
class OneWay:
    """Nothing that the sources send reaches the targets; the way back works."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]

    def begin(self, world: World) -> Ending:
        def is_cut(source: End, target: End) -> bool:
            return source.name in self.sources and target.name in self.targets

        return _imposed(world, Conditions(is_cut, loss=1.0))


@dataclass(frozen=True, slots=True)
class Flipping:
    """A one-way cut that comes and goes."""

    source: str
    target: str
    period_s: float

    def begin(self, world: World) -> Ending:
        cut = OneWay((self.source,), (self.target,))
        ended = False
        heal: Ending = _nothing

        def flip(cuts: bool) -> None:
            nonlocal heal
            heal()
            heal = cut.begin(world) if cuts and not ended else _nothing
            if not ended:
                world.at(world.now + self.period_s / 2, lambda: flip(not cuts))

        def end() -> None:
            nonlocal ended
            ended = True
            flip(False)

        flip(True)
        return end


@dataclass(frozen=True, slots=True)
class HalfConnected:
    """A node that is reached by, and reaches, only these."""

    name: str
    reaches: tuple[str, ...]

    def begin(self, world: World) -> Ending:
        def is_cut(source: End, target: End) -> bool:
            ends = {source.name, target.name}
            return len(ends) == 2 and self.name in ends and not ends & set(self.reaches)

        return _imposed(world, Conditions(is_cut, loss=1.0))


@dataclass(frozen=True, slots=True)
class Lossy:
    """What these nodes send is lost with this probability."""

    names: tuple[str, ...]
    loss: float

    def begin(self, world: World) -> Ending:
        return _imposed(world, Conditions(lambda source, _: source.name in self.names, loss=self.loss))


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
