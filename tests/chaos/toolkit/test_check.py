"""An experiment that cannot be done is refused whole, with what to write instead."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lbmesh_chaos.drill.experiment_file import ExperimentError, read_drill
from lbmesh_chaos.toolkit.check import check
from lbmesh_chaos.toolkit.extension import Extension, Load, read_extension
from lbmesh_chaos.toolkit.session import is_open
from tests.chaos.faults.worlds import three_zones

EXPERIMENTS = sorted((Path(__file__).parents[3] / "chaos" / "experiments").glob("*.yaml"))
ACTIONS, PROBES = "lbmesh_chaos.toolkit.actions", "lbmesh_chaos.toolkit.probes"


def activity(function: str, module: str = ACTIONS, **arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": module, "func": function, "arguments": arguments}
    return {"type": "action", "name": function, "provider": provider}


def experiment(*method: dict[str, Any], **more: Any) -> dict[str, Any]:
    control = {"name": "lbmesh", "provider": {"type": "python", "module": "lbmesh_chaos.toolkit.control"}}
    extension = {"name": "lbmesh", "world": "three-zones"}
    whole = {"title": "a", "description": "b", "controls": [control], "extensions": [extension], "method": list(method)}
    return {**whole, **more}


KILL = activity("kill", targets="lb-a1", at_most="10s")
COMMAND = {"type": "action", "name": "rm", "provider": {"type": "process", "path": "rm", "arguments": "-rf /"}}
PYTHON = activity("system", "os", command="reboot")


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_the_experiments_that_are_shipped_can_be_done(file: Path) -> None:
    assert read_drill(file).title


def test_a_right_one_is_right() -> None:
    assert check(experiment(KILL, activity("heal", label="kill"), activity("heal_all")), three_zones()) == ()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (experiment(KILL, titel="x"), 'experiment.titel: is not known; write "title"'),
        (experiment({**KILL, "puases": {}}), 'method[1] "kill".puases: is not known; write "pauses"'),
        (experiment(activity("kil")), "there is no action 'kil'; write \"kill\""),
        (experiment(activity("kill", targets="lb-a9", at_most="1s")), 'is called "lb-a9"; write "lb-a1"'),
        (experiment(activity("kill", targets="lb-a1")), "at_most: is missing"),
        (experiment(KILL, KILL), 'a fault "kill" stands already'),
        (
            experiment(KILL, activity("freeze", targets="zone-a", at_most="1s")),
            'the fault "kill" has the processes of lb-a1 in its hand',
        ),
        (experiment(activity("heal", label="kill")), 'no fault "kill" stands then; those that do: none'),
        (experiment(KILL, activity("heal_all", label="kill")), "is not known"),
        (experiment(activity("rolling_restart", targets=["lb-a1"], grace="soon")), "grace"),
        (experiment(activity("rolling_restart", targets=["app-a9"])), 'is called "app-a9"'),
        (experiment(activity("rolling_reload", targets=["app-a1"])), '"app-a1" is a replica'),
        (experiment(activity("mesh_is_hole", PROBES)), "there is no probe 'mesh_is_hole'; write \"mesh_is_whole\""),
        (experiment(activity("mesh_is_whole", PROBES, within=3)), "mesh_is_whole.within: write a duration"),
        (
            experiment(KILL, activity("clock_jump", targets="lb-b1", offset="+1h", at_most="1s")),
            "method[2] \"clock_jump\": clock_jump: targets: found ('lb-b1',); the clock of lb-b1 cannot be set",
        ),
        (experiment(COMMAND), 'method[1] "rm": reaches beyond the lab'),
        (experiment(PYTHON), "module 'os' reaches beyond the lab"),
        (experiment(KILL, rollbacks=[COMMAND]), 'rollbacks[1] "rm": reaches beyond the lab'),
        (experiment(KILL, controls=[]), "controls: write one"),
        (experiment(KILL, configuration={"a": 1}), "configuration: nothing of it is used"),
        (experiment(KILL, **{"steady-state-hypothesis": {"title": "t", "probes": [COMMAND]}}), "reaches beyond"),
    ],
)
def test_what_is_refused(wrong: dict[str, Any], says: str) -> None:
    assert says in "\n".join(check(wrong, three_zones()))


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({}, "extensions[lbmesh].world: is missing"),
        ({"world": "three-zones", "lod": {}}, 'lod: is not known; write "load"'),
        ({"world": "three-zones", "load": {"rate": 0}}, "load.rate: found 0; write a number above 0"),
        ({"world": "three-zones", "load": {"lasts": 30}}, "load.lasts: found 30; write a duration"),
        ({"world": "three-zones", "load": [1]}, "load: found [1]; write a mapping"),
        ({"world": "three-zones", "marks": {"mesh_lost": 0}}, 'mesh_lost: is not known; write "mesh_lost_max"'),
        ({"world": "three-zones", "marks": {"mesh_lost_max": -1}}, "write a number, or null"),
    ],
)
def test_an_extension_that_is_refused(block: dict[str, Any], says: str) -> None:
    found = read_extension(experiment(extensions=[{"name": "lbmesh", **block}]))
    assert isinstance(found, tuple)
    assert says in "\n".join(found)


def test_an_extension_has_defaults() -> None:
    assert read_extension(experiment()) == Extension("three-zones", "", Load())
    assert isinstance(read_extension(experiment(extensions=[])), tuple)


def test_a_file_is_refused_with_all_that_is_wrong_and_nothing_is_touched(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    wrong = experiment(activity("kill", targets="lb-a9", at_most="1s"), COMMAND)
    file.write_text(yaml.safe_dump(copy.deepcopy(wrong)))
    with pytest.raises(ExperimentError) as refused:
        read_drill(file)
    lines = str(refused.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{file}: method[") for line in lines)
    assert not is_open()


@pytest.mark.parametrize(("text", "says"), [("a: [", "is no YAML"), ("- 1", "holds no experiment"), ("", "holds no")])
def test_a_file_that_is_no_experiment(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ExperimentError, match=says):
        read_drill(file)
