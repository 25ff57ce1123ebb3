"""What an experiment says to us, in its `extensions`: the world, the load, the marks.

extensions:
  - name: lbmesh
    world: three-zones                  # a file, or the name of one that is shipped
    load: {rate: 500, lasts: 40s}
    marks: {mesh_lost_max: 0}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any

from lbmesh.config.values import duration_s
from lbmesh_chaos.faults.values import nearest
from lbmesh_chaos.model.outcome import Marks
from lbmesh_chaos.toolkit.bounded import number_up_to

NAME = "lbmesh"
RATE_MAX = 5000


@dataclass(frozen=True, slots=True)
class Load:
    """`rate`: requests a second, of all clients together, for `lasts_s`; the experiment begins `lead_s` later.

    Plain clients send `plain_share` of the requests, and `lbmesh.client` the rest. `first`: a host that clients ask
    before any balancer; "": none.
    """

    rate: float = 500.0
    lasts_s: float = 40.0
    lead_s: float = 5.0
    plain_share: float = 0.5
    deadline_s: float = 5.0
    first: str = ""


@dataclass(frozen=True, slots=True)
class Extension:
    """`lab`: one that is up; "": none in particular."""

    world: str
    lab: str = ""
    load: Load = Load()
    marks: Marks = field(default_factory=Marks)


class _Reading:
    """Of one experiment; gathers what is wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def known(self, where: str, table: Mapping[str, Any], keys: list[str]) -> None:
        for key in table:
            if key not in keys:
                self.wrong.append(f"{where}.{key}: is not known; {nearest(str(key), keys)}")

    def table(self, where: str, found: object) -> Mapping[str, Any]:
        if isinstance(found, Mapping):
            return found
        self.wrong.append(f"{where}: found {found!r}; write a mapping")
        return {}

    def value(self, where: str, table: Mapping[str, Any], key: str, read: Callable[[object], Any], default: Any) -> Any:
        if key not in table:
            return default
        try:
            return read(table[key])
        except ValueError as error:
            self.wrong.append(f"{where}.{key}: found {table[key]!r}; {error}")
            return default


def read_extension(experiment: Mapping[str, Any]) -> Extension | tuple[str, ...]:
    """Ours, or all that is wrong with it."""
    found = experiment.get("extensions")
    blocks = [one for one in found if isinstance(one, Mapping) and one.get("name") == NAME] if found else []
    if len(blocks) != 1:
        return (f'extensions: {len(blocks)} are called "{NAME}"; write one, with the world: "world: three-zones"',)
    reading, where, block = _Reading(), f"extensions[{NAME}]", blocks[0]
    reading.known(where, block, ["name", "world", "lab", "load", "marks"])
    if "world" not in block:
        reading.wrong.append(f"{where}.world: is missing; write a file, or three-zones")
    world = reading.value(where, block, "world", _text, "")
    lab = reading.value(where, block, "lab", _text, "")
    load = _read_load(reading, f"{where}.load", reading.table(f"{where}.load", block.get("load", {})))
    marks = _read_marks(reading, f"{where}.marks", reading.table(f"{where}.marks", block.get("marks", {})))
    return tuple(reading.wrong) or Extension(world, lab, load, marks)


def _read_load(reading: _Reading, where: str, table: Mapping[str, Any]) -> Load:
    reading.known(where, table, ["rate", "lasts", "lead", "plain_share", "deadline", "first"])
    default = Load()
    return Load(
        reading.value(where, table, "rate", partial(number_up_to, RATE_MAX), default.rate),
        reading.value(where, table, "lasts", duration_s, default.lasts_s),
        reading.value(where, table, "lead", duration_s, default.lead_s),
        reading.value(where, table, "plain_share", _share, default.plain_share),
        reading.value(where, table, "deadline", duration_s, default.deadline_s),
        reading.value(where, table, "first", _text, default.first),
    )


def _read_marks(reading: _Reading, where: str, table: Mapping[str, Any]) -> Marks:
    names = [one.name for one in fields(Marks)]
    reading.known(where, table, names)
    marks = Marks()
    for name in names:
        marks = replace(marks, **{name: reading.value(where, table, name, _mark, getattr(marks, name))})
    return marks


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("write a text")
    return value


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("write a number from 0 to 1")
    return float(value)


def _mark(value: object) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError("write a number, or null for what shall not be judged")
    return value
