"""Drills aimed at real nodes over their admin API: what is allowed is done and undone, and nothing else is."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import proc
from tests.support.nodes import Node, running_mesh
from tests.support.origins import answering, running_origin
from tests.support.wait import wait_for

TOKEN = "0123456789abcdef"
DRILL = (sys.executable, "-P", "-m", "lbmesh", "drill")


class Staging:
    """Three nodes, and the files of a drill at them."""

    def __init__(self, directory: Path, nodes: tuple[Node, ...], replica: str) -> None:
        self.directory = directory
        self.nodes = nodes
        self.list = directory / "staging.toml"
        able = '["kill agent", "kill forwarder", "freeze forwarder", "freeze agent", "reload"]'
        self.list.write_text(
            'name = "staging"\n[safety]\nnodes_max_share = 0.34\nat_most_max = "2m"\n'
            + "".join(
                f'[[node]]\nname = "{one.name}"\nzone = "{one.zone}"\nadmin = "{one.admin_address}"\n'
                f'token_file = "{directory}/token"\nfaults = {able}\n'
                for one in nodes
            )
            + f'[[replica]]\nname = "app"\nzone = "zone-a"\naddress = "{replica}"\n'
        )

    def experiment(self, *method: dict[str, Any]) -> Path:
        probe = _activity("mesh_is_whole", "probes", within="60s")
        whole = {
            "title": "a drill",
            "description": "at real nodes",
            "extensions": [{"name": "lbmesh", "world": "three-zones", "marks": {"agree_s": None}}],
            "controls": [{"name": "lbmesh", "provider": {"type": "python", "module": "lbmesh_chaos.toolkit.control"}}],
            "steady-state-hypothesis": {"title": "all is well", "probes": [{**probe, "tolerance": True}]},
            "method": list(method),
        }
        file = self.directory / "experiment.yaml"
        file.write_text(yaml.safe_dump(whole))
        return file

    def drill(self, *method: dict[str, Any], yes: str = "staging") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*DRILL, str(self.experiment(*method)), "--target", str(self.list), "--yes", yes, "--json", "--quiet"],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def begun(self, *method: dict[str, Any]) -> "subprocess.Popen[bytes]":
        """As a shell begins what is to run in the background: with SIGINT ignored."""
        words = [*DRILL, str(self.experiment(*method)), "--target", str(self.list), "--yes", "staging", "--quiet"]
        background = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
        return subprocess.Popen(
            [*background, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def pids(self) -> dict[str, int]:
        return {f"{one.name} {child}": one.child_pid(child) for one in self.nodes for child in ("agent", "forwarder-0")}


def _activity(function: str, module: str = "actions", pause_s: float = 0.0, **arguments: Any) -> dict[str, Any]:
    return {
        "type": "action" if module == "actions" else "probe",
        "name": function,
        "provider": {
            "type": "python",
            "module": f"lbmesh_chaos.toolkit.{module}",
            "func": function,
            "arguments": arguments,
        },
        "pauses": {"after": pause_s},
    }


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    lines = f'token_file = "{token}"\ndrills = true'
    with (
        running_origin(answering()) as origin,
        running_mesh(tmp_path, [(origin.address, "zone-a")], token=TOKEN, admin_lines=lines) as nodes,
    ):
        yield Staging(tmp_path, nodes, str(origin.address))


def test_what_the_list_allows_is_done_seen_and_undone(staging: Staging) -> None:
    before = staging.pids()
    done = staging.drill(
        _activity("kill", targets="lb-a1", part="forwarder", at_most="30s", label="forwarder"),
        _activity("heal", label="forwarder"),
        _activity("kill", targets="lb-b1", part="agent", at_most="30s", label="agent"),
        _activity("heal", label="agent"),
        _activity("freeze", targets="lb-c1", part="forwarder", at_most="30s", label="frozen"),
        _activity("heal", label="frozen"),
        _activity("rolling_reload", targets=["lb-a1", "lb-b1"], whole_within="60s"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill forwarder on lb-a1 (zone-a, 127.0.0.1:" in done.stderr
    report = json.loads(done.stdout)
    assert [one["label"] for one in report["faults"]][:3] == ["forwarder", "agent", "frozen"]
    assert (report["verdict"], report["residue"], report["drill"]["loaded"]) == ("passed", [], False)
    changed = {name for name, pid in staging.pids().items() if pid != before[name]}
    assert changed == {"lb-a1 forwarder-0", "lb-b1 agent"}
    assert proc.stat(staging.nodes[2].child_pid("forwarder-0")).state != "T"
    wait_for(lambda: len(staging.nodes[0].log_lines("reloaded")) >= 1, "a reload")


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([_activity("kill", targets=["lb-a1", "lb-b1"], part="agent", at_most="9s")], "zone-a and zone-b would be"),
    ([_activity("cut", targets="lb-a1", at_most="9s")], "a node cannot do this to itself"),
    ([_activity("kill", targets="lb-a9", part="agent", at_most="9s")], 'is called "lb-a9"; write "lb-a1"'),
    ([_activity("kill", targets="lb-a1", prat="agent", at_most="9s")], 'is not known; write "part"'),
    (
        [
            _activity("kill", targets="lb-a1", part="agent", at_most="9s"),
            _activity("kill", targets="lb-b1", part="agent", at_most="9s", label="b"),
        ],
        'method[2] "kill": kill: zone-a and zone-b',
    ),
]


def test_what_is_wrong_or_not_confirmed_is_refused_before_anything_is_touched(staging: Staging) -> None:
    before = staging.pids()
    for method, says in REFUSED:
        done = staging.drill(*method)
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    done = staging.drill(_activity("kill", targets="lb-a1", part="agent", at_most="9s"), yes="production")
    assert done.returncode == 2
    assert "not confirmed, nothing was touched; write --yes staging" in done.stderr
    assert staging.pids() == before
    assert all(not one.log_lines("a drill's fault") for one in staging.nodes)


def test_a_node_that_does_not_allow_it_or_is_another_one_is_left_alone(staging: Staging) -> None:
    first, second, _ = staging.nodes
    second.admin_lines = second.admin_lines.replace("drills = true", "")
    second.write_config()
    assert second.end() == 0
    second.start()
    text = staging.list.read_text()
    staging.list.write_text(text.replace(f'name = "{first.name}"', 'name = "lb-a2"'))
    done = staging.drill(_activity("kill", targets="lb-c1", part="agent", at_most="9s"))
    assert done.returncode == 2
    assert "lb-a2: at 127.0.0.1:" in done.stderr
    assert 'is "lb-a1" of "zone-a"' in done.stderr
    assert "lb-b1: it does not let itself be drilled; set [admin] drills = true" in done.stderr
    assert not staging.nodes[2].log_lines("a drill's fault")


FROZEN = _activity("freeze", pause_s=300, targets="lb-a1", part="forwarder", at_most="100s")


def _frozen(staging: Staging) -> int:
    """The forwarder, once it is stopped."""
    forwarder = staging.nodes[0].child_pid("forwarder-0")
    wait_for(lambda: proc.stat(forwarder).state == "T", "a frozen forwarder")
    return forwarder


def _goes_on(staging: Staging, forwarder: int) -> bool:
    """It runs again; or the sentinel, who waits for five seconds, was faster."""
    now = staging.nodes[0].child_pid("forwarder-0")
    return now != forwarder or proc.stat(forwarder).state != "T"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_undoes_what_stands(staging: Staging, number: int) -> None:
    with staging.begun(FROZEN) as drill:
        forwarder = _frozen(staging)
        os.kill(drill.pid, number)
        assert drill.wait(60) != 0
        wait_for(lambda: _goes_on(staging, forwarder), "a thaw")
        assert _standing(staging.nodes[0]) == []


def test_the_button_ends_a_drill_from_anywhere_and_no_other_begins(staging: Staging) -> None:
    with staging.begun(FROZEN) as drill:
        forwarder = _frozen(staging)
        pressed = subprocess.run(
            [*DRILL, "--abort", "--target", str(staging.list)], capture_output=True, text=True, check=False
        )
        assert pressed.returncode == 0, pressed.stderr
        wait_for(lambda: _goes_on(staging, forwarder), "a thaw")
        assert drill.wait(60) != 0
    again = staging.drill(_activity("kill", targets="lb-b1", part="agent", at_most="9s"))
    assert again.returncode == 2
    assert "a drill was aborted; orders are refused for" in again.stderr


def test_the_node_itself_undoes_the_fault_of_a_drill_that_was_killed(staging: Staging) -> None:
    brief = _activity("freeze", pause_s=300, targets="lb-a1", part="forwarder", at_most="1s")
    with staging.begun(brief) as drill:
        forwarder = _frozen(staging)
        drill.kill()
        wait_for(lambda: _goes_on(staging, forwarder), "a thaw")
        wait_for(lambda: _standing(staging.nodes[0]) == [], "nothing that stands")


def _standing(node: Node) -> list[object]:
    status, body = node.get("/v1/drill")
    return list(json.loads(body)["standing"]) if status == 200 else ["no answer"]


def test_without_its_list_a_drill_reaches_nothing_but_a_lab(staging: Staging) -> None:
    """The nodes are up, and the experiment names them; but its world is that of a file."""
    command = {"type": "process", "path": "kill", "arguments": "-9 1"}
    file = staging.experiment({**_activity("kill"), "provider": command})
    done = subprocess.run([*DRILL, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "reaches beyond the lab" in done.stderr
