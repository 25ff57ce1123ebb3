"""A fault as it is ordered: its name and a mapping of arguments, as an experiment gives them. Refused whole, or taken.

name        kill
arguments   {targets: [lb-a1], silent: true, at_most: 30s, label: power-cut}
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lbmesh_chaos.faults import values
from lbmesh_chaos.faults.values import ENDS, MACHINES
from lbmesh_chaos.faults.vocabulary import COMMON, VOCABULARY, Key
from lbmesh_chaos.model.faults import (
    Ailing,
    ClockJump,
    DnsDown,
    Fault,
    Flapping,
    Freeze,
    HalfConnected,
    Kill,
    OneWay,
    Part,
    Split,
)
from lbmesh_chaos.model.world import Role, World

AT_MOST_MAX_S = 3600.0
"""No fault stands longer than this, whatever becomes of who ordered it."""


@dataclass(frozen=True, slots=True)
class Order:
    """A fault that may be done. `label`: unlike that of any other standing fault. `at_most_s`: the dead man's time."""

    label: str
    fault: Fault
    at_most_s: float
    flapping: Flapping | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why an order is refused. `key`: "" when the fault itself is meant. `message`: what to write instead."""

    fault: str
    key: str
    found: object
    message: str

    def __str__(self) -> str:
        if not self.key:
            return f"{self.fault}: {self.message}"
        found = "" if self.found is _MISSING else f"found {self.found!r}; "
        return f"{self.fault}: {self.key}: {found}{self.message}"


_MISSING = object()


def parse_order(name: str, arguments: Mapping[str, Any], world: World) -> Order | tuple[Wrong, ...]:
    """The order, or all that is wrong with it. The label is the fault's name when none is given."""
    word = VOCABULARY.get(name)
    if word is None:
        return (Wrong(name, "", name, f"there is no such fault; {values.nearest(name, list(VOCABULARY))}"),)
    keys = {**word.keys, **COMMON}
    wrong = [
        Wrong(name, key, arguments[key], f"is not known; {values.nearest(str(key), list(keys))}")
        for key in arguments
        if key not in keys
    ]
    read: dict[str, Any] = {}
    for key, spec in keys.items():
        value = arguments.get(key, _MISSING)
        if value is _MISSING:
            if spec.required:
                wrong.append(Wrong(name, key, _MISSING, f"is missing; {_wanted(spec, world)}"))
            continue
        try:
            read[spec.name] = spec.read(value, world)
        except ValueError as error:
            wrong.append(Wrong(name, key, value, str(error)))
    if wrong:
        return tuple(wrong)
    label, at_most_s, flapping = read.pop("label", name), read.pop("at_most_s"), read.pop("flapping", None)
    fault = word.makes(**read)
    amiss = tuple(_impossible(name, fault, at_most_s, flapping, world))
    return amiss or Order(label, fault, at_most_s, flapping)


def _wanted(spec: Key, world: World) -> str:
    """What a reader asks for, said by itself."""
    try:
        spec.read(None, world)
    except ValueError as error:
        return str(error)
    raise AssertionError(spec.name)


def _impossible(name: str, fault: Fault, at_most_s: float, flapping: Flapping | None, world: World) -> list[Wrong]:
    """What is well spelled, and cannot be."""
    found: list[Wrong] = []
    if at_most_s > AT_MOST_MAX_S:
        found.append(Wrong(name, "at_most", f"{at_most_s:g}s", "write at most 1h"))
    if flapping and flapping.on_s + flapping.off_s > at_most_s:
        found.append(Wrong(name, "flapping", flapping, "one turn is longer than at_most; write shorter ones"))
    match fault:
        case Kill(names, part) | Freeze(names, part) if part is not Part.ALL:
            others = [
                host.name for host in values.hosts_meant(world, names, MACHINES) if host.role is not Role.BALANCER
            ]
            if others:
                message = f"only balancers have that; name balancers as targets ({others[0]} is none)"
                found.append(Wrong(name, "part", str(part), message))
        case _:
            pass
    match fault:
        case Kill(part=part, silent=silent, forgets=forgets) if part is not Part.ALL and (silent or forgets):
            found.append(
                Wrong(name, "part", str(part), 'a machine dies whole; write "all", or leave silent and forgets')
            )
        case Split(parts, bridges):
            inside = {host.name for group in parts for host in values.hosts_meant(world, group, ENDS)}
            outside = [host.name for host in values.hosts_meant(world, bridges, ENDS) if host.name not in inside]
            if outside:
                message = f"{outside[0]} is in no group, and so reaches all already; name hosts of the groups"
                found.append(Wrong(name, "bridges", bridges, message))
        case OneWay(sources, targets) if _common(world, sources, targets):
            message = f"{_common(world, sources, targets)} is among the sources, too; name it in one of both"
            found.append(Wrong(name, "targets", targets, message))
        case HalfConnected(target, reaches) if target in {
            host.name for host in values.hosts_meant(world, reaches, (Role.BALANCER,))
        }:
            found.append(Wrong(name, "reaches", reaches, f"{target} always reaches itself; name other balancers"))
        case _:
            found += _impossible_within(name, fault, world)
    return found


def _impossible_within(name: str, fault: Fault, world: World) -> Iterator[Wrong]:
    """What a host, or its programs, cannot do."""
    match fault:
        case DnsDown() if not world.with_role(Role.RESOLVER):
            yield Wrong(name, "", None, "this world has no resolver; give a zone one")
        case ClockJump(names) if stuck := _without_clock(world, names):
            message = (
                f"the clock of {stuck} cannot be set; write it into the world's clocks, or aim at {_adjustable(world)}"
            )
            yield Wrong(name, "targets", names, message)
        case Ailing(_, 0.0, 0.0, 0.0, 0.0, 0.0):
            wanted = "nothing would ail; write slow, errors, truncated, resets or silent"
            yield Wrong(name, "", None, wanted)
        case _:
            pass


def _without_clock(world: World, names: tuple[str, ...]) -> str | None:
    meant = values.hosts_meant(world, names, MACHINES)
    return next((host.name for host in meant if host.name not in world.clocks), None)


def _adjustable(world: World) -> str:
    return f"one of {', '.join(world.clocks)}" if world.clocks else "none: this world has no clocks that can"


def _common(world: World, one: tuple[str, ...], other: tuple[str, ...]) -> str | None:
    second = {host.name for host in values.hosts_meant(world, other, ENDS)}
    return next((host.name for host in values.hosts_meant(world, one, ENDS) if host.name in second), None)
