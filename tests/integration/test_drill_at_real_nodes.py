"""Drills aimed at real nodes over their admin API: what is allowed is done and undone, and nothing else is."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import proc
from tests.support.nodes import Node
from tests.support.staging import DRILL, Staging, activity, running_staging
from tests.support.wait import wait_for


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    with running_staging(tmp_path) as made:
        yield made


def test_what_the_list_allows_is_done_seen_and_undone(staging: Staging) -> None:
    before = staging.pids()
    done = staging.drill(
        activity("kill", targets="lb-a1", part="forwarder", at_most="30s", label="forwarder"),
        activity("heal", label="forwarder"),
        activity("kill", targets="lb-b1", part="agent", at_most="30s", label="agent"),
        activity("heal", label="agent"),
        activity("freeze", targets="lb-c1", part="forwarder", at_most="30s", label="frozen"),
        activity("heal", label="frozen"),
        activity("rolling_reload", targets=["lb-a1", "lb-b1"], whole_within="60s"),
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
    ([activity("kill", targets=["lb-a1", "lb-b1"], part="agent", at_most="9s")], "zone-a and zone-b would be"),
    ([activity("cut", targets="lb-a1", at_most="9s")], "a node cannot do this to itself"),
    ([activity("kill", targets="lb-a9", part="agent", at_most="9s")], 'is called "lb-a9"; write "lb-a1"'),
    ([activity("kill", targets="lb-a1", prat="agent", at_most="9s")], 'is not known; write "part"'),
    (
        [
            activity("kill", targets="lb-a1", part="agent", at_most="9s"),
            activity("kill", targets="lb-b1", part="agent", at_most="9s", label="b"),
        ],
        'method[2] "kill": kill: zone-a and zone-b',
    ),
]


def test_what_is_wrong_or_not_confirmed_is_refused_before_anything_is_touched(staging: Staging) -> None:
    before = staging.pids()
    for method, says in REFUSED:
        done = staging.drill(*method)
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    done = staging.drill(activity("kill", targets="lb-a1", part="agent", at_most="9s"), yes="production")
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
    done = staging.drill(activity("kill", targets="lb-c1", part="agent", at_most="9s"))
    assert done.returncode == 2
    assert "lb-a2: at 127.0.0.1:" in done.stderr
    assert 'is "lb-a1" of "zone-a"' in done.stderr
    assert "lb-b1: it does not let itself be drilled; set [admin] drills = true" in done.stderr
    assert not staging.nodes[2].log_lines("a drill's fault")


FROZEN = activity("freeze", pause_s=300, targets="lb-a1", part="forwarder", at_most="100s")


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
    again = staging.drill(activity("kill", targets="lb-b1", part="agent", at_most="9s"))
    assert again.returncode == 2
    assert "a drill was aborted; orders are refused for" in again.stderr


def test_the_node_itself_undoes_the_fault_of_a_drill_that_was_killed(staging: Staging) -> None:
    brief = activity("freeze", pause_s=300, targets="lb-a1", part="forwarder", at_most="1s")
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
    file = staging.experiment({**activity("kill"), "provider": command})
    done = subprocess.run([*DRILL, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "reaches beyond the lab" in done.stderr
