"""An experiment's file, and all that must be right with it before anything is touched."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid

from lbmesh_chaos.lab.verbs import SHIPPED
from lbmesh_chaos.model.world import World
from lbmesh_chaos.model.world_file import parse_world
from lbmesh_chaos.toolkit.check import check
from lbmesh_chaos.toolkit.extension import Extension, read_extension
from lbmesh_chaos.toolkit.target_list import TargetList, parse_target_list


class ExperimentError(Exception):
    """An experiment that cannot be done; a line for each thing that is wrong, with what to write instead."""


@dataclass(frozen=True, slots=True)
class Drill:
    """An experiment that was checked. `world_text`: what the lab is made from, `world_file` where it stood; both
    are "" where real hosts are aimed at.
    """

    experiment: dict[str, Any]
    extension: Extension
    world: World
    world_text: str
    world_file: str

    @property
    def title(self) -> str:
        """The experiment's."""
        return str(self.experiment["title"])

    @property
    def hypothesis(self) -> str:
        """What it promises, in its own words; else what the steady state is called."""
        steady = self.experiment.get("steady-state-hypothesis") or {}
        return str(self.experiment.get("description") or steady.get("title", "")).strip()


def read_drill(file: Path, targets: TargetList | None = None) -> Drill:
    """Raises ExperimentError. `targets`: what is aimed at instead of the experiment's world."""
    experiment = _parsed(file)
    extension = read_extension(experiment)
    if isinstance(extension, tuple):
        raise _wrong(file, *extension)
    if targets is None:
        world, world_text, world_file = _read_world(extension, file)
        wrong = check(experiment, world)
        first = extension.load.first
        if first and world.host(first) is None:
            wrong = (*wrong, f"extensions[lbmesh].load.first: {world.explain_unknown(first)}")
    else:
        world, world_text, world_file = targets.world, "", ""
        wrong = check(experiment, world, targets.why_not)
    if wrong:
        raise _wrong(file, *wrong)
    try:
        ensure_experiment_is_valid(experiment)
    except ChaosException as error:
        raise _wrong(file, str(error)) from error
    return Drill(experiment, extension, world, world_text, world_file)


def read_targets(file: Path) -> TargetList:
    """Raises ExperimentError."""
    try:
        found = parse_target_list(file.read_text(), file=str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(file, f"cannot be read: {error}") from error
    if isinstance(found, tuple):
        raise ExperimentError("\n".join(map(str, found)))
    return found


def _read_world(extension: Extension, file: Path) -> tuple[World, str, str]:
    world_file = _world_file(extension.world, file)
    try:
        text = world_file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(file, f"extensions[lbmesh].world: {world_file} cannot be read: {error}") from error
    world = parse_world(text, file=str(world_file))
    if isinstance(world, tuple):
        raise ExperimentError("\n".join(map(str, world)))
    return world, text, str(world_file)


def _parsed(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text()
        found = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(file, f"cannot be read: {error}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise _wrong(file, f"is no {'JSON' if file.suffix == '.json' else 'YAML'}: {error}") from error
    if not isinstance(found, dict):
        raise _wrong(file, "holds no experiment; write a mapping with title, description, extensions, method")
    return found


def _world_file(name: str, experiment: Path) -> Path:
    """One that is shipped, or a path beside the experiment."""
    shipped = SHIPPED / f"{name}.toml"
    return shipped if "/" not in name and shipped.exists() else experiment.parent / name


def _wrong(file: Path, *lines: str) -> ExperimentError:
    return ExperimentError("\n".join(f"{file}: {line}" for line in lines))
