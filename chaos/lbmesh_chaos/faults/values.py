"""Single values of a fault's arguments. Each reader raises ValueError with what to write instead."""

import difflib
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from lbmesh.config.values import duration_s as positive_duration_s
from lbmesh_chaos.model.faults import Flapping, Names
from lbmesh_chaos.model.world import Host, Role, World

Reader = Callable[[object, World], object]

MACHINES = (Role.BALANCER, Role.REPLICA, Role.RESOLVER, Role.OTHER)
"""What a zone's name stands for when processes are meant: not the clients, which are there to see what happens."""
ENDS = (*MACHINES, Role.CLIENT)
"""What a zone's name stands for when the network is meant."""
LABEL_CHARS_MAX = 40

_LABEL = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{LABEL_CHARS_MAX - 1}}}\Z")
_RATE = re.compile(r"(?P<number>[0-9]+)(?P<unit>B|KiB|MiB)/s\Z")
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2}
_Word = TypeVar("_Word", bound=StrEnum)


def hosts_meant(world: World, names: Names, roles: tuple[Role, ...]) -> tuple[Host, ...]:
    """The hosts that the names stand for, each once, in the world's order: a zone's of these roles, and the named."""
    meant = {host.name for name in names for host in world.meant_by(name) if host.role in roles}
    return tuple(host for host in world.everywhere if host.name in meant)


def targets(*roles: Role) -> Reader:
    """Names of hosts with these roles, or of zones that have one."""

    def read(value: object, world: World) -> Names:
        names = _list_of_names(value)
        for name in names:
            found = world.meant_by(name)
            if not found and world.zone(name) is None:
                raise ValueError(world.explain_unknown(name))
            if not any(host.role in roles for host in found):
                able = [host.name for host in world.everywhere if host.role in roles]
                kinds = " or ".join(roles)
                what = f'zone "{name}" has no {kinds}' if world.zone(name) else f'"{name}" is a {found[0].role}'
                hint = f"write {_some(able)}" if able else f"this world has no {kinds}"
                raise ValueError(f"{what}; {hint}")
        return names

    return read


def target(*roles: Role) -> Reader:
    """The name of one host."""
    several = targets(*roles)

    def read(value: object, world: World) -> str:
        if not isinstance(value, str) or world.zone(value):
            raise ValueError("write one host's name")
        several(value, world)
        return value

    return read


def groups(value: object, world: World) -> tuple[Names, ...]:
    """Two groups or more, that have no host in common."""
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError('write a list of at least two groups, such as [["zone-a"], ["zone-b", "zone-c"]]')
    read = targets(*ENDS)
    found = tuple(read(group, world) for group in value)
    seen: dict[str, int] = {}
    for number, names in enumerate(found):
        for host in hosts_meant(world, names, ENDS):  # type: ignore[arg-type]
            if seen.setdefault(host.name, number) != number:
                raise ValueError(f'"{host.name}" is in two groups; name it in one, or in "bridges" if it reaches both')
    return found  # type: ignore[return-value]


def one_of(words: type[_Word]) -> Reader:
    """A word of an enumeration."""

    def read(value: object, _world: World) -> _Word:
        try:
            return words(str(value))
        except ValueError:
            raise ValueError(f"write {_some(list(words))}") from None

    return read


def duration(value: object, _world: World) -> float:
    """Seconds, from 1 ms to 24 h."""
    return positive_duration_s(value)


def signed_duration(value: object, _world: World) -> float:
    """Seconds, from a duration with its sign."""
    if not isinstance(value, str) or value[:1] not in ("+", "-"):
        raise ValueError('write a duration with its sign, such as "+1h" or "-30s"')
    return (1 if value[0] == "+" else -1) * positive_duration_s(value[1:])


def share(value: object, _world: World) -> float:
    """More than 0, at most 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value <= 1.0:
        raise ValueError("write a number above 0, and at most 1")
    return float(value)


def partial_share(value: object, world: World) -> float:
    """More than 0, less than 1: the whole and nothing are other faults."""
    number = share(value, world)
    if number == 1.0:
        raise ValueError("write a number between 0 and 1; for all of it there is the fault freeze")
    return number


def rate(value: object, _world: World) -> int:
    """Bytes a second."""
    found = _RATE.match(value) if isinstance(value, str) else None
    if found is None or int(found["number"]) == 0:
        raise ValueError('write a rate such as "128KiB/s" or "1MiB/s"')
    return int(found["number"]) * _BYTES[found["unit"]]


def flag(value: object, _world: World) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("write true or false")
    return value


def label(value: object, _world: World) -> str:
    """What a fault is called, so that it can be healed, and found in the report."""
    if not isinstance(value, str) or not _LABEL.match(value):
        raise ValueError(f'write at most {LABEL_CHARS_MAX} small letters, digits, "-" and "_"')
    return value


def flapping(value: object, world: World) -> Flapping:
    """How long the fault stands and how long it rests, in turns. (YAML takes `on` and `off` for true and false.)"""
    if not isinstance(value, Mapping) or set(value) != {"stands", "rests"}:
        raise ValueError('write both durations, such as {stands: "2s", rests: "1s"}')
    return Flapping(duration(value["stands"], world), duration(value["rests"], world))


def nearest(word: str, words: list[str]) -> str:
    """What to write instead of a word that is not known."""
    near = difflib.get_close_matches(word, words, n=1)
    return f'write "{near[0]}"' if near else f"write {_some(words)}"


def _list_of_names(value: object) -> Names:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return tuple(dict.fromkeys(value))
    raise ValueError("write the name of a host or a zone, or a list of them")


def _some(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
